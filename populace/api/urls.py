"""Every path of the API, the most asked for first. A trailing slash is accepted, never required."""

from django.urls import re_path

from populace.api import health
from populace.users import api as users

urlpatterns = [
    re_path(r"^api/v1/users/(?P<id>[^/]+)/?$", users.UserView.as_view(), name="user"),
    re_path(r"^api/v1/users/?$", users.Users.as_view(), name="users"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/(?P<verb>deactivate|activate)/?$", users.UserVerb.as_view(), name="verb"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/password/?$", users.UserPassword.as_view(), name="password"),
    re_path(r"^livez/?$", health.livez, name="livez"),
    re_path(r"^readyz/?$", health.readyz, name="readyz"),
    re_path(r"^metrics/?$", health.Metrics.as_view(), name="metrics"),
    re_path(r"^problems/(?P<code>[a-z_]+)/?$", health.problem_page, name="problem"),
]
