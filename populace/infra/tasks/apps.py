from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class TasksConfig(AppConfig):
    name = "populace.infra.tasks"
    label = "tasks"

    def ready(self) -> None:
        """Load every app's `tasks` module: only tasks loaded by then may run."""
        autodiscover_modules("tasks")
