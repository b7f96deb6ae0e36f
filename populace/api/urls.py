"""Every path of the API, the most asked for first. A trailing slash is accepted, never required."""

from django.urls import re_path

from populace.api import health, problem_pages
from populace.api.schema import views as schema
from populace.audit import api as audit
from populace.bulk import api as bulk
from populace.credentials import api as credentials
from populace.groups import api as groups
from populace.users import api as users

urlpatterns = [
    re_path(r"^api/v1/users/lookup/?$", users.UserLookup.as_view(), name="lookup"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/?$", users.UserView.as_view(), name="user"),
    re_path(r"^api/v1/users/?$", users.Users.as_view(), name="users"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/(?P<verb>deactivate|activate)/?$", users.UserVerb.as_view(), name="verb"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/password/?$", users.UserPassword.as_view(), name="password"),
    re_path(r"^api/v1/users/(?P<id>[^/]+)/roles/?$", groups.UserRoles.as_view(), name="roles"),
    re_path(r"^api/v1/attribute-schema/?$", users.AttributeSchemaView.as_view(), name="attribute-schema"),
    re_path(r"^api/v1/groups/(?P<id>[^/]+)/?$", groups.GroupView.as_view(), name="group"),
    re_path(r"^api/v1/groups/?$", groups.Groups.as_view(), name="groups"),
    re_path(r"^api/v1/groups/(?P<id>[^/]+)/members/?$", groups.GroupMembers.as_view(), name="members"),
    re_path(r"^api/v1/tokens/(?P<id>[^/]+)/?$", credentials.TokenView.as_view(), name="token"),
    re_path(r"^api/v1/tokens/?$", credentials.Tokens.as_view(), name="tokens"),
    re_path(r"^api/v1/tokens/(?P<id>[^/]+)/rotate/?$", credentials.TokenRotation.as_view(), name="rotation"),
    re_path(r"^api/v1/events/?$", audit.Events.as_view(), name="events"),
    re_path(r"^api/v1/imports/?$", bulk.Imports.as_view(), name="imports"),
    re_path(r"^api/v1/jobs/(?P<id>[^/]+)/?$", bulk.JobView.as_view(), name="job"),
    re_path(r"^api/v1/jobs/?$", bulk.Jobs.as_view(), name="jobs"),
    re_path(r"^api/v1/jobs/(?P<id>[^/]+)/cancel/?$", bulk.JobCancel.as_view(), name="job-cancel"),
    re_path(r"^api/v1/jobs/(?P<id>[^/]+)/errors/?$", bulk.JobErrors.as_view(), name="job-errors"),
    re_path(r"^api/v1/jobs/(?P<id>[^/]+)/result/?$", bulk.JobResult.as_view(), name="job-result"),
    re_path(r"^api/v1/jobs/(?P<id>[^/]+)/undo/?$", bulk.JobUndo.as_view(), name="job-undo"),
    re_path(r"^api/v1/bulk-actions/?$", bulk.BulkActions.as_view(), name="bulk-actions"),
    re_path(r"^api/v1/exports/?$", bulk.Exports.as_view(), name="exports"),
    re_path(r"^livez/?$", health.livez, name="livez"),
    re_path(r"^readyz/?$", health.readyz, name="readyz"),
    re_path(r"^metrics/?$", health.Metrics.as_view(), name="metrics"),
    re_path(r"^problems/(?P<code>[a-z_]+)/?$", problem_pages.problem_page, name="problem"),
    re_path(r"^problems/?$", problem_pages.problem_index, name="problems"),
    re_path(r"^api/v1/openapi\.json/?$", schema.Schema.as_view(), name="schema"),
    re_path(r"^api/docs/?$", schema.Viewer.as_view(), name="viewer"),
]
