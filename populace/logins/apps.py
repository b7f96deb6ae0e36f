from django.apps import AppConfig


class LoginsConfig(AppConfig):
    name = "populace.logins"

    def ready(self) -> None:
        """Have a person's sessions removed with the person."""
        from populace.logins.models import Session
        from populace.users.erasure import ERASED, rows_of

        ERASED[Session] = rows_of(Session)
