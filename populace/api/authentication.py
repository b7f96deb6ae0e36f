"""Who is asking, by a bearer token (RFC 6750 section 2.1), what that person may do by this token, and how often.

Cookies and tokens in queries or forms are not looked at. A token is valid while it has neither expired nor been
revoked and its owner exists and is active. That is asked anew in every request, in the same statement as the document
where there is one, and so is the version of all rights: what a person's roles permit is kept in the process for a
second at most, and only while that version stays. A revocation or demotion counts from the next request on in every
process.
"""

from functools import lru_cache
from ipaddress import ip_address
from math import ceil
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Concat, Now
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from populace.api.problems import AUTHENTICATE, Problem
from populace.audit.actors import Actor
from populace.audit.permissions import expanded
from populace.credentials.models import ApiToken
from populace.credentials.tokens import digest_of
from populace.credentials.usage import USED
from populace.groups.reads import RIGHTS_VERSION, permissions_of
from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.documents import Json
from populace.infra.db.fields import FOREVER
from populace.users.models import User

# Expiry goes by the database's clock, one for all processes; a revocation by no clock at all.
_VALID = (
    ApiToken.objects.order_by()
    # One look-up by key whatever the planner believes; it would turn EXISTS into a join.
    .alias(owner_is_active=Subquery(User.objects.filter(pk=OuterRef("user_id")).values("is_active")))
    .filter(
        digest=Param("digest", ApiToken._meta.get_field("digest")),
        expires_at__gt=Now(),
        revoked_at=FOREVER,
        owner_is_active=True,
    )
)
_PARTS = (Json("uuid", "id"), Json("uuid", "user_id"), RIGHTS_VERSION, "scopes")
_BLANK = Value(" ", TextField())
# One text, because a list has it beside each of its rows.
_PRINCIPAL = Concat(*(text for part in _PARTS for text in (Cast(part, TextField()), _BLANK)))
DOCUMENT = 1
"""Where the document stands in a row of `folded(…)`, and whatever comes beside a row of TOKEN."""

TOKEN = Compiled(_VALID.values_list(_PRINCIPAL))
"""`TOKEN.row(digest=…)`: what a Principal is made of; None unless the token is valid."""


def folded(read: Compiled) -> Compiled:
    """Return `read` and its token's check as one statement: `.row(digest=…, **values)`.

    None: the token is not valid. Else what TOKEN returns and the document, NULL where there is none.
    """
    return Compiled(_VALID.values_list(_PRINCIPAL, Subquery(read.queryset)))


class Principal(NamedTuple):
    """The token behind a request; ids as the text the database gave, made UUIDs only where somebody asks."""

    token_id: bytes
    user_id: bytes
    held: frozenset[str]
    """What the person may do, with whatever token."""
    permissions: frozenset[str]
    """Of that, what lies in the scopes of the token."""


KEPT_S = 1.0
"""How long what a person's roles permit is kept, for changes that passed every verb by."""

KEPT_MOST = 4096  # people, about a kilobyte each

_kept: dict[bytes, tuple[float, bytes, frozenset[str]]] = {}


def held_by(user_id: bytes, version: bytes) -> frozenset[str]:
    """Return what a person's roles permit; `version` is RIGHTS_VERSION as the token's statement saw it.

    Reading it along with each token took 50 of 190 µs of the database. Read apart, it is never older than `version`.
    """
    now = monotonic()
    kept = _kept.get(user_id)
    if kept is not None and kept[1] == version and now < kept[0]:
        return kept[2]
    held = permissions_of(UUID(user_id.decode()))
    if len(_kept) >= KEPT_MOST:
        _kept.clear()
    _kept[user_id] = now + KEPT_S, version, held
    return held


