"""How values are written in the console."""

from datetime import UTC, datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from populace.infra.db.fields import FOREVER, NEVER

NONE = "—"


def moment(at: datetime) -> SafeString | str:
    """Return a time in UTC to the minute."""
    if at in (NEVER, FOREVER):
        return NONE
    at = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" class="whitespace-nowrap">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M} UTC"
    )


def isolated(text: str) -> SafeString | str:
    """Return a text that people chose, escaped, so that its direction of writing does not reach what stands around."""
    return format_html("<bdi>{}</bdi>", text) if text else NONE
