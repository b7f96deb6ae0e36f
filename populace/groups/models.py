"""Groups, who is in them, how they nest, and the roles that people and groups hold.

Rights flow downwards: whoever is in a group holds its roles and those of every group above it. All but Membership
and RoleAssignment are small reference tables without a foreign key to User.
"""

from django.db import models

from populace.infra.db.fields import NormalField
from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id


class Group(Guarded):
    """A named set of people."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    name_normal = NormalField(max_length=400, unique=True)
    description = models.CharField(max_length=1000, default="", blank=True)
    version = models.BigIntegerField(default=1)
    # Being deleted by a job: it grants nothing, its name is free, and no call finds it any more.
    closed = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return self.name


class Membership(Guarded):
    """A person in a group. Unique only together with the person, so it shards with the person."""

    pk = models.CompositePrimaryKey("user_id", "group_id")
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="memberships", db_index=False)
    # Its index is the list of a group's members, in the order of their ids.
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    since = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["group", "user"], name="membership_group")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"


class GroupParent(Guarded):
    """A group directly below another."""

    pk = models.CompositePrimaryKey("group_id", "parent_id")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="parent_links", db_index=False)
    parent = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="child_links")

    def __str__(self) -> str:
        return f"{self.group_id} below {self.parent_id}"


class GroupClosure(Guarded):
    """A group and each group above it, itself included, by the shortest way: so no request walks upwards."""

    pk = models.CompositePrimaryKey("group_id", "ancestor_id")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="ancestor_links", db_index=False)
    ancestor = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="descendant_links")
    depth = models.SmallIntegerField()  # 0: the group itself

    def __str__(self) -> str:
        return f"{self.group_id} {self.depth} below {self.ancestor_id}"


class Role(Guarded):
    """A named set of permissions (names of audit/permissions.py)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = NormalField(max_length=64, unique=True)
    permissions = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name


class RoleAssignment(Guarded):
    """A role that a person holds directly."""

    pk = models.CompositePrimaryKey("user_id", "role_id")
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="role_assignments", db_index=False)
    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="assignments")

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role_id}"


class GroupRole(Guarded):
    """A role that everybody in a group holds."""

    pk = models.CompositePrimaryKey("group_id", "role_id")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="role_links", db_index=False)
    role = models.ForeignKey(Role, on_delete=models.CASCADE, related_name="group_links")

    def __str__(self) -> str:
        return f"{self.group_id} is {self.role_id}"


class RightsVersion(models.Model):
    """How often what people may do has changed. One row, made by the migration: what is kept of rights hangs on it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)
