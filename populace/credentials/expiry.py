"""Tokens that have ended are shown or found for a while, then they go: whoever makes and ends tokens fills no disk."""

from datetime import timedelta

from django.utils.timezone import now

from populace.credentials.models import ApiToken

KEPT = timedelta(days=7)
"""How long a token stays after it was revoked or has expired."""

DELETE_ROWS = 1000
"""Tokens deleted at a time."""


def delete_ended() -> bool:
    """Delete tokens whose end is long over, at most DELETE_ROWS of each kind; True where there may be more."""
    over, more = now() - KEPT, False
    for column in ("revoked_at", "expires_at"):  # each by an index of its own
        ended = ApiToken._base_manager.filter(**{f"{column}__lte": over}).order_by(column)
        digests = list(ended.values_list("digest", flat=True)[:DELETE_ROWS])
        if digests:
            ApiToken._base_manager.filter(pk__in=digests).delete()
        more = more or len(digests) == DELETE_ROWS
    return more
