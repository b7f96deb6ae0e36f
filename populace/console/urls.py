"""The paths of the console, and where each domain's admin.py is registered."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from populace.audit import admin as audit
from populace.bulk import admin as bulk
from populace.console.browser import for_browsers
from populace.console.site import site
from populace.console.static import static_file
from populace.groups import admin as groups
from populace.users import admin as users

for domain in (users, groups, audit, bulk):
    domain.register(site)

_patterns, _app, _name = site.urls

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:login"), name="root"),
    re_path(r"^console$", RedirectView.as_view(pattern_name="admin:index"), name="console"),
    path("console/", include((for_browsers(_patterns), _app), namespace=_name)),
    re_path(r"^static/", static_file, name="static"),
]
