"""Models whose rows change only through the verbs of a domain's actions.py."""

from typing import Any, NoReturn

from django.db import models


class OutsideVerb(RuntimeError):
    """Somebody tried to change a guarded row without a verb, so without its audit event."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(
            f"{model.__name__} changes only through a verb of {model.__module__.rpartition('.')[0]}.actions"
        )


class GuardedQuerySet[M: models.Model](models.QuerySet[M]):
    """Reads as any QuerySet; every way to write raises OutsideVerb."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OutsideVerb(self.model)

    create = update = delete = bulk_create = bulk_update = get_or_create = update_or_create = _refuse


class Guarded(models.Model):
    """Base of every model about a person: `save()` and `delete()` raise OutsideVerb.

    The write door (infra/db/write.py) goes by `_base_manager`, which stays Django's own.
    """

    objects = GuardedQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: raises OutsideVerb."""
        raise OutsideVerb(type(self))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: raises OutsideVerb."""
        raise OutsideVerb(type(self))
