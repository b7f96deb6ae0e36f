from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "populace.api"

    def ready(self) -> None:
        """Have receipts removed with their caller, and when they are over."""
        from populace.api.models import Receipt
        from populace.api.receipts import delete_expired
        from populace.infra.tasks.chores import CHORES
        from populace.users.erasure import ERASED, rows_of

        ERASED[Receipt] = rows_of(Receipt)
        CHORES.append(delete_expired)
