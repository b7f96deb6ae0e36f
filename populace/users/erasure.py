"""What is removed when a person is erased: every model about people stands here, with its reason if it stays.

Higher folders register theirs in `AppConfig.ready()`; tests/functional/test_erasure.py finds a model nobody named.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from django.db.models import Model

from populace.audit.models import Event
from populace.users.models import AttributeValue, Identifier, User

type Erase = Callable[[Collection[UUID]], object]


def rows_of(model: type[Model]) -> Erase:
    """Return a function that deletes the rows of `model` whose `user_id` is one of these people's."""

    def erase(user_ids: Collection[UUID]) -> None:
        model._base_manager.filter(user_id__in=user_ids).delete()

    return erase


def forget_details(user_ids: Collection[UUID]) -> None:
    """Blank the personal values of these people's events; that they happened, and when, stays."""
    Event._base_manager.filter(subject_id__in=user_ids, details__isnull=False).update(details=None)


ERASED: dict[type[Model], Erase] = {
    Identifier: rows_of(Identifier),
    AttributeValue: rows_of(AttributeValue),
}
"""How each model forgets people, in order; runs inside the transaction of erase_user or many.erase."""

EXEMPT: dict[type[Model], str] = {
    User: "the person's own row, removed by erase_user and many.erase themselves",
}
"""Models with a `user_id` or a foreign key to User that keep their rows, and why."""
