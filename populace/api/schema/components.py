"""The bodies that the calls take and give, by the names that calls.py uses."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from populace.api.kinds import KINDS
from populace.api.schema.shapes import FREE, TEXT, UUID, Shape, array, shown, struct, taken
from populace.audit import documents as audit
from populace.audit.permissions import PERMISSIONS
from populace.bulk import documents as bulk
from populace.bulk import exports
from populace.bulk.chosen import IDS_MAX, UPDATABLE
from populace.bulk.chosen import PERMISSIONS as PERMISSIONS_OF_ACTIONS
from populace.bulk.exported import EXPORTED
from populace.bulk.formats import FORMATS
from populace.bulk.formats.source import FILE_MAX
from populace.bulk.imports import ON_CONFLICT, ROWS
from populace.bulk.preview import SAMPLES, Sample
from populace.credentials import documents as credentials
from populace.credentials.hashing import LONGEST_CHARACTERS, SHORTEST_CHARACTERS
from populace.groups import documents as groups
from populace.groups.actions import MEMBERS_MAX
from populace.users import documents as users
from populace.users.counts import COUNTS
from populace.users.identifiers import NORMAL
from populace.users.lookup import MOST
from populace.users.newcomers import BATCH_MAX

LINK: Shape = {"type": ["string", "null"], "description": "Path and query of that page; follow it as it is."}
SECRETS: dict[str, Shape] = {
    "password": {
        "type": "string",
        "minLength": SHORTEST_CHARACTERS,
        "maxLength": LONGEST_CHARACTERS,
        "writeOnly": True,
    },
    "password_hash": {"type": "string", "writeOnly": True, "description": "A finished hash; needs `admin`."},
}
TOLD: Mapping[str, Mapping[str, str]] = {
    "User": {
        "kind": "A person, or a service account that no one signs in with.",
        "username": "At most 64 characters, no two alike in case, width or looks; '' for none.",
        "email": "Compared without case; '' for none.",
        "email_verified": "Whether its owner has shown that it is theirs.",
        "external_id": "Another system's id, as it is; '' for none.",
        "phone": "E.164; spaces, dashes and brackets drop out.",
        "locale": "A language tag such as `de` or `pt-BR` (BCP 47).",
        "timezone": "A name such as `Europe/Vienna` (IANA).",
        "is_active": "Changed by `activate` and `deactivate`.",
        "attributes": "What the attribute schema allows, at most 16 KiB. A patch is merged into it.",
        "groups": "Direct memberships, changed at the groups.",
        "last_login": "Null: not yet.",
        "version": "Counts the changes of the person.",
    },
    "Group": {
        "roles": "What whoever is in the group holds.",
        "parents": "The groups directly above, whose roles count here, too.",
        "version": "Counts the changes of the group.",
    },
    "Token": {
        "scopes": "What the token may do of what its owner's roles permit; `admin`: all of it.",
        "owner": "The caller, unless somebody else is named.",
        "expires_at": "Null: never.",
        "last_used_at": "True to about a minute and a half. Null: not yet.",
    },
    "Job": {
        "progress": "Rows behind, and all there are; `total` is null while nobody knows.",
        "eta_seconds": "If it goes on as it went. Null: not under way, or nobody knows.",
        "owner": "Who asked for it.",
        "result": "Numbers of what came of it, once it is over.",
        "code": "Why it failed; '' unless it did.",
        "errors_url": "Where the rows are of which nothing came. Null: none, or somebody else asked for the job.",
        "result_url": "What it has made: a link that ends in 15 minutes, anew at every look. Null: nothing for you.",
        "expires_at": "When it is forgotten, with its files. Null: not while it waits or runs.",
    },
    "Event": {
        "action": "Such as `user.created`.",
        "actor": "Who did it.",
        "subject": "What it was done to.",
        "changes": '`{field: {"old": …, "new": …}}`; null once the person is erased.',
        "address": "Where the call came from; null once the person is erased.",
    },
}


def components() -> dict[str, Shape]:
    """Return every body."""
    documents = {
        "User": users.NEW,
        "Group": groups.NEW,
        "Token": credentials.NEW,
        "Event": audit.EventDocument(),
        "Member": groups.MemberDocument(),
        "Job": bulk.SHOWN,
    }
    found = {name: shown(document) for name, document in documents.items()}
    for name, document in documents.items():
        found[f"{name}s"] = _page(shown(document, whole=False))
    found["Users"]["properties"]["count"] = struct(value={"type": ["integer", "null"]}, kind={"enum": list(COUNTS[1:])})
    found |= _bodies() | _answers(found["Token"]) | {"Problem": _problem()}
    for name, texts in TOLD.items():
        for of in (name, f"New{name}", f"{name}Patch", f"{name}s"):
            if of in found:
                _tell(found[of], texts)
    return found


def _tell(shape: Shape, texts: Mapping[str, str]) -> None:
    if "results" in shape["properties"]:
        shape = shape["properties"]["results"]["items"]
    for name, text in texts.items():
        if name in shape["properties"]:
            shape["properties"][name] = {**shape["properties"][name], "description": text}


def _page(row: Shape) -> Shape:
    row["description"] = "All members, or those that `fields` names."
    return struct(["results", "next", "previous"], results=array(row), next=LINK, previous=LINK)


def _bodies() -> dict[str, Shape]:
    """Return what calls take."""
    identified = [{"required": [name]} for name in NORMAL]
    names = {name: array({"type": "string"}) for name in ("add", "remove")}
    ids = {name: array(UUID, maxItems=MEMBERS_MAX) for name in ("add", "remove")}
    by_kind = [struct(**{kind: TEXT}) for kind in ("id", *NORMAL)]
    either: Shape = {"oneOf": [{"required": [name]} for name in SECRETS]}
    named = {"name": {"type": "string", "minLength": 1, "maxLength": groups.NAME_MAX}}
    group, token = taken(groups.NEW), taken(credentials.NEW)
    for shape in (group, token):
        shape["properties"] |= named
        shape["required"] = [*shape.get("required", ()), "name"]
    return {
        "NewUser": taken(users.NEW, **SECRETS) | {"anyOf": identified},
        "UserPatch": taken(users.PATCH),
        "Password": struct([], **SECRETS) | either,
        "NewUsers": struct(users=array(FREE | {"description": "As NewUser."}, maxItems=BATCH_MAX)),
        "Lookup": struct(identifiers=array({"anyOf": [TEXT, *by_kind]}, maxItems=MOST)),
        "RoleChange": struct([], **names),
        "NewGroup": group,
        "GroupPatch": taken(groups.PATCH),
        "MemberChange": struct([], **ids),
        "NewToken": token,
        "Rotation": taken(credentials.ROTATION),
        "NewExport": struct(
            ["format"],
            list={"enum": list(EXPORTED), "description": "`users`, if left out."},
            format={"enum": list(exports.FORMATS)},
            filter={
                "type": "object",
                "additionalProperties": TEXT,
                "description": "Parameters of the list but `order`.",
            },
            order={**TEXT, "description": "As of the list."},
            fields=array({"enum": _fields_exported()}, minItems=1) | {"description": "Of the list; all, if left out."},
        ),
        "BulkAction": _bulk_action(),
        "AttributeSchema": FREE | {"description": "JSON Schema 2020-12 without references."},
        "NewImport": struct(
            ["file"],
            file={
                "type": "string",
                "format": "binary",
                "description": f"At most {FILE_MAX >> 30} GiB, with a filename.",
            },
            format={"enum": list(FORMATS), "description": "Recognised where it is left out."},
            dry_run={"enum": ["true", "false"], "description": "Check every row and write none; else `false`."},
            on_conflict={"enum": list(ON_CONFLICT), "description": "Where an identifier is taken; else `skip`."},
            rows={"enum": list(ROWS), "description": "`all`: one bad row, and nothing goes in; else `good`."},
            welcome={"enum": ["true", "false"], "description": "Let mail go to who is made; else `false`."},
            options={"type": "string", "description": "What the file does not say: JSON, or lines `name: value`."},
        ),
        "Nothing": struct([]) | {"description": "Nothing, or `{}`."},
    }


def _fields_exported() -> list[str]:
    return list(dict.fromkeys(chain.from_iterable(one.fields for one in EXPORTED.values())))


def _bulk_action() -> Shape:
    filter: Shape = {"type": "object", "additionalProperties": {"type": ["string", "boolean", "number"]}}
    said = {
        "action": {"type": "string", "enum": list(PERMISSIONS_OF_ACTIONS)},
        "filter": filter | {"description": "The parameters of `GET /api/v1/users`; `{}`: everybody."},
        "ids": array(UUID, minItems=1, maxItems=IDS_MAX),
        "group": UUID,
        "values": {**FREE, "description": f"Of `update`: {', '.join(UPDATABLE)}."},
        "partial": {"type": "boolean", "description": "Leave out whom the caller may not act on; else all is refused."},
        "preview": {"type": "boolean", "description": "Do nothing, tell what would be done."},
        "confirm": {"type": ["integer", "string"], "description": "How many people, or a preview's token."},
    }
    return struct(["action"], **said) | {"oneOf": [{"required": ["filter"]}, {"required": ["ids"]}]}


def _bulk_preview() -> Shape:
    number: Shape = {"type": "integer", "minimum": 0}
    return struct(
        count=number | {"description": "Everybody who matches."},
        changed=number | {"description": "Those of them whom it would change."},
        samples=array(struct(**dict.fromkeys(Sample._fields, TEXT)), maxItems=SAMPLES),
        excluded=array(struct(code=TEXT, reason=TEXT, count=number)),
        must_be_confirmed={"type": "boolean"},
        confirm=TEXT | {"description": "What the call itself may carry as `confirm`, for 15 minutes."},
    )


def _answers(token: Shape) -> dict[str, Shape]:
    """Return what calls give that is no document."""
    secret: Shape = {"type": ["string", "null"], "description": "Shown once: null in a repeated answer."}
    person: Shape = {"anyOf": [{"$ref": "#/components/schemas/User"}, {"type": "null"}]}
    of = {name: {"$ref": f"#/components/schemas/{name}"} for name in ("User", "Problem")}
    result = struct(["status"], status={"type": "integer"}, user=of["User"], error=of["Problem"])
    names = {"roles": array(TEXT), "permissions": array({"enum": list(PERMISSIONS)})}
    return {
        "Found": struct(results=array(struct(identifier={"type": ["string", "object"]}, user=person))),
        "UserResults": struct(results=array(result)),
        "Roles": struct(**names),
        "BulkPreview": _bulk_preview(),
        "MembersChanged": struct(added=array(UUID), removed=array(UUID)),
        "NewTokenShown": struct(**token["properties"], secret=secret),
        "Schema": FREE,
    }


def _problem() -> Shape:
    fault = struct(pointer={"type": "string", "format": "json-pointer"}, code=TEXT, detail=TEXT)
    members: dict[str, Any] = {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/not_found"]},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": {"type": "string", "description": "The request's id, as in X-Request-ID and the log."},
        "code": {"type": "string", "enum": list(KINDS)},
    }
    problem = struct(list(members), **members, errors=array(fault))
    return problem | {"description": "RFC 9457. No answer repeats a value that was sent."}
