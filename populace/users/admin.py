"""People in the console."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import AdminSite, SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from populace.api.parsers import decoded
from populace.api.problems import Problem
from populace.audit.models import Event
from populace.audit.permissions import ADMIN
from populace.bulk.chosen import PERMISSIONS
from populace.console.events import rows_of
from populace.console.files import export_form, may_import
from populace.console.keyset import PER_PAGE, Found, Position, page_of
from populace.console.modeladmin import ConsoleAdmin, Verb
from populace.console.rights import actor_of, holds, permissions_of
from populace.console.texts import isolated, moment
from populace.groups.models import Membership
from populace.infra.db.compiled import Row
from populace.infra.db.fields import NEVER
from populace.users.actions import activate_user, deactivate_user
from populace.users.attributes_actions import replace_schema
from populace.users.attributes_index import missing, newest
from populace.users.attributes_schema import indexed
from populace.users.errors import Invalid, Refused, VersionMismatch
from populace.users.models import AttributeSchema, User
from populace.users.querysets import SEARCHED, Reader, visible_to
from populace.users.search import words_of
from populace.users.search_parts import STEP, completed, read

EVENTS_SHOWN = 20
GROUPS_SHOWN = 50
STATES = {"true": True, "false": False}


class StateFilter(SimpleListFilter):
    """Active or not: with the order by date_joined one index."""

    title = "state"
    parameter_name = "is_active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("true", "Active"), ("false", "Deactivated")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those in the chosen state."""
        state = STATES.get(self.value() or "")
        return queryset if state is None else queryset.filter(is_active=state)


