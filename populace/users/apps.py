from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "populace.users"

    def ready(self) -> None:
        """Name what follows from this domain's events."""
        from populace.audit import consequences
        from populace.users.tasks import index_attributes, welcome

        consequences.on("user.created", welcome)
        consequences.on("attribute_schema.updated", index_attributes)
