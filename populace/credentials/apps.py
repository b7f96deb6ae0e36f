from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "populace.credentials"

    def ready(self) -> None:
        """Have a person's tokens removed with the person or when they are over, and bare digests looked for."""
        from populace.credentials.expiry import delete_ended
        from populace.credentials.models import ApiToken
        from populace.credentials.tasks import look_for_digests
        from populace.infra.tasks.chores import CHORES
        from populace.users.erasure import ERASED, rows_of

        ERASED[ApiToken] = rows_of(ApiToken)
        if look_for_digests not in CHORES:
            CHORES.extend((look_for_digests, delete_ended))
