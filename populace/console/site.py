"""The console itself: Django's admin in Unfold's dress, with our sign-in and without what would go round the verbs."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from populace.console.forms import SignInForm
from populace.console.navigation import menu
from populace.console.rights import actor_of, may_open_console
from populace.infra.db.retry import atomic
from populace.logins.actions import signed_in, signed_out
from populace.users.models import User

UNSERVED = {"password_change", "password_change_done", "autocomplete", "view_on_site"}
"""Pages of Django's admin that would write past the verbs, count, or show nothing of ours."""


class SignIn(LoginView):
    """Sign-in by e-mail or user name; with it begins a session of its own key."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Begin the session and record it."""
        response = super().form_valid(form)
        signed_in(form.get_user().pk, by=actor_of(self.request))
        return response


class ConsoleSite(UnfoldAdminSite):
    """Pages for people with a role."""

    login_form = SignInForm

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[URLPattern] = []

    def add_page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> None:
        """Serve a page that is not about one model; its view checks the permission."""
        self.pages.append(path(route, self.admin_view(view), name=name))

    def extra_urls(self) -> list[URLPattern]:
        """Return those pages, for Unfold."""
        return self.pages

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether the console is for who asks."""
        return may_open_console(request.user)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return the paths below /console/."""
        return [pattern for pattern in super().get_urls() if getattr(pattern, "name", None) not in UNSERVED]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Go to the first page of the menu; there is no dashboard yet."""
        if not (items := menu(request)[0]["items"]):
            raise PermissionDenied
        return redirect(items[0]["link"])

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Go to the first list: a domain has no page of its own."""
        return self.index(request)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the form, or open the console."""
        if request.method == "GET" and self.has_permission(request):
            # Not redirect(), which would look for a view of that name first, and fail where it finds none.
            return HttpResponseRedirect(SignIn(request=request).get_redirect_url() or reverse("admin:index"))
        if request.method == "GET" and request.session.session_key:
            request.session.flush()  # of somebody who may not come in any more
        request.current_app = self.name
        context = {**self.each_context(request), "title": "Sign in", "app_path": request.get_full_path()}
        view = SignIn.as_view(
            authentication_form=self.login_form,
            template_name="admin/login.html",
            next_page="admin:index",
            extra_context=context,
        )
        return view(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """End the session and record it."""
        with atomic(User):
            if request.method == "POST":
                by = actor_of(request)
                signed_out(by.id, by=by)
            return super().logout(request, extra_context)

    def get_log_entries(self, request: HttpRequest) -> Any:
        """Return none: the events are the log."""
        return ()


site = ConsoleSite()
