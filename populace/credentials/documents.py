"""The token as the API shows and takes it: everything but its secret."""

from typing import Any

from django.db.models import F, Value
from django.db.models.functions import NullIf
from rest_framework import serializers as drf

from populace.credentials.models import ApiToken
from populace.credentials.tokens import SCOPES
from populace.infra.db.fields import FOREVER, NEVER
from populace.users.documents import StrictDocument, TextField

NAME_MAX = 200


class TokenDocument(StrictDocument):
    """An API token, contract v1. `owner`: the caller, unless somebody else is named."""

    id = drf.UUIDField(read_only=True)
    name = TextField(max_length=NAME_MAX)
    scopes = drf.ListField(child=drf.ChoiceField(choices=SCOPES), min_length=1, max_length=len(SCOPES))
    owner = drf.UUIDField(source="user_id", required=False)
    created_at = drf.DateTimeField(read_only=True)
    expires_at = drf.DateTimeField(required=False, allow_null=True)
    last_used_at = drf.DateTimeField(read_only=True)

    class Meta:
        model = ApiToken
        document = {
            "scopes": ("words", F("scopes")),
            "expires_at": ("datetime", NullIf(F("expires_at"), Value(FOREVER))),
            "last_used_at": ("datetime", NullIf(F("last_used_at"), Value(NEVER))),
        }


class Rotation(StrictDocument):
    """How a token is rotated."""

    overlap = drf.IntegerField(required=False, min_value=0, max_value=7 * 24 * 3600)  # seconds


NEW: Any = TokenDocument()
ROTATION: Any = Rotation()
TOKEN_FIELDS = tuple(NEW.fields)
