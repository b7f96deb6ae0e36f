"""/api/v1/users: parse, authorise, call one verb, show the document it returns."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers as drf
from rest_framework.request import Request

from populace.api.authentication import actor_of, folded
from populace.api.problems import Fault, Problem
from populace.api.views import DocumentView, LeanView, refuse_body, shown, uuid_or_404, version_of, versions_of
from populace.credentials.actions import set_password
from populace.credentials.hashing import PasswordRefused, check_policy, hash_password, is_known_hash
from populace.credentials.tokens import ADMIN
from populace.users.actions import activate_user, create_user, deactivate_user, erase_user, update_user
from populace.users.documents import NEW, PATCH, check_read_only
from populace.users.reads import USER

READ, WRITE = "users:read", "users:write"
SECRETS = ("password", "password_hash")

VERBS = {"deactivate": deactivate_user, "activate": activate_user}


class Users(LeanView):
    """The collection."""

    scopes = {"POST": WRITE}

    def post(self, request: Request) -> HttpResponse:
        """Make a person: 201 with Location and ETag."""
        data = dict(request.data)
        secrets = {name: data.pop(name) for name in SECRETS if name in data}
        values = _validated(data, secrets)
        kind = values.pop("kind", "person")
        encoded = _encoded(request, secrets)  # tens of milliseconds, so outside any transaction
        document = create_user(by=actor_of(request), values=values, kind=kind, password_hash=encoded)
        response = shown(document, status=201)
        response.headers["Location"] = f"/api/v1/users/{json.loads(document)['id']}"
        return response


class UserView(DocumentView):
    """One person."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    read = folded(USER)

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


class UserVerb(LeanView):
    """Deactivate or activate."""

    scopes = {"POST": WRITE}

    def post(self, request: Request, id: str, verb: str) -> HttpResponse:
        """Do it and return the document; the present state again is no error."""
        key = uuid_or_404(id)
        refuse_body(request)
        return shown(VERBS[verb](key, by=actor_of(request), expected=_expected(request, key)))


class UserPassword(LeanView):
    """The password, which nothing ever shows."""

    scopes = {"POST": WRITE}

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
        elif not is_known_hash(secret):
            raise drf.ValidationError({name: [drf.ErrorDetail("Not a hash of a kind we check.", "unknown_hash")]})


def _encoded(request: Request, secrets: dict[str, Any]) -> str:
    """Return the hash to store. A finished one only from an administrator: it passed no policy of ours."""
    if "password_hash" in secrets:
        if ADMIN not in request.user.scopes:  # type: ignore[union-attr]
            raise Problem("scope", "password_hash needs a token with scope admin.")
        return str(secrets["password_hash"])
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
