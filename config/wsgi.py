"""The WSGI application that granian serves."""

import os

from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

# 20 µs of every request. The query log is only kept under DEBUG, which is always off; a broken connection is closed
# when its request has ended, and one that the server closed since then is found by the first read (compiled.py:read).
request_started.disconnect(reset_queries)
request_started.disconnect(close_old_connections)
