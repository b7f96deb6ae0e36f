"""The user as the API shows and takes it: one declaration for reads, writes and the schema.

`NEW` and `PATCH` serve every request: DRF builds the fields of an instance anew, which costs more than the rest of
a request. They keep no state and ask no database; whether an identifier is free is decided by the write itself.
"""

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, cast

from django.db.models import F, Value
from django.db.models.functions import NullIf
from rest_framework import serializers as drf
from rest_framework.fields import empty

from populace.infra.db.fields import NEVER
from populace.users import attributes, identifiers, profile
from populace.users.errors import Invalid
from populace.users.models import User

type AnyField = drf.Field[Any, Any, Any, Any]

UNKNOWN_MAX = 20
"""Unknown names listed in one refusal: the answer to a large body stays small."""


class TextField(drf.CharField):
    """A string; '' or null for none. `check` returns it or raises Invalid; absent means unchanged."""

    def __init__(self, *, check: Callable[[str], object] = profile.line, **options: Any) -> None:
        super().__init__(required=False, allow_blank=True, allow_null=True, trim_whitespace=False, **options)
        self.check = check
        self.validators = []  # DRF's own (length, U+0000, surrogates): to_internal_value refuses all of that

    def run_validation(self, data: Any = empty) -> Any:
        """Return the text; null in a merge patch means '', since text columns have no null."""
        return super().run_validation("" if data is None else data)

    def to_internal_value(self, data: Any) -> str:
        """Return `data` as typed; DRF's own would turn numbers into text."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        try:
            self.check(data)
        except Invalid as error:
            raise drf.ValidationError(error.detail, code=error.code) from error
        return data


class PhoneField(TextField):
    """A phone number, stored and shown as E.164."""

    def to_internal_value(self, data: Any) -> str:
        """Return the number without spaces and marks."""
        return identifiers.phone_normal(super().to_internal_value(data))


class AttributesField(drf.JSONField):
    """The free attributes: an object, or null, which stays None so that the verb can tell "empty it" from a patch."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object."""
        try:
            return attributes.checked(data)
        except Invalid as error:
            raise drf.ValidationError(error.detail, code=error.code) from error


class MomentField(drf.DateTimeField):
    """A time that may not have come yet: NEVER is shown as null."""

    def to_representation(self, value: Any) -> Any:
        """Return the time as text, or None."""
        return None if value == NEVER else super().to_representation(value)


class GroupRef(drf.Serializer[Any]):
    """A group a person is in, seen from the membership."""

    id = drf.UUIDField(source="group_id", read_only=True)
    name = drf.CharField(source="group.name", read_only=True)


class StrictDocument(drf.Serializer[Any]):
    """What takes only the names that may be written."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the writable values that were sent; a name that is not writable is refused, never dropped."""
        errors = self._refused(data) if isinstance(data, Mapping) else {}
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except drf.ValidationError as error:
            raise drf.ValidationError(error.detail | errors) from error  # type: ignore[operator]
        if errors:
            raise drf.ValidationError(errors)
        return values

    @cached_property
    def _writable_fields(self) -> list[AnyField]:
        # DRF's own looks through all fields with every validation.
        return [field for field in self.fields.values() if not field.read_only]

    @cached_property
    def _writable(self) -> set[str | None]:
        return {field.field_name for field in self._writable_fields}

    def _refused(self, data: Mapping[str, Any]) -> dict[str, Any]:
        refused = [name for name in data if name not in self._writable][:UNKNOWN_MAX]
        return {name: READ_ONLY if name in self.fields else UNKNOWN for name in refused}


class UserDocument(StrictDocument):
    """A person or service account, contract v1."""

    id = drf.UUIDField(read_only=True)
    # REST framework's own sentence repeats what was sent, however long it is.
    kind = drf.ChoiceField(
        choices=[User.PERSON, User.SERVICE],
        required=False,
        error_messages={"invalid_choice": "Not one of the choices."},
    )
    username = TextField(max_length=identifiers.USERNAME_MAX, check=identifiers.username_normal)
    email = TextField(max_length=identifiers.EMAIL_MAX, check=identifiers.email_normal)
    email_verified = drf.BooleanField(read_only=True)
    external_id = TextField(max_length=identifiers.EXTERNAL_ID_MAX, check=identifiers.external_id)
    first_name = TextField(max_length=profile.TEXT_MAX)
    last_name = TextField(max_length=profile.TEXT_MAX)
    phone = PhoneField(max_length=identifiers.PHONE_MAX, check=identifiers.phone_normal)
    locale = TextField(max_length=35, check=profile.locale)
    timezone = TextField(max_length=64, check=profile.timezone)
    is_active = drf.BooleanField(read_only=True)
    attributes = AttributesField(required=False, allow_null=True)
    groups = GroupRef(many=True, read_only=True, source="memberships")
    date_joined = drf.DateTimeField(read_only=True)
    updated_at = drf.DateTimeField(read_only=True)
    last_login = MomentField(source="last_sign_in_at", read_only=True)
    version = drf.BigIntegerField(read_only=True)

    class Meta:
        model = User
        document = {"last_login": ("datetime", NullIf(F("last_sign_in_at"), Value(NEVER)))}

    def get_fields(self) -> dict[str, AnyField]:
        """Return the fields; what a person is (`kind`) is settled when they are made."""
        fields = super().get_fields()
        fields["kind"].read_only = self.partial
        return fields


READ_ONLY = [drf.ErrorDetail("This field is read-only.", code="read_only")]
UNKNOWN = [drf.ErrorDetail("There is no such field.", code="unknown_field")]

NEW = UserDocument()
"""Validates a whole new person: `NEW.run_validation(data)` returns the values for create_user, `kind` among them."""

PATCH = UserDocument(partial=True)
"""Validates a merge patch: `PATCH.run_validation(data)` returns what was sent, for update_user."""

USER_FIELDS = tuple(NEW.fields)
"""Every name of the document, in the contract's order."""


def check_read_only(
    data: Mapping[str, Any], current_document: bytes | None, patch: StrictDocument = PATCH
) -> dict[str, Any]:
    """Return `data` without the read-only fields that equal the stored document; for PATCH, before validation.

    A client may send back what it has read. Raises ValidationError with code `read_only` for each field that
    differs. `current_document` is needed (not None) only where `data` names a read-only field of `patch`.
    """
    sent = {name for name in data if name in patch.fields and patch.fields[name].read_only}
    if not sent:
        return dict(data)
    current = json.loads(current_document or b"{}")
    # Compared as JSON text: to Python, true is 1.
    differ = {name for name in sent if name not in current or _json(data[name]) != _json(current[name])}
    if differ:
        raise drf.ValidationError(dict.fromkeys(sorted(differ), READ_ONLY))
    return {name: value for name, value in data.items() if name not in sent}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def new_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what NEW makes of `data`, for callers that know no REST framework.

    Raises Invalid about the first field at fault, with the others behind it; no detail repeats a value.
    """
    return _validated(NEW, data)


def patch_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what PATCH makes of `data`, as new_values does."""
    return _validated(PATCH, data)


def _validated(document: UserDocument, data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values: dict[str, Any] = document.run_validation(data)
    except drf.ValidationError as error:
        first, *others = [
            Invalid(detail.code or "invalid", str(detail), field)
            for field, details in cast(dict[str, list[drf.ErrorDetail]], error.detail).items()
            for detail in details
        ]
        first.more = others
        raise first from None
    return values
