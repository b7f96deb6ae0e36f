from django.apps import AppConfig


class GroupsConfig(AppConfig):
    name = "populace.groups"

    def ready(self) -> None:
        """Name what is removed with a person, and guard people by their rights."""
        from populace.groups.guards import held_beyond, may_act_on, owner_stays_without
        from populace.groups.models import Membership, RoleAssignment
        from populace.users import erasure, guards

        erasure.ERASED[Membership] = erasure.rows_of(Membership)
        erasure.ERASED[RoleAssignment] = erasure.rows_of(RoleAssignment)
        guards.ACTING.append(may_act_on)
        guards.BEYOND.append(held_beyond)
        guards.LEAVING.append(owner_stays_without)
