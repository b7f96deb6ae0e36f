"""/api/v1/tokens: the secret is shown once, when a token is made."""

import json
from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from populace.api.authentication import actor_of, folded
from populace.api.lists import ListView, Read
from populace.api.paging import Asked, refused
from populace.api.problems import Fault, Problem
from populace.api.receipts import Kept
from populace.api.views import JSON, DocumentView, LeanView, body_or_nothing, refuse_body, uuid_or_404, uuid_or_none
from populace.credentials.actions import OVERLAP, create_token, revoke_token, rotate_token
from populace.credentials.documents import NEW, ROTATION, TOKEN_FIELDS
from populace.credentials.models import ApiToken
from populace.credentials.reads import TOKEN, tokens
from populace.infra.db.ids import FIRST_ID, LAST_ID
from populace.users.errors import UserNotFound

READ, WRITE = "tokens:read", "tokens:write"


class Tokens(ListView):
    """The collection: everybody's, or with `owner` one person's; without the revoked ones."""

    scopes = {"GET": READ, "POST": WRITE}
    success, shows = {"POST": 201}, TOKEN
    path, members = "/api/v1/tokens", TOKEN_FIELDS
    parameters = ("owner",)

    def read(self, asked: Asked) -> Read:
        """Return the statement of the page."""
        place = asked.cursor.key[0] if asked.cursor and asked.cursor.key else LAST_ID if asked.backwards else FIRST_ID
        values = {"id": UUID(str(place))}
        if (owner := asked.parameters.get("owner")) is not None:
            if (key := uuid_or_none(owner)) is None:
                raise refused("invalid", "owner", "Not an id.")
            values["owner"] = key
        return tokens(of_one_owner="owner" in values, descending=asked.backwards), values

    def post(self, request: Request) -> HttpResponse:
        """Make a token: 201 with Location, and this once its secret."""
        values = NEW.run_validation(dict(request.data))
        if not values.get("name", "").strip():
            raise Problem("invalid", errors=[Fault("/name", "required", "A token needs a name.")])
        by = actor_of(request)
        try:
            made = create_token(
                owner_id=values.get("user_id", by.id),
                name=values["name"],
                scopes=values["scopes"],
                expires_at=values.get("expires_at"),
                by=by,
            )
        except UserNotFound:
            raise Problem("invalid", errors=[Fault("/owner", "not_found", "Nobody has this id.")]) from None
        return _made(*made)

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the token without its secret, which cannot be had again."""
        return _new(self.again(kept), kept.subject_id, None)


class TokenView(DocumentView):
    """One token."""

    scopes = {"GET": READ, "DELETE": WRITE}
    read = folded(TOKEN)

    def get(self, request: Request, id: str) -> HttpResponse:
        """Return the document. Its last use is no change of it, so there is no ETag."""
        if self.document is None:
            raise Problem("not_found")
        return HttpResponse(self.document, content_type=JSON)

    def delete(self, request: Request, id: str) -> HttpResponse:
        """End a token from the next request on."""
        key = uuid_or_404(id)
        refuse_body(request)
        revoke_token(key, by=actor_of(request))
        return HttpResponse(status=204)


class TokenRotation(LeanView):
    """A token's successor."""

    scopes = {"POST": WRITE}
    success, shows = {"POST": 201}, TOKEN

    def post(self, request: Request, id: str) -> HttpResponse:
        """Make it: 201 as for a new token. `overlap`: seconds that the old one works on, 24 hours unless said."""
        key = uuid_or_404(id)
        seconds = ROTATION.run_validation(body_or_nothing(request)).get("overlap", OVERLAP.total_seconds())
        return _made(*rotate_token(key, by=actor_of(request), overlap=timedelta(seconds=seconds)))

    def repeat(self, request: Request, kept: Kept) -> HttpResponse:
        """Return the token without its secret, which cannot be had again."""
        return _new(self.again(kept), kept.subject_id, None)


def _made(token: ApiToken, secret: str) -> HttpResponse:
    return _new(TOKEN.one(id=token.id) or b"{}", token.id, secret)


def _new(document: bytes, key: UUID, secret: str | None) -> HttpResponse:
    body = document[:-1] + f', "secret": {json.dumps(secret)}}}'.encode()
    return HttpResponse(body, content_type=JSON, status=201, headers={"Location": f"/api/v1/tokens/{key}"})
