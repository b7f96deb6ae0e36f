from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "populace.users"
