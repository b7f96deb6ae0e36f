"""The statements that read one person, compiled once per process."""

from uuid import UUID

from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.documents import document
from populace.users.documents import UserDocument
from populace.users.errors import Invalid
from populace.users.identifiers import CONFUSABLE, NORMAL, key_of, username_normal
from populace.users.lookalikes import skeleton
from populace.users.models import Identifier, User

_id = Param("id", User._meta.get_field("id"))

# The id stands inside each nested list, too: a sharded engine sends a correlated list to every shard.
USER = Compiled(User.objects.order_by().filter(pk=_id).values_list(document(UserDocument, owner=_id)))
"""`USER.one(id=…)`: the person's document, by primary key; None where there is nobody."""

IDENTIFIER = Compiled(
    Identifier.objects.order_by().filter(pk=Param("key", Identifier._meta.get_field("key"))).values_list("user_id")
)
"""`IDENTIFIER.one(key="kind:normal")`: the id of the person who holds it, as text; None where it is free."""


def user_id_of(kind: str, value: str) -> UUID | None:
    """Return who holds this identifier, written in any spelling; None where nobody does or nobody could.

    `kind` is one of identifiers.NORMAL. A person is found in two statements, never by a join: this, then USER.
    """
    try:
        return _holder(key_of(kind, NORMAL[kind](value)))
    except Invalid:
        return None


def lookalike_of(username: str) -> UUID | None:
    """Return whose user name looks like this valid one, or is it; None where it is like nobody's."""
    return _holder(key_of(CONFUSABLE, skeleton(username_normal(username))))


def _holder(key: str) -> UUID | None:
    found = IDENTIFIER.one(key=key)
    return UUID(found.decode()) if found else None
