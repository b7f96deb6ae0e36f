"""The seed's user: Django's own, found by user name or e-mail, in groups, with all that Populace's document shows; and
a token to call the API with.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    # Populace promises one person per e-mail, so the naive project does, too.
    email = models.EmailField(unique=True)
    kind = models.CharField(max_length=16, default="person")
    email_verified = models.BooleanField(default=False)
    external_id = models.CharField(max_length=255, blank=True, default="")
    phone = models.CharField(max_length=32, blank=True, default="")
    locale = models.CharField(max_length=35, blank=True, default="")
    timezone = models.CharField(max_length=64, blank=True, default="")
    attributes = models.JSONField(blank=True, default=dict)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.BigIntegerField(default=1)

    class Meta(AbstractUser.Meta):
        # The order of `views.People`, so that a page anywhere is a walk of 21 rows.
        indexes = [models.Index(fields=["-date_joined", "id"], name="user_joined")]


class Token(models.Model):
    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.digest
