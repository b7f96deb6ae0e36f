"""Serializers as JSON Schema: a document as it is shown, and as it is taken."""

from typing import Any

from django.db.models.functions import NullIf
from rest_framework import serializers as drf

from populace.groups.documents import ParentRef
from populace.users.documents import AttributesField, MomentField, StrictDocument, TextField

type Shape = dict[str, Any]

MOMENT: Shape = {"type": "string", "format": "date-time"}
UUID: Shape = {"type": "string", "format": "uuid"}
TEXT: Shape = {"type": "string"}
ID_AND_NAME: Shape = {
    "type": "object",
    "properties": {"id": UUID, "name": TEXT},
    "required": ["id", "name"],
    "additionalProperties": False,
}
FREE: Shape = {"type": "object", "additionalProperties": True}


def shown(serializer: drf.Serializer[Any], *, whole: bool = True) -> Shape:
    """Return what a document looks like; `whole`: all its members are there."""
    nullable = _nullable(serializer)
    properties = {name: _shown(field) for name, field in serializer.fields.items()}
    properties |= {name: _or_null(properties[name]) for name in nullable}
    shape: Shape = {"type": "object", "properties": properties, "additionalProperties": False}
    return shape | ({"required": list(properties)} if whole else {})


def taken(serializer: StrictDocument, **besides: Shape) -> Shape:
    """Return what a body may look like: the writable members and `besides`.

    A merge patch may name the others, too, as they are: a client sends back what it has read.
    """
    properties: dict[str, Shape] = {}
    for name, field in serializer.fields.items():
        if not field.read_only:
            properties[name] = _taken(field)
        elif serializer.partial:
            properties[name] = {**shown(serializer)["properties"][name], "readOnly": True}
    required = [name for name, field in serializer.fields.items() if field.required and not field.read_only]
    shape: Shape = {"type": "object", "properties": properties | besides, "additionalProperties": False}
    return shape | ({"required": required} if required and not serializer.partial else {})


def array(items: Shape, **bounds: Any) -> Shape:
    """Return an array of these."""
    return {"type": "array", "items": items, **bounds}


def struct(required: list[str] | None = None, /, **properties: Shape) -> Shape:
    """Return an object of these members and no other; all of them are there unless `required` says which."""
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "additionalProperties": False} | (
        {"required": names} if names else {}
    )


def _nullable(serializer: drf.Serializer[Any]) -> set[str]:
    """Return the members that can be null: their column says so, or the document turns a value into it."""
    columns: dict[str, tuple[str, Any]] = getattr(getattr(serializer, "Meta", None), "document", {})
    found = {name for name, (_, column) in columns.items() if isinstance(column, NullIf)}
    for name, field in serializer.fields.items():
        # '' and {} stand for none where null may be written.
        if isinstance(field, MomentField) or (field.allow_null and not isinstance(field, TextField | AttributesField)):
            found.add(name)
    return found


def _or_null(shape: Shape) -> Shape:
    return {**shape, "type": [shape["type"], "null"]}


def _shown(field: Any) -> Shape:
    """Return how a member is shown."""
    match field:
        case drf.ListSerializer():
            return array(ID_AND_NAME)
        case drf.ListField():
            return array(_shown(field.child))
        case drf.Serializer():
            return shown(field)
        case drf.UUIDField():
            return UUID
        case drf.DateTimeField():
            return MOMENT
        case drf.BooleanField():
            return {"type": "boolean"}
        case drf.IntegerField():
            return {"type": "integer", "minimum": 0}
        case drf.ChoiceField():
            return {"type": "string", "enum": list(field.choices)}
        case drf.JSONField():
            return FREE
    return TEXT


def _taken(field: Any) -> Shape:
    """Return what is taken for a member."""
    match field:
        case drf.ListSerializer():
            return array(_reference(field.child), maxItems=field.max_length)  # type: ignore[attr-defined]
        case drf.ListField():
            bounds = {"minItems": field.min_length, "maxItems": field.max_length}
            return array(_taken(field.child), **{name: bound for name, bound in bounds.items() if bound is not None})
        case drf.IntegerField():
            return {"type": "integer", "minimum": field.min_value, "maximum": field.max_value}
        case drf.CharField():
            text: Shape = {"type": "string", "maxLength": field.max_length}
            return _or_null(text) if field.allow_null else text | {"minLength": 1}
    return _or_null(_shown(field)) if field.allow_null else _shown(field)


def _reference(child: Any) -> Shape:
    if not isinstance(child, ParentRef):
        raise TypeError(child)
    whole = {"type": "object", "properties": {"id": UUID}, "required": ["id"], "additionalProperties": True}
    return {"anyOf": [UUID, whole]}
