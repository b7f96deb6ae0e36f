"""What the naive API shows of a user. The password is left out: neither side of the bench hashes."""

from django.contrib.auth.models import Group
from rest_framework import serializers

from bench.naive.models import User


class GroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = Group
        fields = ["id", "name"]


class UserSerializer(serializers.ModelSerializer):
    groups = GroupSerializer(many=True, read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "email", "first_name", "last_name", "date_joined", "groups"]


class PersonSerializer(UserSerializer):
    """The members of Populace's document, so that its lists and this one's are the same work."""

    class Meta(UserSerializer.Meta):
        fields = [
            *("id", "kind", "username", "email", "email_verified", "external_id", "first_name", "last_name", "phone"),
            *("locale", "timezone", "is_active", "attributes", "groups", "date_joined", "updated_at", "last_login"),
            "version",
        ]
