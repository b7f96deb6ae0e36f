"""The group as the API shows and takes it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, OuterRef
from rest_framework import serializers as drf

from populace.groups.models import Group, GroupRole, Membership
from populace.infra.db.documents import Json, JsonArray
from populace.users.documents import UNKNOWN, UNKNOWN_MAX, StrictDocument, TextField

NAME_MAX, DESCRIPTION_MAX = 200, 1000
PARENTS_MAX, ROLES_MAX = 20, 20

_roles = GroupRole.objects.filter(group_id=OuterRef("pk")).order_by("role__name")


class ParentRef(drf.Serializer[Any]):
    """A group directly above; taken as `{"id": …}` or as the bare id."""

    id = drf.UUIDField(source="parent_id")
    name = drf.CharField(source="parent.name", read_only=True)

    def to_internal_value(self, data: Any) -> Any:
        """Return `{"parent_id": UUID}`; the name is not looked at, any other is refused."""
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in self.fields]):
            raise drf.ValidationError(dict.fromkeys(unknown[:UNKNOWN_MAX], UNKNOWN))
        return super().to_internal_value({"id": data} if isinstance(data, str) else data)


class GroupDocument(StrictDocument):
    """A group, contract v1."""

    id = drf.UUIDField(read_only=True)
    name = TextField(max_length=NAME_MAX)
    description = TextField(max_length=DESCRIPTION_MAX)
    roles = drf.ListField(child=drf.CharField(max_length=64), required=False, max_length=ROLES_MAX)
    parents = ParentRef(many=True, required=False, max_length=PARENTS_MAX, source="parent_links")  # type: ignore[call-arg]
    version = drf.BigIntegerField(read_only=True)

    class Meta:
        model = Group
        document = {"roles": ("json", JsonArray(_roles.values(item=Json("string", F("role__name")))))}


class MemberDocument(drf.Serializer[Any]):
    """A person in a group."""

    id = drf.UUIDField(source="user_id")
    since = drf.DateTimeField()

    class Meta:
        model = Membership


NEW = GroupDocument()
"""Validates a whole new group; the verb sees to it that there is a name."""

PATCH = GroupDocument(partial=True)
"""Validates a merge patch."""

GROUP_FIELDS, MEMBER_FIELDS = tuple(NEW.fields), tuple(MemberDocument().fields)
