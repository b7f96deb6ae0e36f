"""Style sheets, scripts and fonts, all of them shipped with packages: nothing is fetched, collected or built."""

from functools import cache

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

from populace.api.problems import Problem


@cache
def _files() -> WhiteNoiseMiddleware:
    # As a view and not as middleware: a request of the API does not look here. Finding the files takes a moment, so
    # it waits for the first who asks.
    return WhiteNoiseMiddleware()  # type: ignore[no-untyped-call]


def static_file(request: HttpRequest) -> HttpResponseBase:
    """Return a file of the apps' static folders; what is none of them is not found, whatever lies on the disk."""
    found = _files().files.get(request.path_info)
    if found is None:
        return Problem("not_found").reply(request)
    return _files().serve(found, request)  # type: ignore[no-untyped-call, no-any-return]
