"""Django's list of a model in keyset pages."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from populace.console.keyset import AFTER, BEFORE, PER_PAGE, position_in


class InfinitePaginator:
    """What Unfold's templates ask of a paginator; for one of this name they print no count."""

    template_name = "console/pagination.html"
    per_page = PER_PAGE


class KeysetChangeList(ChangeList):
    """A list in the one order that its `model_admin` finds rows in, whatever a parameter says."""

    first_url = next_url = previous_url = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return all rows that are asked for; a position is no filter, and no link to another list keeps it."""
        for name in (AFTER, BEFORE):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return none: the walk brings its own."""
        return []

    def get_results(self, request: HttpRequest) -> None:
        """Read the page and make the links to those beside it."""
        model_admin: Any = self.model_admin
        found = model_admin.find(self.queryset, self.query, self.params, position_in(request))
        self.result_list = found.rows
        self.result_count = len(found.rows)
        self.full_result_count = None
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all = self.multi_page = False
        self.paginator = InfinitePaginator()
        if position_in(request).text:
            self.first_url = self.get_query_string()
        if found.before:
            self.previous_url = self.get_query_string({BEFORE: found.before})
        if found.after:
            self.next_url = self.get_query_string({AFTER: found.after})