class UserAdmin(ConsoleAdmin):
    """The list of people and a person's page."""

    heading = "People"
    reads = "users:read"
    keyset, descending = ("date_joined", "id"), True
    verbs = {
        "deactivate": Verb(
            label="Deactivate",
            done="Deactivated: from now on every session and token of this person is refused.",
            permission="users:write",
            run=deactivate_user,
            applies=lambda user: user.is_active,
            variant="danger",
        ),
        "activate": Verb(
            label="Activate",
            done="Activated: this person may sign in again.",
            permission="users:write",
            run=activate_user,
            applies=lambda user: not user.is_active,
            variant="primary",
        ),
    }

    list_before_template = "console/people_above.html"  # type: ignore[assignment]
    list_display = ("person", "user_name", "state", "joined", "signed_in")
    list_filter = (StateFilter,)
    search_fields = SEARCHED
    search_help_text = "Name, user name or e-mail begins with, or has in it…"
    fieldsets = (
        (
            "Person",
            {"fields": (("first", "last"), ("user_name", "mail"), ("phone_number", "other_id"), "language", "zone")},
        ),
        ("Account", {"fields": (("state", "sort"), ("joined", "signed_in"), ("changed", "version"), ("key",))}),
        ("Attributes", {"fields": ("more",)}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the list, and to who may, where something is done with all that match."""
        asked = {name: request.GET[name] for name in ("q", StateFilter.parameter_name) if request.GET.get(name)}
        may_change = any(holds(request, permission) for permission in PERMISSIONS.values())
        above = {
            "bulk_url": f"{reverse('admin:bulk')}?{urlencode(asked)}" if may_change else "",
            "may_import": may_import(actor_of(request)),
            **export_form(request, "users", asked),
        }
        return super().changelist_view(request, above | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the people whom the viewer may see."""
        return visible_to(Reader(permissions_of(request.user)))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return `queryset`: what is searched for, `find` walks in another way."""
        return queryset, False

    def find(self, rows: QuerySet[Any], query: str, parameters: Mapping[str, str], position: Position) -> Found:
        """Return a page of the list, or of a search, in the order that each is served in."""
        if not query.strip():
            return super().find(rows, query, parameters, position)
        try:
            return searched(query, STATES.get(parameters.get(StateFilter.parameter_name, "")), position)
        except Refused:
            return Found([], "", "")  # nobody is found by that

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field of the page."""
        return [name for _, options in self.fieldsets for line in options["fields"] for name in _names(line)]

    def beside(self, request: HttpRequest, shown: User) -> dict[str, Any]:
        """Return the person's groups and last events, each where the viewer may see them."""
        groups = Membership.objects.filter(user_id=shown.pk).select_related("group").order_by("group_id")
        events = Event.objects.filter(subject_id=shown.pk).order_by("-at", "-id")
        return {
            "title": full_name(shown) or str(shown),
            "memberships": list(groups[:GROUPS_SHOWN]) if holds(request, "groups:read") else None,
            "events": rows_of(events[:EVENTS_SHOWN]) if holds(request, "events:read") else None,
        }

    @display(description="Person", header=True)
    def person(self, user: User) -> list[Any]:
        """Return name and e-mail, the initials beside them."""
        name = full_name(user) or str(user)
        return [isolated(name), isolated(user.email) if user.email != name else "", initials(user)]

    @display(description="User name")
    def user_name(self, user: User) -> SafeString | str:
        """Return the user name."""
        return isolated(user.username)

    @display(description="State", label={"Active": "success", "Deactivated": "danger"})
    def state(self, user: User) -> str:
        """Return whether the person may sign in."""
        return "Active" if user.is_active else "Deactivated"

    @display(description="Joined")
    def joined(self, user: User) -> SafeString | str:
        """Return when the person was made."""
        return moment(user.date_joined)

    @display(description="Last sign-in")
    def signed_in(self, user: User) -> SafeString | str:
        """Return when the person last signed in, to the hour."""
        return moment(user.last_sign_in_at)

    @display(description="Changed")
    def changed(self, user: User) -> SafeString | str:
        """Return when a verb last changed the person's own row."""
        return moment(user.updated_at)

    @display(description="First name")
    def first(self, user: User) -> SafeString | str:
        """Return the first name."""
        return isolated(user.first_name)

    @display(description="Last name")
    def last(self, user: User) -> SafeString | str:
        """Return the last name."""
        return isolated(user.last_name)

    @display(description="E-mail")
    def mail(self, user: User) -> SafeString | str:
        """Return the address and whether it is verified."""
        if not user.email:
            return isolated("")
        return format_html("<bdi>{}</bdi> ({})", user.email, "verified" if user.email_verified else "not verified")

    @display(description="Phone")
    def phone_number(self, user: User) -> SafeString | str:
        """Return the phone number."""
        return isolated(user.phone)

    @display(description="External id")
    def other_id(self, user: User) -> SafeString | str:
        """Return the other system's id."""
        return isolated(user.external_id)

    @display(description="Language")
    def language(self, user: User) -> SafeString | str:
        """Return the language tag."""
        return isolated(user.locale)

    @display(description="Time zone")
    def zone(self, user: User) -> SafeString | str:
        """Return the time zone."""
        return isolated(user.timezone)

    @display(description="Kind")
    def sort(self, user: User) -> str:
        """Return person or service."""
        return user.get_kind_display().capitalize()

    @display(description="Id")
    def key(self, user: User) -> str:
        """Return the id."""
        return str(user.pk)

    @display(description="Attributes")
    def more(self, user: User) -> SafeString | str:
        """Return the free attributes as JSON."""
        if not user.attributes:
            return isolated("")
        text = json.dumps(user.attributes, ensure_ascii=False, indent=2, sort_keys=True)
        return format_html('<pre class="font-mono whitespace-pre-wrap" dir="auto">{}</pre>', text)


def _names(line: Any) -> tuple[str, ...]:
    return (line,) if isinstance(line, str) else tuple(line)


def full_name(user: User) -> str:
    """Return first and last name, as far as there are any."""
    return f"{user.first_name} {user.last_name}".strip()


def initials(user: User) -> str:
    """Return one or two letters for the person's circle."""
    letters = (user.first_name[:1] + user.last_name[:1]) or str(user)[:1]
    return letters.upper()


def searched(query: str, is_active: bool | None, position: Position) -> Found:
    """Return a page of the people whom `query` finds: one statement. Raises Refused."""
    words = words_of(query)
    key = _place(position.text)
    back = bool(key) and position.is_before
    statement, values = read(words, is_active, key, descending=back)
    rows = statement.result(values, PER_PAGE + 1)
    rows = completed(rows, PER_PAGE + 1, words, is_active, key, descending=back)
    hits = [row for row in rows if row[0]]
    page = page_of([person_of(row[0]) for row in hits], [_text(row) for row in hits], back=back, begins=not key)
    if len(hits) <= PER_PAGE and rows and rows[-1][4] == b"t":  # it has looked at enough for one page
        further = _text(rows[-1])
        page = page._replace(before=further) if back else page._replace(after=further)
    return page


def person_of(document: bytes | None) -> User:
    """Return a person as the list shows them, from the document."""
    shown = json.loads(document or b"{}")
    names = ("username", "email", "first_name", "last_name", "is_active")
    joined, signed_in = shown["date_joined"], shown["last_login"]
    return User(
        id=UUID(shown["id"]),
        date_joined=datetime.fromisoformat(joined),
        last_sign_in_at=datetime.fromisoformat(signed_in) if signed_in else NEVER,
        **{name: shown[name] for name in names},
    )


def _text(row: Row) -> str:
    return json.dumps([(column or b"").decode() for column in row[1:4]])


def _place(text: str) -> tuple[str, ...]:
    """Return a link's place in a search; () for what is none."""
    try:
        step, place, id = json.loads(text)
        place.encode()  # a lone surrogate could not be sent to the database
        if int(step) in range(STEP + 1) and "\0" not in place:
            return str(int(step)), place, str(UUID(id))
    except (ValueError, OverflowError, TypeError, AttributeError, RecursionError):
        pass
    return ()


def schema_page(site: Any, request: HttpRequest) -> HttpResponse:
    """Show the schema of the attributes; to who may, with a form that stores another one."""
    if not holds(request, UserAdmin.reads):
        raise PermissionDenied
    stored = newest() or AttributeSchema(version=0, schema="{}")
    text, faults = json.dumps(json.loads(stored.schema), ensure_ascii=False, indent=2), list[Invalid]()
    if request.method == "POST":
        text = request.POST.get("schema", "")
        try:
            replace_schema(decoded(text.encode(errors="replace")), by=actor_of(request), expected=_version(request))
        except Invalid as invalid:
            faults = [invalid, *invalid.more]
        except VersionMismatch:
            faults = [Invalid("", "Somebody stored another schema meanwhile. Look at it before you store yours.")]
        except Problem as problem:  # no strict JSON
            faults = [Invalid("", str(problem.detail))]
        else:
            messages.success(request, "Stored. It counts in every process within a second.")
            return redirect("admin:attributes")
    unfilled = missing(stored)
    indexes = [(name, name not in unfilled) for name in sorted(indexed(json.loads(stored.schema)))]
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "title": "Attributes",
        "version": request.POST.get("version", stored.version),
        "text": text,
        "faults": faults,
        "indexes": indexes,
        "may_store": holds(request, ADMIN),
    }
    return TemplateResponse(request, "console/attributes.html", context, status=400 if faults else 200)


def _version(request: HttpRequest) -> int:
    """Return the version that the form was filled with; one that nothing has, for a form of somebody else's making."""
    raw = request.POST.get("version", "")
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 19 else -1


def register(site: AdminSite) -> None:
    """Put the pages into the console."""

    def view(request: HttpRequest) -> HttpResponse:
        return schema_page(site, request)

    site.register(User, UserAdmin)
    site.add_page("attributes/", view, "attributes")  # type: ignore[attr-defined]
