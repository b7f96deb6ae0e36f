"""The WSGI application that granian serves."""

import gc
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.core.cache import close_caches
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    """A request that exists whatever its Content-Type says."""

    def _set_content_type_params(self, meta: Mapping[str, Any]) -> None:
        """Read the media type; one longer than Django takes is none, for nobody would answer what is raised here.

        Nor does the caller choose the encoding of the query: `charset=rot13` would be an error of ours.
        """
        self.content_type, self.content_params = "", {}
        with suppress(ValueError):
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


application = get_wsgi_application()
application.request_class = Request

from populace.infra.db.pool import log_incidents  # noqa: E402 (it declares metrics, whose folder the settings name)

log_incidents()

# 20 µs of every request. The query log is only kept under DEBUG, which is always off; connections are given back, and
# broken ones closed, when a request has ended (close_old_connections), so none is left from the one before.
request_started.disconnect(reset_queries)
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_caches)  # there is no cache yet that keeps a connection

# A request leaves next to no cycles behind: look for them every 20,000 objects, not 2,000, and never among what was
# loaded at the start.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
