"""Groups and who is in them. Nesting, roles and permissions come with the Directory issue."""

from django.db import models

from populace.infra.db.fields import NormalField
from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id


class Group(Guarded):
    """A named set of people: a small reference table, without a foreign key to User."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    name_normal = NormalField(max_length=400, unique=True)
    description = models.CharField(max_length=1000, default="", blank=True)
    version = models.BigIntegerField(default=1)

    def __str__(self) -> str:
        return self.name


class Membership(Guarded):
    """A person in a group. Unique only together with the person, so it shards with the person."""

    pk = models.CompositePrimaryKey("user_id", "group_id")
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="memberships", db_index=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"
