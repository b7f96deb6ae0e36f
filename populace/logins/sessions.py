"""Django's sessions over our own table (settings.SESSION_ENGINE).

Only somebody who is signed in has a row: anonymous visitors leave nothing behind. A session ends at a fixed time after
its sign-in, however much it is used.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.utils.timezone import now

from populace.infra.db.retry import atomic, retried
from populace.logins.models import Session
from populace.users.models import User

SESSIONS_MAX = 100
"""Sessions that one person may have; with one more the oldest ends."""


class SessionStore(SessionBase):
    """One session; `_session_key` stands in the cookie, its digest in the table."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._expires_at: datetime | None = None  # None: not in the table (yet)

    def load(self) -> dict[str, Any]:
        """Return what is kept under the key of the cookie; {} and no key where it is unknown or its time is over."""
        found = Session.objects.filter(digest=self._digest(), expires_at__gt=now()).first()
        if found is None:
            self._session_key = None
            return {}
        self._expires_at = found.expires_at
        return self.decode(found.data)

    def exists(self, session_key: str) -> bool:
        """Tell whether the key is in use; asked of 256 random bits, so never."""
        return False

    def create(self) -> None:
        """Begin anew under a new key; the row is written with the data, once somebody is signed in."""
        self._session_key = secrets.token_urlsafe(32)
        self._expires_at = None
        self._session_cache: dict[str, Any] = {}
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write the row. Nobody signed in: nothing. Raises UpdateError where somebody else ended it meanwhile."""
        values: dict[str, Any] = self._session  # type: ignore[attr-defined]
        if SESSION_KEY not in values:
            return
        if self._expires_at is None:
            self._insert(values)
        elif not self._rows().update(data=self.encode(values)):
            raise UpdateError

    @retried
    def _insert(self, values: dict[str, Any]) -> None:
        """Write a new row; of somebody who was shut out since their password was looked at, nothing."""
        if self._session_key is None:
            self._session_key = secrets.token_urlsafe(32)
        self._expires_at = now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
        row = Session(
            digest=self._digest(),
            user_id=UUID(values[SESSION_KEY]),
            data=self.encode(values),
            expires_at=self._expires_at,
        )
        with atomic(Session):
            # Locked: whoever shuts them out waits and then ends this session, too (actions.py).
            if User._base_manager.select_for_update().filter(pk=row.user_id, is_active=True).exists():
                self._end_oldest(row.user_id)
                Session._base_manager.bulk_create([row])

    def _end_oldest(self, user_id: UUID) -> None:
        """Make room for one more. Under the person's lock, so that many sign-ins at once leave no more than that."""
        newest_first = Session._base_manager.filter(user_id=user_id).order_by("-expires_at")
        if over := list(newest_first.values_list("digest", flat=True)[SESSIONS_MAX - 1 :]):
            Session._base_manager.filter(pk__in=over).delete()

    def delete(self, session_key: str | None = None) -> None:
        """End the session of this key, by default the present one."""
        if key := session_key or self.session_key:
            Session._base_manager.filter(digest=digest_of(key)).delete()

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the end, which does not move."""
        left = (self._expires_at or now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)) - now()
        return max(0, int(left.total_seconds()))

    def _digest(self) -> str:
        return digest_of(self.session_key or "")

    def _rows(self) -> Any:
        return Session._base_manager.filter(digest=self._digest())


def digest_of(session_key: str) -> str:
    """Return what a session is stored under. A fast hash is enough: nobody guesses 256 random bits."""
    return sha256(session_key.encode()).hexdigest()
