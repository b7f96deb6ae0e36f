"""The statements that show tokens, compiled once per process."""

from functools import cache

from django.db.models import QuerySet

from populace.credentials.documents import TokenDocument
from populace.credentials.models import ApiToken
from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.documents import document
from populace.infra.db.fields import FOREVER

ROWS = (21, 51, 101, 201)
"""Rows of a statement: a page, and one that tells whether there is another."""

_id = Param("id", ApiToken._meta.get_field("id"))
_owner = Param("owner", ApiToken._meta.get_field("user_id"))


def _valid() -> QuerySet[ApiToken]:
    """Return the tokens that nobody has revoked; an expired one is shown, so that its owner sees why it fails."""
    return ApiToken.objects.order_by().filter(revoked_at=FOREVER)


TOKEN = Compiled(_valid().filter(id=_id).values_list(document(TokenDocument)))
"""`TOKEN.one(id=…)`: the token's document; None where there is none or it was revoked."""


@cache
def tokens(*, of_one_owner: bool, descending: bool) -> Compiled:
    """Return the statement of a page of tokens in the order of their ids; its rows are (document, id)."""
    sign, side = ("-", "lt") if descending else ("", "gt")
    found = _valid().filter(**{f"id__{side}": _id})
    if of_one_owner:
        found = found.filter(user_id=_owner)
    return Compiled(found.order_by(f"{sign}id").values_list(document(TokenDocument), "id"), limits=ROWS)
