from django.apps import AppConfig
from django.db.models.signals import post_migrate


class UsersConfig(AppConfig):
    name = "populace.users"

    def ready(self) -> None:
        """Name what follows from this domain's events, and what from its migrations."""
        from populace.audit import consequences
        from populace.infra.tasks.chores import CHORES
        from populace.users.parts import after_migrations, forget_parts
        from populace.users.tasks import index_attributes, welcome

        consequences.on("user.created", welcome)
        consequences.on("attribute_schema.updated", index_attributes)
        post_migrate.connect(after_migrations, sender=self)
        CHORES.append(forget_parts)
