from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "populace.credentials"

    def ready(self) -> None:
        """Have a person's tokens removed with the person."""
        from populace.credentials.models import ApiToken
        from populace.users.erasure import ERASED, rows_of

        ERASED[ApiToken] = rows_of(ApiToken)
