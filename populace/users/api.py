"""/api/v1/users: parse, authorise, call one verb, show the document it returns."""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers as drf
from rest_framework.request import Request

from populace.api.authentication import Principal, actor_of, folded, require
from populace.api.lists import ListView, Read
from populace.api.outcomes import Outcome, kept, outcomes_of, results
from populace.api.paging import Asked, Key, key_of
from populace.api.problems import Fault, Problem, problem_of
from populace.api.receipts import Kept
from populace.api.views import JSON, DocumentView, LeanView, refuse_body, shown, uuid_or_404, version_of, versions_of
from populace.audit.permissions import ADMIN
from populace.credentials.actions import set_password
from populace.credentials.fast_hashers import is_bare
from populace.credentials.foreign import adopted
from populace.credentials.hashing import PasswordRefused, check_policy, hash_password, sealed
from populace.infra.db.compiled import Row
from populace.users import attributes
from populace.users.actions import activate_user, create_user, deactivate_user, erase_user, update_user
from populace.users.attributes_actions import replace_schema
from populace.users.attributes_index import newest
from populace.users.counts import COUNTS, count
from populace.users.documents import NEW, PATCH, USER_FIELDS, check_read_only
from populace.users.errors import Invalid, Refused
from populace.users.lists import PARAMETERS, Listing, listing_of
from populace.users.lookup import look_up, people_of
from populace.users.models import AttributeSchema
from populace.users.newcomers import BATCH_MAX, Newcomer, create_each
from populace.users.reads import USER
from populace.users.refusals import record_refusal

READ, WRITE = "users:read", "users:write"
SECRETS = ("password", "password_hash")

BATCH_BYTES = 8 << 20
BATCH_HASHED = 20
"""Passwords of one batch that are hashed here: some 30 ms each, so 0.6 s, on a slot that sign-ins need, too."""

VERBS = {"deactivate": deactivate_user, "activate": activate_user}


class Users(ListView):
    """The collection."""

    scopes = {"GET": READ, "POST": WRITE}
    success, shows = {"POST": 201}, USER
    path, members = "/api/v1/users", USER_FIELDS
    parameters = ("count", *PARAMETERS)
    listing: Listing

    def read(self, asked: Asked) -> Read | None:
        """Return the statement of what is asked for, None for a person who is found by an identifier."""
        self.listing = listing_of(asked.parameters)
        if asked.parameters.get("count", "none") not in COUNTS:
            raise Refused("invalid", "count", f"One of {', '.join(COUNTS)}.")
        return None if self.listing.identified else self.listing.read(asked.key, backwards=asked.backwards)

    def page(self, request: Request) -> tuple[list[Row], Key | None]:
        """Return the rows; of a search, without the mark that says where it ended early."""
        if self.listing.identified:
            return [(document,) for document in self.listing.person()], None
        rows = self.rows or []
        if self.listing.words:
            rows = self.listing.completed(rows, self.asked.rows, self.asked.key, backwards=self.asked.backwards)
        if not self.listing.words or not rows:
            return rows, None
        ended = key_of(rows[-1][:-1]) if rows[-1][-1] == b"t" else None
        return [row[:-1] for row in rows if row[0] is not None], ended

    def more(self, request: Request, rows: list[Row]) -> dict[str, bytes]:
        """Return the count, if one is asked for."""
        kind = self.asked.parameters.get("count", "none")
        if kind == "none":
            return {}
        listing, caller = self.listing, cast(Principal, request.user)
        number = len(rows) if listing.identified else count(kind, caller, listing.filters, listing.words)
        return {"count": json.dumps({"value": number, "kind": kind}).encode()}

    def post(self, request: Request) -> HttpResponse:
        """Make a person: 201 with Location and ETag."""
        values, secrets = _taken_apart(dict(request.data))
        kind = values.pop("kind", "person")
        encoded = _encoded(request, secrets)  # tens of milliseconds, so outside any transaction
        document = create_user(by=actor_of(request), values=values, kind=kind, password_hash=encoded)
        response = shown(document, status=201)
        response.headers["Location"] = f"/api/v1/users/{json.loads(document)['id']}"
        return response


