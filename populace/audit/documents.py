"""An event as the API shows it."""

from typing import Any

from django.db.models.fields.json import KeyTextTransform, KeyTransform
from rest_framework import serializers as drf

from populace.audit.models import Event


class EventDocument(drf.Serializer[Event]):
    """What happened, contract v1. `changes` and `address` are null once the person is erased."""

    id = drf.UUIDField(read_only=True)
    at = drf.DateTimeField(read_only=True)
    action = drf.CharField(read_only=True)
    actor = drf.UUIDField(read_only=True)
    subject = drf.UUIDField(source="subject_id", read_only=True)
    subject_kind = drf.CharField(read_only=True)
    changes = drf.JSONField(source="details.changes", read_only=True, allow_null=True)
    request_id = drf.CharField(read_only=True)
    address = drf.CharField(source="details.address", read_only=True, allow_null=True)

    class Meta:
        model = Event
        document: dict[str, tuple[str, Any]] = {
            "changes": ("json", KeyTransform("changes", "details")),
            "address": ("plain", KeyTextTransform("address", "details")),
        }


EVENT_FIELDS = tuple(EventDocument().fields)
"""Every name of the document, in the contract's order."""
