"""Groups in the console."""

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from populace.console.files import export_form
from populace.console.modeladmin import ConsoleAdmin
from populace.console.rights import holds
from populace.console.texts import isolated
from populace.groups.models import Group, GroupParent, GroupRole, Membership
from populace.infra.db.lookups import starts_with
from populace.users.identifiers import name_normal

MEMBERS_SHOWN = 50
LINKS_SHOWN = 50  # parents, roles


class GroupAdmin(ConsoleAdmin):
    """The list of groups and a group's page."""

    heading = "Groups"
    reads = "groups:read"
    keyset = ("name_normal", "id")

    list_before_template = "console/export_above.html"  # type: ignore[assignment]
    list_display = ("called", "about")
    search_fields = ("name_normal",)
    search_help_text = "Name begins with…"
    fieldsets = (("Group", {"fields": (("called", "version"), "about", "key")}),)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the list; the list of all of them may be exported."""
        above = {} if request.GET.get("q") else export_form(request, "groups", {})
        return super().changelist_view(request, above | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """Return those that are not being deleted."""
        return Group.objects.filter(closed=False)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return those whose name begins so."""
        term = name_normal(search_term.replace("\0", "").strip())
        return queryset.filter(starts_with("name_normal", term)) if term else queryset, False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return every field of the page."""
        return ("called", "version", "about", "key")

    def beside(self, request: HttpRequest, shown: Group) -> dict[str, Any]:
        """Return what the group is part of, what it grants, and its first members."""
        members = Membership.objects.filter(group_id=shown.pk).select_related("user").order_by("user_id")
        parents = GroupParent.objects.filter(group_id=shown.pk).select_related("parent")
        roles = GroupRole.objects.filter(group_id=shown.pk).select_related("role")
        return {
            "members": list(members[: MEMBERS_SHOWN + 1]) if holds(request, "users:read") else None,
            "members_shown": MEMBERS_SHOWN,
            "parents": [link.parent for link in parents[:LINKS_SHOWN]],
            "roles": [link.role for link in roles[:LINKS_SHOWN]],
        }

    @display(description="Name")
    def called(self, group: Group) -> SafeString | str:
        """Return the name."""
        return isolated(group.name)

    @display(description="Description")
    def about(self, group: Group) -> SafeString | str:
        """Return the description."""
        return isolated(group.description)

    @display(description="Id")
    def key(self, group: Group) -> str:
        """Return the id."""
        return str(group.pk)


def register(site: AdminSite) -> None:
    """Put the pages into the console."""
    site.register(Group, GroupAdmin)
