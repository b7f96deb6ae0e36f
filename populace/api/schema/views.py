"""The schema as it is served, and its viewer. Both ask for a token outside local mode."""

from functools import cache
from hashlib import blake2b

from django.http import HttpResponse
from django.template.loader import get_template
from rest_framework.request import Request

from populace.api.schema.document import document
from populace.api.views import JSON, InternalView, tags_of

# Swagger UI draws its icons from data: URLs; its script writes style attributes, which need no permission.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@cache
def _etag() -> str:
    return f'"{blake2b(document(), digest_size=8).hexdigest()}"'


class Schema(InternalView):
    """OpenAPI 3.1."""

    def get(self, request: Request) -> HttpResponse:
        """Return the document, or 304 where If-None-Match names it."""
        held = request._request.META.get("HTTP_IF_NONE_MATCH")
        headers = {"ETag": _etag()}
        if held is not None and (held.strip() == "*" or _etag() in tags_of(held)):
            return HttpResponse(status=304, headers=headers, content_type=JSON)
        return HttpResponse(document(), content_type=JSON, headers=headers)


class Viewer(InternalView):
    """The document for people; its script and style come with a package, and from this server."""

    def get(self, request: Request) -> HttpResponse:
        """Return the page."""
        page = get_template("api/viewer.html").render()
        return HttpResponse(page, headers={"Content-Security-Policy": POLICY})