@lru_cache(1024)
def narrowed(held: frozenset[str], scopes: bytes) -> frozenset[str]:
    """Return what of `held` lies in the scopes of a token."""
    return held & expanded(scopes.decode().split())


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer pop_…`. How the token is looked up is the view's business: `view.token_row(digest)`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the Principal; None without a header. Raises AuthenticationFailed, or Problem for two headers."""
        context: dict[str, Any] = request.parser_context
        header = request._request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        # WSGI joins repeated headers with a comma, which no token holds: which of the two was meant is open.
        if "," in header:
            raise Problem("malformed", "More than one Authorization header.")
        scheme, _, raw = header.partition(" ")
        digest = digest_of(raw.strip()) if scheme.lower() == "bearer" else None
        row = context["view"].token_row(digest) if digest else None
        if row is None:
            raise AuthenticationFailed
        token_id, user_id, version, scopes = row[0].split(b" ", 3)
        USED.add(token_id)
        held = held_by(user_id, version)
        return Principal(token_id, user_id, held, narrowed(held, scopes)), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750 section 3)."""
        return AUTHENTICATE["WWW-Authenticate"]


class HasScope(BasePermission):
    """The caller has a permission that `view.scopes` names for the method. A method not named needs `admin`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell so, or raise what a caller without the right is told."""
        method = request._request.method
        require(request, *view.scopes_of("GET" if method == "HEAD" else method))
        return True


def require(request: Request, *permissions: str) -> None:
    """Raise Problem `scope` where only the token lacks each of these, `forbidden` where its owner does.

    Raises NotAuthenticated where there is no token.
    """
    principal = request.user
    if not isinstance(principal, Principal):
        raise NotAuthenticated
    if not principal.permissions.isdisjoint(permissions):
        return
    named = " or ".join(permissions)
    if not principal.held.isdisjoint(permissions):
        raise Problem("scope", f"This call needs a token with scope {named}.")
    raise Problem("forbidden", f"This call needs a role with permission {named}.")


BURST_S = 10
"""Seconds that a caller may have been silent for and then make up at once."""

CALLERS_MAX = 20_000
"""Callers whose buckets a process remembers, some 3 MB; beyond them the longest silent one finds a full one again."""


class Quota:
    """How often callers may ask this process: a bucket of BURST_S times `rate` requests each, refilled by `rate` a
    second. `policy` and what `take` returns are as draft-ietf-httpapi-ratelimit-headers-10 writes them.

    Kept of a bucket is one number: when it will be full again.
    """

    def __init__(self, rate: float, *, callers: int = CALLERS_MAX) -> None:
        self.size = max(1, int(rate * BURST_S))
        self.step, self.span = 1 / rate, self.size / rate
        self.policy = f'"default";q={self.size};w={ceil(self.span)}'
        self.callers, self.full_at, self.lock = callers, dict[bytes, float](), Lock()

    def take(self, caller: bytes, at: float | None = None) -> tuple[str, int]:
        """Take one request of the caller's; return what is left, and 0, or if none was, in how many seconds one is."""
        now = monotonic() if at is None else at
        with self.lock:
            full_at = max(self.full_at.pop(caller, now), now)
            free = now + self.span - full_at  # seconds' worth of requests
            taken = free >= self.step - 1e-6  # floats
            self.full_at[caller] = full_at = full_at + self.step if taken else full_at
            if len(self.full_at) > self.callers:
                del self.full_at[next(iter(self.full_at))]
        if not taken:
            seconds = max(1, ceil(self.step - free))
            return f'"default";r=0;t={seconds}', seconds
        return f'"default";r={int((free - self.step) / self.step + 1e-3)};t={ceil(full_at - now)}', 0


QUOTA = Quota(settings.RATE_LIMIT / settings.WEB_PROCESSES) if settings.RATE_LIMIT else None
"""This process's share of what a person may ask, by all their tokens together; None: no limit."""


def actor_of(request: Request) -> Actor:
    """Return who the events of this request name as their author."""
    principal: Any = request.user
    django_request: Any = request._request
    return Actor(
        id=UUID(principal.user_id.decode()),
        request_id=django_request.request_id,
        address=address_of(django_request),
        user_agent=django_request.META.get("HTTP_USER_AGENT", "")[:300],
        permissions=principal.permissions,
        token_id=UUID(principal.token_id.decode()),
    )


def address_of(request: HttpRequest) -> str:
    """Return the client's address: the peer's, or what the outermost of our own proxies saw as its peer.

    Each proxy appends to X-Forwarded-For, so only the last settings.TRUSTED_PROXY_COUNT entries are ours to believe;
    what stands before them, the client may have written. A proxy must drop `X_Forwarded_For` (nginx does): WSGI
    cannot tell it from the real one.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    trusted: int = settings.TRUSTED_PROXY_COUNT
    entries = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if not trusted or len(entries) < trusted:
        return peer
    try:
        return str(ip_address(entries[-trusted]))
    except ValueError:
        return peer
