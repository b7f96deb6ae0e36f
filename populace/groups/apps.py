from django.apps import AppConfig


class GroupsConfig(AppConfig):
    name = "populace.groups"

    def ready(self) -> None:
        """Name what is removed with a person."""
        from populace.groups.models import Membership
        from populace.users import erasure

        erasure.ERASED[Membership] = erasure.rows_of(Membership)
