"""What no declaration says of a call: its name, its words, its bodies, its refusals, and a body that works.

In the order in which tests/contract/test_examples.py sends the examples; whatever erases comes last.
"""

from typing import Any, NamedTuple

TAKEN = ("email_taken", "username_taken", "phone_taken", "external_id_taken", "confusable", "identifier_taken")
GROUP_REFUSED = ("name_taken", "last_owner", "not_found")


class Call(NamedTuple):
    """A method on a path. `takes` and `gives` name components; an example of None is a call without a body."""

    name: str
    says: str
    takes: str = ""
    gives: str = ""
    example: dict[str, Any] | None = None
    refuses: tuple[str, ...] = ()
    """Codes beside those that every call of its kind may answer with."""
    body_required: bool = True
    etag: bool = False
    """The answer has an ETag, and so does If-Match of calls that change the same thing."""
    conditional: bool = False
    """Takes If-Match."""
    also: tuple[tuple[int, str], ...] = ()
    """Other answers: status, and the component given."""
    media: str = ""
    """Media type of the body; '': JSON."""


CALLS = {
    ("PUT", "/api/v1/attribute-schema"): Call(
        "replaceAttributeSchema",
        "Replace the JSON Schema that people's attributes are held to. The body is the schema itself.",
        "AttributeSchema",
        "AttributeSchema",
        {"type": "object", "properties": {"department": {"type": "string", "maxLength": 80}}},
        etag=True,
        conditional=True,
    ),
    ("GET", "/api/v1/attribute-schema"): Call(
        "getAttributeSchema",
        "The JSON Schema that people's attributes are held to; `{}` where none was ever stored.",
        gives="AttributeSchema",
        etag=True,
    ),
    ("POST", "/api/v1/users"): Call(
        "createUser",
        "Make a person or service account. A password has to meet the policy; `password_hash` needs `admin`.",
        "NewUser",
        "User",
        {
            "username": "ada",
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "locale": "en-GB",
            "timezone": "Europe/London",
            "attributes": {"department": "Engines"},
        },
        refuses=TAKEN,
        etag=True,
    ),
    ("POST", "/api/v1/users/batch"): Call(
        "createUsers",
        "Make up to 1,000 people, each as `POST /users` takes one, in a body of at most 8 MiB. The answer has one "
        "result for each, in order: status 201 with the document, or the status and problem that `POST /users` would "
        "give, whose pointers begin at that person. At most 20 may come with a password that has to be hashed here: "
        "with `password`, or with a fast digest as `password_hash`.",
        "NewUsers",
        "UserResults",
        {"users": [{"username": "grace", "email": "grace@example.com"}, {"username": "not a name"}]},
        refuses=("too_many",),
    ),
    ("GET", "/api/v1/users"): Call("listUsers", "A page of people.", gives="Users"),
    ("POST", "/api/v1/users/lookup"): Call(
        "lookupUsers",
        "Find up to 100 people by their identifiers, in any spelling: the answer has one result for each, in order.",
        "Lookup",
        "Found",
        {"identifiers": ["ADA@example.com", {"external_id": "hr-17"}]},
        refuses=("too_many",),
    ),
    ("GET", "/api/v1/users/{id}"): Call("getUser", "One person.", gives="User", etag=True),
    ("PATCH", "/api/v1/users/{id}"): Call(
        "updateUser",
        "Change what the body names (merge patch, RFC 7396). What is read-only may be sent back as it is.",
        "UserPatch",
        "User",
        {"phone": "+44 20 7946 0000", "attributes": {"department": "Analysis"}},
        refuses=TAKEN,
        etag=True,
        conditional=True,
    ),
    ("POST", "/api/v1/users/{id}/password"): Call(
        "setPassword",
        "Set the password, which nothing ever shows; with `admin` also a finished hash.",
        "Password",
        "User",
        {"password": "correct horse battery staple"},
        etag=True,
        conditional=True,
    ),
    ("POST", "/api/v1/users/{id}/deactivate"): Call(
        "deactivateUser",
        "Let the person in nowhere until activated; whatever they own stays. It may be so already.",
        "Nothing",
        "User",
        refuses=("last_owner",),
        body_required=False,
        etag=True,
        conditional=True,
    ),
    ("POST", "/api/v1/users/{id}/activate"): Call(
        "activateUser",
        "Let a deactivated person in again. It may be so already.",
        "Nothing",
        "User",
        body_required=False,
        etag=True,
        conditional=True,
    ),
    ("GET", "/api/v1/users/{id}/roles"): Call(
        "getUserRoles", "The roles a person holds directly, and what they permit with those of groups.", gives="Roles"
    ),
    ("POST", "/api/v1/users/{id}/roles"): Call(
        "changeUserRoles",
        "Give and take roles by name. What is so already is passed over.",
        "RoleChange",
        "Roles",
        {"add": ["viewer"]},
        refuses=("last_owner", "too_many"),
    ),
    ("POST", "/api/v1/groups"): Call(
        "createGroup",
        "Make a group. Its roles are held by whoever is in it or in a group below it.",
        "NewGroup",
        "Group",
        {"name": "Analysts", "description": "Whoever works with the engine", "roles": ["viewer"]},
        refuses=GROUP_REFUSED,
        etag=True,
    ),
    ("GET", "/api/v1/groups"): Call("listGroups", "A page of groups, by name.", gives="Groups"),
    ("GET", "/api/v1/groups/{id}"): Call("getGroup", "One group.", gives="Group", etag=True),
    ("PATCH", "/api/v1/groups/{id}"): Call(
        "updateGroup",
        "Change what the body names (merge patch); `roles` and `parents` come whole.",
        "GroupPatch",
        "Group",
        {"description": "Whoever works with the analytical engine"},
        refuses=(*GROUP_REFUSED, "cycle"),
        etag=True,
        conditional=True,
    ),
    ("POST", "/api/v1/groups/{id}/members"): Call(
        "changeMembers",
        "Add and remove people by id, at most 1,000 a call. One id that nobody has, and nothing is done.",
        "MemberChange",
        "MembersChanged",
        {"add": [], "remove": []},
        refuses=("last_owner", "too_many"),
    ),
    ("GET", "/api/v1/groups/{id}/members"): Call("listMembers", "A page of a group's direct members.", gives="Members"),
    ("POST", "/api/v1/tokens"): Call(
        "createToken",
        "Make a token, for the caller unless `owner` says for whom. Its `secret` is shown in this answer alone.",
        "NewToken",
        "NewTokenShown",
        {"name": "nightly sync", "scopes": ["users:read"]},
        refuses=("not_found", "quota"),
    ),
    ("GET", "/api/v1/tokens"): Call("listTokens", "A page of tokens that are not revoked, by age.", gives="Tokens"),
    ("GET", "/api/v1/tokens/{id}"): Call("getToken", "One token, without its secret.", gives="Token"),
    ("POST", "/api/v1/tokens/{id}/rotate"): Call(
        "rotateToken",
        "Make a token's successor; the old one works on for `overlap` seconds.",
        "Rotation",
        "NewTokenShown",
        {"overlap": 3600},
        refuses=("quota",),
        body_required=False,
    ),
    ("GET", "/api/v1/events"): Call("listEvents", "What happened, newest first.", gives="Events"),
    ("POST", "/api/v1/exports"): Call(
        "createExport",
        "Ask for a list as a file: 202 with the job whose result it will be. See docs/reference/exports.md. The right "
        "to read that list is the one that it needs of these.",
        "NewExport",
        "Job",
        {"format": "csv", "filter": {"is_active": "true"}, "fields": ["id", "username", "email", "last_login"]},
        refuses=("quota", "too_many", "order_not_served", "not_indexed", "unknown_parameter"),
    ),
    ("POST", "/api/v1/imports"): Call(
        "importUsers",
        "Create and change people from a file, as a job: poll it, then fetch its bad rows. Needs `users:write`, too.",
        "NewImport",
        "Job",
        {"file": "username,email\nada-2,ada-2@example.com\nbad,no-address\n", "format": "csv", "rows": "good"},
        refuses=("quota",),
        media="multipart/form-data",
    ),
    ("GET", "/api/v1/jobs"): Call(
        "listJobs", "A page of jobs, newest first: one's own, with `admin` all.", gives="Jobs"
    ),
    ("GET", "/api/v1/jobs/{id}"): Call("getJob", "One job.", gives="Job"),
    ("POST", "/api/v1/jobs/{id}/cancel"): Call(
        "cancelJob",
        "Have a job stop behind the rows that it is at; what it has done stays. It may be over already.",
        "Nothing",
        "Job",
        body_required=False,
    ),
    ("POST", "/api/v1/jobs/{id}/undo"): Call(
        "undoJob",
        "Have a bulk action taken back by another job: of those whom it changed, whoever is still as it left them.",
        "Nothing",
        "Job",
        refuses=("not_undoable", "quota"),
        body_required=False,
    ),
    ("GET", "/api/v1/jobs/{id}/errors"): Call(
        "getJobErrors",
        "The rows of which nothing came, each as sent with `row`, `code`, `reason`; of an import in its own format.",
        gives="text/csv application/json application/jsonl",
    ),
    ("GET", "/api/v1/jobs/{id}/result"): Call(
        "getJobResult",
        "The file that one's own job has made.",
        gives="text/csv application/jsonl application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        refuses=("storage_unavailable",),
    ),
    ("POST", "/api/v1/bulk-actions"): Call(
        "startBulkAction",
        "Do one thing to many people, by a list's filters or by ids; needs what the action needs, too. "
        "With `preview` nothing is done: 200 with how many and whom.",
        "BulkAction",
        "Job",
        {"action": "deactivate", "filter": {"last_login_before": "2020-01-01", "last_login_after": "2019-01-01"}},
        refuses=("not_confirmed", "quota", "too_many", "order_not_served", "not_indexed"),
        also=((200, "BulkPreview"),),
    ),
    ("DELETE", "/api/v1/tokens/{id}"): Call(
        "revokeToken", "End a token, from the next request on.", "Nothing", body_required=False
    ),
    ("DELETE", "/api/v1/groups/{id}"): Call(
        "deleteGroup",
        "Remove a group; its members stay. One of more than 100,000 members grants nothing from now on and is removed "
        "by a job: 202 with it.",
        "Nothing",
        refuses=("last_owner", "quota"),
        body_required=False,
        also=((202, "Job"),),
        conditional=True,
    ),
    ("DELETE", "/api/v1/users/{id}"): Call(
        "eraseUser",
        "Erase a person for good, with their tokens, memberships and what events told of them.",
        "Nothing",
        refuses=("last_owner",),
        body_required=False,
        conditional=True,
    ),
    ("GET", "/api/v1/openapi.json"): Call("getSchema", "This document.", gives="Schema", etag=True),
    ("GET", "/api/docs"): Call("getViewer", "This document for people, in a browser.", gives="text/html"),
    ("GET", "/metrics"): Call(
        "getMetrics", "All processes of the machine in Prometheus' text format.", gives="text/plain"
    ),
}
"""Every call that asks for a token."""

OPEN_LOCALLY = {"/api/v1/openapi.json", "/api/docs", "/metrics"}
"""Paths that ask for no token in local mode, where the server listens on loopback alone."""
