from django.apps import AppConfig


class EffectsConfig(AppConfig):
    name = "tests.support.effects"

    def ready(self) -> None:
        from populace.audit import consequences
        from tests.support.effects import tasks

        consequences.on("test.noted", tasks.noted)
