"""Makes the tables and an administrator, and prints the administrator's token."""

import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth import get_user_model  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

admin = get_user_model().objects.create(username="admin", email="admin@example.com", is_staff=True)
print(Token.objects.create(user=admin).key)
