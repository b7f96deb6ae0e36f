"""/api/v1/groups, their members, and the roles of people."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from populace.api.authentication import actor_of, folded
from populace.api.jobs import shown_job
from populace.api.lists import ListView, Read
from populace.api.paging import Asked, Key
from populace.api.problems import Fault, Problem
from populace.api.receipts import Kept
from populace.api.views import (
    JSON,
    DocumentView,
    LeanView,
    refuse_body,
    shown,
    uuid_or_404,
    uuid_or_none,
    version_of,
    versions_of,
)
from populace.bulk import group_delete
from populace.bulk.reads import job_of
from populace.groups.actions import (
    MEMBERS_MAX,
    change_members,
    change_roles,
    create_group,
    delete_group,
    update_group,
)
from populace.groups.documents import GROUP_FIELDS, MEMBER_FIELDS, NEW, PATCH, ROLES_MAX
from populace.groups.errors import TooManyMembers
from populace.groups.reads import GROUP, groups, members, permissions_of, roles_of
from populace.infra.db.along import waiting
from populace.infra.db.compiled import Row
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.infra.db.lookups import LAST
from populace.users.documents import check_read_only
from populace.users.reads import USER

READ, WRITE = "groups:read", "groups:write"


class Groups(ListView):
    """The collection, by name."""

    scopes = {"GET": READ, "POST": WRITE}
    success, shows = {"POST": 201}, GROUP
    path, members = "/api/v1/groups", GROUP_FIELDS

    def read(self, asked: Asked) -> Read:
        """Return the statement of the page."""
        (name,) = asked.cursor.key if asked.cursor and asked.cursor.key else (LAST if asked.backwards else "",)
        return groups(descending=asked.backwards), {"name": name}

    def post(self, request: Request) -> HttpResponse:
        """Make a group: 201 with Location and ETag."""
        document = create_group(by=actor_of(request), values=NEW.run_validation(dict(request.data)))
        response = shown(document, status=201)
        response.headers["Location"] = f"{self.path}/{json.loads(document)['id']}"
        return response


class GroupView(DocumentView):
    """One group."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    read, shows = folded(GROUP), GROUP

    def patch(self, request: Request, id: str) -> HttpResponse:
        """Apply a merge patch (RFC 7396): roles and parents come whole."""
        key, data = uuid_or_404(id), dict(request.data)
        expected = _expected(request, key)  # first: what has changed since is told as 412, not as read-only
        if any(name in PATCH.fields and PATCH.fields[name].read_only for name in data):
            data = check_read_only(data, GROUP.one(id=key), PATCH)
        values = PATCH.run_validation(data)
        return shown(update_group(key, by=actor_of(request), values=values, expected=expected))

    def delete(self, request: Request, id: str) -> HttpResponse:
        """Remove a group; its members stay. A large one is closed at once and removed by a job: 202."""
        key = uuid_or_404(id)
        refuse_body(request)
        by, expected = actor_of(request), _expected(request, key)
        try:
            delete_group(key, by=by, expected=expected)
        except TooManyMembers:
            if along := waiting():
                along.row.status = 202
            return shown_job(group_delete.ask(key, by=by, expected=expected), by=by, status=202)
        return HttpResponse(status=204)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the group as it is now, or the job that removes it."""
        if kept.status == 202:
            return shown_job(job_of(kept.subject_id, by=actor_of(request)), by=actor_of(request), status=202)
        return super().repeat(request, kept)


class GroupMembers(ListView):
    """Who is in a group, by id; nobody else is touched by a change."""

    scopes = {"GET": READ, "POST": WRITE}
    members = MEMBER_FIELDS

    @property
    def path(self) -> str:  # type: ignore[override]  # each group's is another one
        """Return the list's own path."""
        return f"/api/v1/groups/{self.kwargs['id']}/members"

    def read(self, asked: Asked) -> Read:
        """Return the statement of the page."""
        place = asked.cursor.key[0] if asked.cursor and asked.cursor.key else LAST_ID if asked.backwards else FIRST_ID
        values = {"id": uuid_or_404(self.kwargs["id"]), "user": UUID(str(place))}
        return members(descending=asked.backwards), values

    def page(self, request: Request) -> tuple[list[Row], Key | None]:
        """Return the rows; of a group that is not there, nothing."""
        if not self.rows and GROUP.one(id=uuid_or_404(self.kwargs["id"])) is None:
            raise Problem("not_found")
        return self.rows or [], None

    def post(self, request: Request, id: str) -> HttpResponse:
        """Add and remove people by their ids; return the ids of those that really came and went."""
        key, lists = uuid_or_404(id), _lists(request.data, MEMBERS_MAX)
        add, remove = (_ids(name, lists[name]) for name in ("add", "remove"))
        added, removed = change_members(key, by=actor_of(request), add=add, remove=remove)
        body = {"added": [str(one) for one in added], "removed": [str(one) for one in removed]}
        return HttpResponse(json.dumps(body).encode(), content_type=JSON)


class UserRoles(LeanView):
    """The roles that a person holds directly, and what they permit together with those of groups."""

    scopes = {"GET": READ, "POST": WRITE}

    def get(self, request: Request, id: str) -> HttpResponse:
        """Return both."""
        key = uuid_or_404(id)
        if USER.one(id=key) is None:
            raise Problem("not_found")
        return _roles(key)

    def post(self, request: Request, id: str) -> HttpResponse:
        """Give and take roles by name; return what there is then."""
        key, lists = uuid_or_404(id), _lists(request.data, ROLES_MAX)
        change_roles(key, by=actor_of(request), add=lists["add"], remove=lists["remove"])
        return _roles(key)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return what there is now."""
        return self.get(request, str(kept.subject_id))


def _roles(key: UUID) -> HttpResponse:
    body = {"roles": roles_of(key), "permissions": sorted(permissions_of(key))}
    return HttpResponse(json.dumps(body).encode(), content_type=JSON)


def _lists(data: Any, most: int) -> dict[str, list[str]]:
    """Return `{add, remove}`, lists of text with at most `most` items together; raises Problem."""
    if unknown := [name for name in data if name not in ("add", "remove")][:20]:
        raise Problem("invalid", errors=[Fault(f"/{name[:200]}", "unknown_field", "Unknown.") for name in unknown])
    lists = {name: data.get(name, []) for name in ("add", "remove")}
    for name, items in lists.items():
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise Problem("invalid", errors=[Fault(f"/{name}", "invalid", "Must be a list of strings.")])
    if sum(map(len, lists.values())) > most:
        raise Problem("too_many", f"At most {most:,} a call.")
    return lists


def _ids(name: str, texts: Sequence[str]) -> list[UUID]:
    ids = [uuid_or_none(text) for text in texts]
    faults = [Fault(f"/{name}/{place}", "invalid", "Not an id.") for place, one in enumerate(ids) if one is None]
    if faults:
        raise Problem("invalid", errors=faults[:20])
    return [one for one in ids if one is not None]


def _expected(request: Request, key: UUID) -> int | None:
    """Return the version that If-Match names, for the verb to check; of several, the one that is the present one."""
    versions = versions_of(request)
    if versions is None:
        return None
    if (document := GROUP.one(id=key)) is None:
        raise Problem("not_found")
    if (present := version_of(document)) not in versions:
        raise Problem("precondition_failed")
    return present
