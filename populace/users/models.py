"""The people of the directory and the identifiers they are found by."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models
from django.utils.timezone import now

from populace.infra.db.fields import NEVER, NormalField
from populace.infra.db.guarded import Guarded
from populace.infra.db.ids import new_id

BARE = "fast$"
"""How a password begins that came as another system's fast digest and is not yet wrapped (credentials/)."""


class User(Guarded, AbstractBaseUser):
    """A person, or a service account.

    No unique constraint but the primary key: who owns an identifier is decided by Identifier alone, so that
    this table can be sharded by its id. What was typed is kept as typed; the `*_normal` twins are for finding.
    """

    PERSON, SERVICE = "person", "service"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=[(PERSON, "person"), (SERVICE, "service")], default=PERSON)
    username = models.CharField(max_length=64, default="", blank=True)
    username_normal = NormalField(max_length=128, default="", blank=True)
    email = models.CharField(max_length=254, default="", blank=True)
    email_normal = NormalField(max_length=320, default="", blank=True)
    email_domain = NormalField(max_length=253, default="", blank=True)
    email_verified = models.BooleanField(default=False)
    external_id = models.CharField(max_length=255, default="", blank=True)
    first_name = models.CharField(max_length=200, default="", blank=True)
    first_name_normal = NormalField(max_length=400, default="", blank=True)
    last_name = models.CharField(max_length=200, default="", blank=True)
    last_name_normal = NormalField(max_length=400, default="", blank=True)
    phone = models.CharField(max_length=32, default="", blank=True)
    locale = models.CharField(max_length=35, default="", blank=True)  # longest tag we take: RFC 5646 section 4.4.1
    timezone = models.CharField(max_length=64, default="", blank=True)
    is_active = models.BooleanField(default=True)
    attributes = models.JSONField(default=dict, blank=True)
    date_joined = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)
    last_sign_in_at = models.DateTimeField(default=NEVER)
    version = models.BigIntegerField(default=1)
    password = models.CharField(max_length=512, default="!")

    # Django's own column would be written at every sign-in; ours is written at most once an hour.
    last_login = None

    # allauth (Access) and Django's checks want these names; neither is unique in this table.
    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        # One for each way a list is walked (querysets.py): each costs every insert one more b-tree entry.
        indexes = [
            models.Index(fields=[*columns, "id"], name=name)
            for name, *columns in (
                ("user_joined", "date_joined"),
                ("user_updated", "updated_at"),
                ("user_signed_in", "last_sign_in_at"),
                ("user_username", "username_normal"),
                ("user_email", "email_normal"),
                ("user_last_name", "last_name_normal"),
                ("user_first_name", "first_name_normal"),
                ("user_active", "is_active", "date_joined"),
                ("user_domain", "email_domain", "date_joined"),
                ("user_domain_active", "email_domain", "is_active", "date_joined"),
            )
        ] + [
            # Empty but for a while after an import: whoever looks for the last bare digest need not read everybody.
            models.Index(fields=["id"], name="user_bare_password", condition=models.Q(password__startswith=BARE))
        ]

    def __str__(self) -> str:
        return self.username or self.email or str(self.id)


class Identifier(Guarded):
    """The one place where a user name, e-mail, phone or external id is claimed; the database decides.

    `user_id` is a plain column: this table is sharded by its own key. A person is found by an identifier in two
    statements, never a join.
    """

    key = NormalField(primary_key=True, max_length=340)  # "kind:normalised value"
    user_id = models.UUIDField(db_index=True)
    unicode_version = models.CharField(max_length=8)  # of the tables that made `key`; for re-keying after an upgrade

    def __str__(self) -> str:
        return self.key


class AttributeSchema(Guarded):
    """What attributes may hold, as an operator stored it; the row of the highest version counts, the others stay."""

    version = models.BigIntegerField(primary_key=True)
    schema = models.TextField()  # JSON as it came: jsonb would sort its names
    stored_at = models.DateTimeField()
    filled = models.JSONField(default=list)  # indexed properties whose values are all in AttributeValue

    def __str__(self) -> str:
        return str(self.version)


class AttributeValue(Guarded):
    """An indexed attribute of a person; the value is part of the key, so a new one never meets the old one's."""

    repeatable = True  # for the write door: who fills an index and who changes a person may write the same

    pk = models.CompositePrimaryKey("user_id", "name", "value")
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="attribute_values", db_index=False)
    name = NormalField(max_length=64)
    value = NormalField(max_length=202)  # attributes_index.text_of

    class Meta:
        # Whoever has a value, in the order of their ids.
        indexes = [models.Index(fields=["name", "value", "user"], name="attribute_value")]

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"