class UserBatch(LeanView):
    """Many new people at once, each of whom is made or refused by what `POST /users` would say."""

    scopes = {"POST": WRITE}
    body_limit = BATCH_BYTES

    def post(self, request: Request) -> HttpResponse:
        """Return for each, in their order, the document, or the problem."""
        checked = [_checked(request, each) for each in _batch(dict(request.data))]
        hashed = sum(_takes_time(secrets) for _, secrets in checked)
        if hashed > BATCH_HASHED:
            raise Problem("too_many", f"At most {BATCH_HASHED} passwords that are to be hashed here.")
        newcomers = [
            Newcomer(kind=told.pop("kind", "person"), values=told, password_hash=_encoded(request, secrets))
            for told, secrets in checked
            if not isinstance(told, Problem)
        ]
        problems = [told if isinstance(told, Problem) else None for told, _ in checked]
        made = create_each(newcomers, by=actor_of(request), keep=lambda made: kept(_merged(problems, made)))
        outcomes = _merged(problems, made)
        if any(isinstance(each, Problem) and each.status_code == 403 for each in outcomes):
            record_refusal(f"{request.method} {request.path}", by=actor_of(request))
        return _told(request, outcomes)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the people as they are now, and the problems as they were."""
        return _told(request, outcomes_of(json.loads(kept.result)))


def _told(request: Request, outcomes: Sequence[Outcome]) -> HttpResponse:
    documents = people_of([each for each in outcomes if isinstance(each, UUID)])
    return HttpResponse(results(outcomes, documents, request._request, "user"), content_type=JSON)


def _merged(problems: Sequence[Problem | None], made: Sequence[UUID | Exception]) -> list[Outcome]:
    """Return an outcome for each of `problems`: what came of the next of `made` where there was none so far."""
    rest = iter(made)
    return [problem or (each if isinstance(each := next(rest), UUID) else problem_of(each)) for problem in problems]


def _batch(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is said of each person; raises Problem."""
    if unknown := [name for name in data if name != "users"][:20]:
        raise Problem("invalid", errors=[Fault(f"/{name[:200]}", "unknown_field", "Unknown.") for name in unknown])
    users = data.get("users")
    if not isinstance(users, list):
        raise Problem("invalid", errors=[Fault("/users", "invalid", "An array.")])
    if len(users) > BATCH_MAX:
        raise Problem("too_many", f"At most {BATCH_MAX:,} people at once.")
    if wrong := [number for number, each in enumerate(users) if not isinstance(each, dict)][:20]:
        raise Problem("invalid", errors=[Fault(f"/users/{number}", "invalid", "An object.") for number in wrong])
    return users


def _checked(request: Request, data: dict[str, Any]) -> tuple[dict[str, Any] | Problem, dict[str, Any]]:
    """Return the values and secrets of a new person, or what is wrong with them and no secrets."""
    try:
        values, secrets = _taken_apart(data)
        if "password_hash" in secrets:
            require(request, ADMIN)
    except Exception as error:
        problem = problem_of(error)
        if problem.status_code >= 500:
            raise
        return problem, {}
    return values, secrets


class UserLookup(LeanView):
    """Many people by their identifiers."""

    scopes = {"POST": READ}
    keyed = ()  # changes nothing

    def post(self, request: Request) -> HttpResponse:
        """Return for each identifier, in their order, the person who has it, or null."""
        data = dict(request.data)
        if faults := [Fault(f"/{name[:200]}", "unknown_field", "Unknown.") for name in data if name != "identifiers"]:
            raise Problem("invalid", errors=faults[:20])
        results = look_up(data.get("identifiers"))
        return HttpResponse(b'{"results":[' + b",".join(results) + b"]}", content_type=JSON)


