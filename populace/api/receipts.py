"""Receipts of calls with an Idempotency-Key: looked up by caller and key, and forgotten after a day."""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils.timezone import now

from populace.api.models import Receipt
from populace.infra.db.compiled import Compiled, Param

KEPT = timedelta(hours=24)
DELETE_ROWS = 1000
"""Receipts deleted at a time."""


def _param(name: str) -> Param:
    return Param(name, Receipt._meta.get_field(name))  # type: ignore[arg-type]


_STORED = Compiled(
    Receipt.objects.order_by()
    .filter(user_id=_param("user_id"), key=_param("key"))
    .values_list(
        ExpressionWrapper(Q(created_at__lte=_param("created_at")), BooleanField()),
        "fingerprint",
        "status",
        "subject_id",
        "result",
    )
)


class Kept(NamedTuple):
    """What a receipt says of the call."""

    fingerprint: UUID
    status: int
    subject_id: UUID
    result: str


def stored(user_id: UUID, key: UUID) -> Kept | None:
    """Return what the caller's first call with this key did; None where there was none in the last 24 hours."""
    over = now() - KEPT
    row = _STORED.row(user_id=user_id, key=key, created_at=over)
    if row is None:
        return None
    is_over, *columns = (column or b"" for column in row)
    if is_over == b"t":  # no worker has come by yet; left there, it would be in the way of the next
        Receipt._base_manager.filter(user_id=user_id, key=key, created_at__lte=over).delete()
        return None
    fingerprint, status, subject_id, result = (column.decode() for column in columns)
    return Kept(UUID(fingerprint), int(status), UUID(subject_id), result)


def delete_expired() -> bool:
    """Delete what is over, at most DELETE_ROWS; True where there may be more."""
    over = Receipt._base_manager.filter(created_at__lte=now() - KEPT).order_by("created_at")
    keys = list(over.values_list("user_id", "key")[:DELETE_ROWS])
    if keys:
        Receipt._base_manager.filter(pk__in=keys).delete()
    return len(keys) == DELETE_ROWS
