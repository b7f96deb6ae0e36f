"""What somebody who is signed in may see and do in the console: the permissions of their roles, asked each time."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest

from populace.api.authentication import address_of
from populace.audit.actors import Actor
from populace.groups import reads
from populace.logins.actions import at_address


def may_open_console(user: Any) -> bool:
    """Tell whether the console is for this person: active, and some role allows something."""
    return bool(user.is_authenticated and user.is_active and permissions_of(user))


def holds(request: HttpRequest, permission: str) -> bool:
    """Tell whether the person behind the request holds the permission."""
    return permission in permissions_of(request.user)


def permissions_of(user: Any) -> frozenset[str]:
    """Return what the roles of a person allow, their own and their groups'; one statement a request."""
    if user.pk is None:
        return frozenset()
    if not hasattr(user, "_permissions"):
        user._permissions = reads.permissions_of(user.pk)
    return user._permissions  # type: ignore[no-any-return]


def actor_of(request: Any) -> Actor:
    """Return who the events of this request name as their author."""
    return _actor(request, request.user.pk, permissions_of(request.user))


def actor_at(request: Any) -> Actor:
    """Return the author of what nobody who is signed in does: whoever asks from that address."""
    return _actor(request, at_address(address_of(request)), frozenset())


def _actor(request: Any, key: UUID, permissions: frozenset[str]) -> Actor:
    return Actor(
        id=key,
        request_id=request.request_id,
        address=address_of(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        permissions=permissions,
    )
