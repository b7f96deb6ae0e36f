from django.apps import AppConfig


class LoginsConfig(AppConfig):
    name = "populace.logins"

    def ready(self) -> None:
        """Have a person's sessions removed with the person, when they are shut out, and when they are over."""
        from populace.infra.tasks.chores import CHORES
        from populace.logins.actions import delete_expired, sessions_end_with
        from populace.logins.models import Session
        from populace.users import erasure, guards

        erasure.ERASED[Session] = erasure.rows_of(Session)
        guards.LEAVING.append(sessions_end_with)
        CHORES.append(delete_expired)
