"""The pages that the `type` of a problem names: what it means and what to do, for people, without a token."""

from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from populace.api.kinds import KINDS
from populace.api.problems import Problem, only_read

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """Return the page of one code."""
    if (kind := KINDS.get(code)) is None:
        return Problem("not_found").reply(request)
    texts = {"meaning": marked(kind.page), "remedy": marked(kind.remedy)}
    return only_read(request) or _page("api/problem.html", code=code, kind=kind, **texts)


def problem_index(request: HttpRequest) -> HttpResponse:
    """Return the page of all codes, by status."""
    by_status = groupby(sorted(KINDS.items(), key=lambda item: item[1].status), key=lambda item: item[1].status)
    listed = [(status, list(items)) for status, items in by_status]
    return only_read(request) or _page("api/problems.html", listed=listed)


def _page(template: str, **context: Any) -> HttpResponse:
    # Without the request: no context processor of the console's runs.
    return HttpResponse(get_template(template).render(context), headers={"Content-Security-Policy": POLICY})


def marked(text: str) -> SafeString:
    """Return the text as HTML, with what stands between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join("", "<{0}>{1}</{0}>", (("code" if number % 2 else "span", part) for number, part in parts))