class UserView(DocumentView):
    """One person."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    read, shows = folded(USER), USER

    def patch(self, request: Request, id: str) -> HttpResponse:
        """Apply a merge patch (RFC 7396)."""
        key, data = uuid_or_404(id), dict(request.data)
        if any(name in PATCH.fields and PATCH.fields[name].read_only for name in data):
            document = _present(key)
            _check_version(request, document)  # first: what has changed since is told as 412, not as read-only
            data = check_read_only(data, document)
        values = PATCH.run_validation(data)
        return shown(update_user(key, by=actor_of(request), values=values, expected=_expected(request, key)))

    def delete(self, request: Request, id: str) -> HttpResponse:
        """Erase a person for good."""
        key = uuid_or_404(id)
        refuse_body(request)
        erase_user(key, by=actor_of(request), expected=_expected(request, key))
        return HttpResponse(status=204)


class AttributeSchemaView(LeanView):
    """The JSON Schema of people's attributes: the body is the schema itself."""

    scopes = {"GET": READ}

    def get(self, request: Request) -> HttpResponse:
        """Return the schema; `{}` where none was ever stored."""
        return _schema_shown(newest() or AttributeSchema(version=0, schema="{}"))

    def put(self, request: Request) -> HttpResponse:
        """Store another one, whole."""
        versions, schema = versions_of(request), dict(request.data)
        expected = None
        if versions is not None:
            stored = newest()
            expected = stored.version if stored else 0
            if expected not in versions:
                raise Problem("precondition_failed")
        return _schema_shown(replace_schema(schema, by=actor_of(request), expected=expected))

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the schema as it is now."""
        return self.get(request)


def _schema_shown(row: AttributeSchema) -> HttpResponse:
    digest = blake2b(row.schema.encode(), digest_size=4).hexdigest()
    return HttpResponse(row.schema.encode(), content_type=JSON, headers={"ETag": f'"{row.version}.{digest}"'})


class UserVerb(LeanView):
    """Deactivate or activate."""

    scopes = {"POST": WRITE}
    shows = USER

    def post(self, request: Request, id: str, verb: str) -> HttpResponse:
        """Do it and return the document; the present state again is no error."""
        key = uuid_or_404(id)
        refuse_body(request)
        return shown(VERBS[verb](key, by=actor_of(request), expected=_expected(request, key)))


class UserPassword(LeanView):
    """The password, which nothing ever shows."""

    scopes = {"POST": WRITE}
    shows = USER

    def post(self, request: Request, id: str) -> HttpResponse:
        """Set `password`, or with scope admin a finished `password_hash`, and return the document."""
        key, data = uuid_or_404(id), dict(request.data)
        if unknown := [name for name in data if name not in SECRETS][:20]:
            raise Problem("invalid", errors=[Fault(f"/{name[:200]}", "unknown_field", "Unknown.") for name in unknown])
        if not data:
            raise Problem("invalid", errors=[Fault("/password", "required", "This field is required.")])
        expected = _expected(request, key)
        username = json.loads(_present(key))["username"]
        _check_secrets(data, username)
        encoded = _encoded(request, data)
        return shown(set_password(key, password_hash=encoded, by=actor_of(request), expected=expected))


def _taken_apart(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a new person, and the secrets; raises as _validated."""
    rest = dict(data)
    secrets = {name: rest.pop(name) for name in SECRETS if name in rest}
    return _validated(rest, secrets), secrets


def _validated(data: dict[str, Any], secrets: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a new person; raises with the faults of all fields and of the password together."""
    values: dict[str, Any] = {}
    faults: dict[str, Any] = {}
    username = data.get("username")
    try:
        _check_secrets(secrets, username if isinstance(username, str) else "")
    except drf.ValidationError as error:
        faults |= dict(error.detail)  # type: ignore[arg-type]
    try:
        values = NEW.run_validation(data)
    except drf.ValidationError as error:
        faults |= dict(error.detail)  # type: ignore[arg-type]
    if faults:
        raise drf.ValidationError(faults)
    attributes.check(values.get("attributes") or {})  # the verb's to decide, but it comes after the password's hash
    return values


def _check_secrets(secrets: dict[str, Any], username: str) -> None:
    """Raise ValidationError unless there is a password by the policy, or a hash we know, or neither."""
    if len(secrets) > 1:
        raise drf.ValidationError({"password_hash": [drf.ErrorDetail("Either this or password.", "invalid")]})
    for name, secret in secrets.items():
        if not isinstance(secret, str):
            raise drf.ValidationError({name: [drf.ErrorDetail("Must be text.", "invalid")]})
        if name == "password":
            try:
                check_policy(secret, username=username)
            except PasswordRefused as refused:
                raise drf.ValidationError({name: [drf.ErrorDetail(refused.detail, refused.code)]}) from refused
        else:
            try:
                adopted(secret)
            except Invalid as refused:
                raise drf.ValidationError({name: [drf.ErrorDetail(refused.detail, refused.code)]}) from refused


def _takes_time(secrets: dict[str, Any]) -> bool:
    """Tell whether _encoded has to hash: a password, or another system's fast digest."""
    return "password" in secrets or ("password_hash" in secrets and is_bare(adopted(secrets["password_hash"])))


def _encoded(request: Request, secrets: dict[str, Any]) -> str:
    """Return the hash to store. A finished one only from an administrator: it passed no policy of ours."""
    if "password_hash" in secrets:
        require(request, ADMIN)
        return sealed(adopted(secrets["password_hash"]))
    return hash_password(secrets["password"]) if "password" in secrets else "!"


def _present(key: UUID) -> bytes:
    if (document := USER.one(id=key)) is None:
        raise Problem("not_found")
    return document


def _expected(request: Request, key: UUID) -> int | None:
    """Return the version that If-Match names, for the verb to check; of several, the one that is the present one."""
    versions = versions_of(request)
    if versions is None:
        return None
    return _check_version(request, _present(key))


def _check_version(request: Request, document: bytes) -> int | None:
    versions, present = versions_of(request), version_of(document)
    if versions is not None and present not in versions:
        raise Problem("precondition_failed")
    return None if versions is None else present
