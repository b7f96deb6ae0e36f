"""Bearer tokens by the same check as Populace's: one look-up by digest, with its owner active."""

import hashlib

from rest_framework import authentication, exceptions
from rest_framework.request import Request

from bench.naive.models import Token, User


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        digest = hashlib.sha256(secret.encode()).hexdigest()
        try:
            token = Token.objects.select_related("user").get(digest=digest, user__is_active=True)
        except Token.DoesNotExist:
            raise exceptions.AuthenticationFailed from None
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
