"""DRF's view without what DRF does anew in every request: negotiation, versions, instances of policies.

Authentication, permissions, throttles and the exception handler are DRF's hooks and work as documented there. Views
return bytes in an HttpResponse. A GET by id is written once, here, for every kind of document.
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from populace.api.authentication import DOCUMENT, QUOTA, TOKEN, actor_of
from populace.api.idempotency import REPLAYED, kept_body, once
from populace.api.problems import Fault, Problem
from populace.api.receipts import Kept
from populace.audit.permissions import ADMIN
from populace.infra.db.compiled import Compiled
from populace.users.refusals import record_refusal

JSON = "application/json"


class LeanRequest(Request):
    """DRF's request, whose `data` is always what the view's only parser makes of the body."""

    def _parse(self) -> tuple[Any, Any]:
        # DRF would choose by media type, and take a body without a length for an empty one.
        (parser,) = self.parsers or ()
        return parser.parse(self._request, self.content_type, self.parser_context), MultiValueDict()  # type: ignore[arg-type]


class LeanView(APIView):
    """Base of every API view. `scopes` names the scope each method needs, or several of which one will do to ask, and
    the method says what it needs; a method not named needs `admin`.

    A query is refused but for the methods in `with_query`, which check it themselves. A method in `keyed` takes effect
    once for each Idempotency-Key: its verb's first write brings the receipt, and `repeat` answers from that.
    """

    scopes: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    with_query: ClassVar[Collection[str]] = ()
    keyed: ClassVar[Collection[str]] = ("POST", "PUT", "PATCH", "DELETE")
    success: ClassVar[Mapping[str, int]] = {"DELETE": 204}
    """What a method answers that does not answer 200."""
    body_limit: ClassVar[int] = settings.BODY_LIMIT
    """Bytes that a body may have."""
    shows: ClassVar[Compiled | None] = None
    """The document, by `id`, that the methods in `keyed` return."""
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    _negotiator = BaseContentNegotiation()  # never asked; without one DRF's Request makes its own
    _authenticators: ClassVar[tuple[Any, ...]]
    _permissions: ClassVar[tuple[Any, ...]]
    _parsers: ClassVar[tuple[Any, ...]]

    @classmethod
    def scopes_of(cls, method: str) -> tuple[str, ...]:
        """Return the scopes of which a method needs one."""
        named = cls.scopes.get(method, ADMIN)
        return (named,) if isinstance(named, str) else named

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the policies' instances once: they keep no state between requests."""
        super().__init_subclass__(**options)
        cls._authenticators = tuple(each() for each in cls.authentication_classes)
        cls._permissions = tuple(each() for each in cls.permission_classes)
        cls._parsers = tuple(each() for each in cls.parser_classes)

    def get_permissions(self) -> Any:
        """Return the class's own instances."""
        return self._permissions

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> LeanRequest:
        """Return the request around Django's, with the class's policies."""
        return LeanRequest(request, self._parsers, self._authenticators, self._negotiator, {"view": self})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, with DRF's hooks in DRF's order; a method that is not there costs no query."""
        self.headers: dict[str, str] = {}
        self.left = ""
        lean = self.request = self.initialize_request(request)
        try:
            method = (request.method or "").lower()
            handler = getattr(self, method, None) if method in self.http_method_names else None
            if handler is None:
                raise Problem("method_not_allowed", headers=self.default_response_headers)
            self.initial(lean, *args, **kwargs)
            if "HTTP_IDEMPOTENCY_KEY" in request.META and request.method in self.keyed:
                response = once(self, handler, lean, **kwargs)
            else:
                response = handler(lean, *args, **kwargs)
        except Exception as error:
            response = self.handle_exception(error)
        if QUOTA and self.left:
            response.headers["RateLimit"], response.headers["RateLimit-Policy"] = self.left, QUOTA.policy
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who asks, whether too often, whether they may, and that the query says nothing we would ignore."""
        request._authenticate()  # type: ignore[attr-defined]  # what reading request.user does, less its detours
        if QUOTA and request.user is not None:
            self.left, seconds = QUOTA.take(request.user.user_id)  # type: ignore[union-attr]
            if seconds:
                raise Problem("rate_limited", headers={"Retry-After": str(seconds)})
        self.check_permissions(request)
        if self.throttle_classes:
            self.check_throttles(request)
        self.check_query(request)

    def check_query(self, request: Request) -> None:
        """Raise Problem `unknown_parameter` where the query would be ignored."""
        if request._request.META.get("QUERY_STRING") and request._request.method not in self.with_query:
            raise Problem("unknown_parameter", "This path takes no parameters.")

    def handle_exception(self, error: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Answer by DRF's hook; a refusal of what would have changed something is recorded first."""
        response: HttpResponseBase = super().handle_exception(error)
        request = self.request._request
        if response.status_code == 403 and request.method not in ("GET", "HEAD"):
            record_refusal(f"{request.method} {request.path}", by=actor_of(self.request))
        return response

    def token_row(self, digest: str) -> tuple[Any, ...] | None:
        """Return the columns of a Principal, None unless the token is valid; for TokenAuthentication."""
        return TOKEN.row(digest=digest)

    def sent(self, request: Request) -> bytes:
        """Return what tells one call with an Idempotency-Key from another: the body, or a digest of it."""
        return kept_body(request._request, self.body_limit)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Answer a call that was made before, of what there is now. Raises Problem `not_found` where that is gone."""
        if kept.status == 204:
            return HttpResponse(status=204)
        if kept.result:
            return HttpResponse(kept.result.encode(), content_type=JSON, status=kept.status)
        response = shown(self.again(kept), status=kept.status)
        if kept.status == 201:
            response.headers["Location"] = f"{request.path.rstrip('/')}/{kept.subject_id}"
        return response

    def again(self, kept: Kept) -> bytes:
        """Return the document that a call made or changed, as it is now; raises Problem."""
        if self.shows is None:
            raise NotImplementedError
        if (document := self.shows.one(id=kept.subject_id)) is None:
            raise Problem("not_found", "What this call had made or changed is gone.", headers=REPLAYED)
        return document


class InternalView(LeanView):
    """What operators look at; open in local mode, where the server listens on loopback alone."""

    scopes = {"GET": "metrics:read"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let everybody in there."""
        if settings.LOCAL:
            self.check_query(request)
        else:
            super().initial(request, *args, **kwargs)


class DocumentView(LeanView):
    """A view of one document by its id. `read` is `folded(…)`: the token's check and the document, one statement."""

    read: ClassVar[Compiled]
    document: bytes | None = None

    def token_row(self, digest: str) -> tuple[Any, ...] | None:
        """Ask for the document along with the token, if it is to be shown."""
        if self.request._request.method not in ("GET", "HEAD") or (key := uuid_or_none(self.kwargs["id"])) is None:
            return TOKEN.row(digest=digest)
        row = self.read.row(digest=digest, id=key)
        if row is not None:
            self.document = row[DOCUMENT]
        return row

    def get(self, request: Request, id: str) -> HttpResponse:
        """Return the document, or 304 where If-None-Match names exactly these bytes."""
        if self.document is None:
            raise Problem("not_found")
        held = request._request.META.get("HTTP_IF_NONE_MATCH")
        response = shown(self.document)
        if held is not None and (held.strip() == "*" or response.headers["ETag"] in tags_of(held)):
            return HttpResponse(status=304, headers={"ETag": response.headers["ETag"]}, content_type=JSON)
        return response


def shown(document: bytes, *, status: int = 200) -> HttpResponse:
    """Return a document with its ETag: its version and a digest of the bytes."""
    etag = f'"{version_of(document)}.{blake2b(document, digest_size=4).hexdigest()}"'
    return HttpResponse(document, content_type=JSON, status=status, headers={"ETag": etag})


def version_of(document: bytes) -> int:
    """Return the version, which stands last in every document."""
    return int(document[document.rindex(b":") + 1 : -1])


def uuid_or_none(text: str) -> UUID | None:
    """Return a UUID written with dashes, in either case (RFC 9562 section 4); None for anything else."""
    try:
        return UUID(text) if len(text) == 36 and text.count("-") == 4 else None
    except ValueError:
        return None


def uuid_or_404(text: str) -> UUID:
    """Return the UUID of a path; nothing has any other id. Raises Problem `not_found`."""
    if (key := uuid_or_none(text)) is None:
        raise Problem("not_found")
    return key


def tags_of(header: str) -> list[str]:
    """Return the entity tags of If-Match or If-None-Match; a proxy that compressed the body has made them weak."""
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def versions_of(request: Request) -> set[int] | None:
    """Return the versions that If-Match allows, None for any; tags that are not ours allow none.

    Only the version counts: groups and last_login are in the digest, but no change of the person's own row.
    """
    header = request._request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    versions = (tag.strip('"').partition(".")[0] for tag in tags_of(header))
    return {int(version) for version in versions if version.isdecimal() and len(version) < 19}


def body_or_nothing(request: Request) -> dict[str, Any]:
    """Return the body of a call that needs none; {} where there is none."""
    meta = request._request.META
    if meta.get("CONTENT_LENGTH") in (None, "", "0") and "HTTP_TRANSFER_ENCODING" not in meta:
        return {}
    return dict(request.data)


def refuse_body(request: Request) -> None:
    """Raise Problem 400 where a call that takes nothing is sent something: it would be ignored. `{}` is nothing."""
    if names := list(body_or_nothing(request))[:20]:
        raise Problem("invalid", errors=[Fault(f"/{name[:200]}", "unknown_field", "Takes no body.") for name in names])
