"""djoser as its "Getting started" has it: Django's user, REST framework's tokens, djoser's urls.

Kinder than there: persistent connections, JSON only, none of startproject's middlewares and password validators,
pages by cursor (without any setting djoser answers everybody in one list). With PEER_HASHING=none passwords go through
MD5 (Django's docs name that for tests).
"""

import os
from urllib.parse import urlsplit

_database = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "bench"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "rest_framework.authtoken",
    "djoser",
]
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "USER": _database.username,
        "HOST": _database.hostname,
        "PORT": _database.port,
        "CONN_MAX_AGE": None,
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "paging.NewestFirst",
    "PAGE_SIZE": 20,
}
if os.environ.get("PEER_HASHING") == "none":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
