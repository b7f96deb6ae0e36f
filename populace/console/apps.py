from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "populace.console"

    def ready(self) -> None:
        """Have a person's rows in Django's own admin log, which we never write, removed with the person."""
        from django.contrib.admin.models import LogEntry

        from populace.users.erasure import ERASED, rows_of

        ERASED[LogEntry] = rows_of(LogEntry)
