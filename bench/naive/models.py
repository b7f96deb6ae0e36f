"""The seed's user: Django's own, found by user name or e-mail, in groups; and a token to call the API with."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    # Populace promises one person per e-mail, so the naive project does, too.
    email = models.EmailField(unique=True)


class Token(models.Model):
    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.digest
