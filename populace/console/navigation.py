"""The console's menu (settings.UNFOLD)."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from populace.audit.permissions import ADMIN
from populace.console.rights import holds

ENTRIES = (
    ("People", "person", "admin:users_user_changelist", "users:read"),
    ("Groups", "group", "admin:groups_group_changelist", "groups:read"),
    ("Attributes", "data_object", "admin:attributes", "users:read"),
    ("Jobs", "pending_actions", "admin:jobs", "jobs:read"),
    ("Dead letters", "mark_email_unread", "admin:dead-letters", ADMIN),
    ("Events", "history", "admin:events", "events:read"),
)
"""Title, icon, page and the permission to see it."""


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what this person may go to."""
    items = [
        {"title": title, "icon": icon, "link": reverse(page)}
        for title, icon, page, permission in ENTRIES
        if holds(request, permission)
    ]
    return [{"title": "", "items": items}]


def own_pages(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links below the person's name."""
    if request.user.pk is None or not holds(request, "users:read"):
        return []
    return [{"title": "My record", "link": reverse("admin:users_user_change", args=[request.user.pk])}]
