from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "populace.infra.tasks"
    label = "tasks"
