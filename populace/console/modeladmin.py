"""The one base of all model pages: they show. What they change goes through a verb, with its event."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, NoReturn

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from populace.api.problems import problem_of
from populace.api.views import uuid_or_404
from populace.console.changelist import KeysetChangeList
from populace.console.keyset import PER_PAGE, Found, Position, walk
from populace.console.rights import actor_of, holds
from populace.infra.db.guarded import OutsideVerb
from populace.users.refusals import record_refusal


class Verb(NamedTuple):
    """A button on an object's page, and the verb behind it: `run(id, by=actor)`."""

    label: str
    done: str
    permission: str
    run: Callable[..., object]
    applies: Callable[[Any], bool]
    variant: str = "default"


class ConsoleAdmin(ModelAdmin):
    """Pages of one model: a list in keyset pages and an object, both read-only, and the verbs as buttons."""

    heading: ClassVar[str]
    reads: ClassVar[str]  # the permission to see any of it
    keyset: ClassVar[tuple[str, ...]]
    descending: ClassVar[bool] = False
    verbs: ClassVar[Mapping[str, Verb]] = {}

    actions = None
    show_facets = ShowFacets.NEVER
    show_full_result_count = False
    list_select_related = False
    list_per_page = PER_PAGE
    sortable_by = ()
    view_on_site = False
    change_form_template = "console/change_form.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        """Return the list that neither counts nor skips."""
        return KeysetChangeList

    def find(self, rows: QuerySet[Any], query: str, parameters: Mapping[str, str], position: Position) -> Found:
        """Return the page of `rows` at a position; `query` and `parameters` have narrowed them already."""
        return walk(rows, self.keyset, position, descending=self.descending)

    def get_urls(self) -> list[URLPattern]:
        """Return the list, an object and its verbs: nothing adds, deletes, autocompletes or keeps a second history."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("<str:object_id>/change/", view(self.change_view), name=f"{name}_change"),
            path("<str:object_id>/<slug:verb>/", view(self.verb_view), name=f"{name}_verb"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the person's roles let them see this."""
        return holds(request, self.reads)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether this stands in the menu."""
        return holds(request, self.reads)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: there is no form for it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: a change is a verb."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: erasing is a verb."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the list."""
        return super().changelist_view(request, {"title": self.heading, **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse all but our own filters: Django would compare any column, the password's too."""
        return lookup in {shown.parameter_name for shown in self.list_filter}  # type: ignore[union-attr]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show an object, with the buttons of the verbs that this person may use on it as it is."""
        uuid_or_404(object_id)
        if (shown := self.get_object(request, object_id)) is None:
            raise Http404
        request._console_object = shown  # type: ignore[attr-defined]
        context = {
            "title": str(shown),
            "parent": {"title": self.heading, "url": self.url("changelist")},
            "verbs": self.verbs_for(request, shown),
            "show_history": False,
            **self.beside(request, shown),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the object, read once a request."""
        return getattr(request, "_console_object", None) or super().get_object(request, object_id, from_field)

    def beside(self, request: HttpRequest, shown: Any) -> dict[str, Any]:
        """Return what the page of an object shows besides its fields."""
        return {}

    def verbs_for(self, request: HttpRequest, shown: Any) -> list[dict[str, Any]]:
        """Return the buttons of an object's page."""
        return [
            {"name": name, "label": verb.label, "variant": verb.variant, "url": self.url("verb", shown.pk, name)}
            for name, verb in self.verbs.items()
            if verb.applies(shown) and holds(request, verb.permission)
        ]

    def verb_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Run a verb on an object and show what became of it; a refusal of the verb is shown in its words."""
        key = uuid_or_404(object_id)
        if (found := self.verbs.get(verb)) is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        by = actor_of(request)
        try:
            if not (holds(request, self.reads) and holds(request, found.permission)):
                raise PermissionDenied
            found.run(key, by=by)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code == 403:
                record_refusal(f"{request.method} {request.path}", by=by)
            if problem.status_code not in (409, 412):
                raise
            messages.error(request, str(problem.detail))
        else:
            messages.success(request, found.done)
        return redirect(self.url("change", key))

    def url(self, name: str, *arguments: Any) -> str:
        """Return the path of one of this model's pages."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=arguments)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OutsideVerb(self.model)

    # Every way by which Django's admin writes.
    save_model = delete_model = delete_queryset = save_related = save_formset = _refuse
    log_addition = log_change = log_deletions = _refuse
    delete_view = add_view = history_view = response_action = _refuse
