"""Every problem that this server tells of: its code, what it means and what to do about it.

`/problems/CODE` shows it, the schema of the API lists it, docs/reference/errors.md is made of it.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """What a code means: the status it goes with, its title, and the two texts of its page."""

    status: int
    title: str
    page: str
    remedy: str


KINDS = {
    "malformed": Kind(
        400,
        "Malformed request",
        "The request could not be read. Nothing was done.",
        "Send one JSON object in UTF-8 (RFC 8259, RFC 7493): no NaN, no number beyond 64 bits, no U+0000, at most 64 "
        "levels. Headers and the query have to be well-formed, too; `detail` says what is not.",
    ),
    "duplicate_key": Kind(
        400,
        "Duplicate key",
        "An object in the body names a key twice, so what was meant is open.",
        "Name each key once in an object.",
    ),
    "invalid": Kind(
        400,
        "Invalid values",
        "`errors` lists each value that was refused: where it stands and why.",
        "Mend what each `pointer` names (RFC 6901, into the body; of a query it is the parameter) and send it again.",
    ),
    "unknown_parameter": Kind(
        400,
        "Unknown parameter",
        "The query names a parameter, an order or a field that this path does not know.",
        "Leave it out, or take the name that `detail` gives as the nearest. Nothing in a query is ever ignored.",
    ),
    "too_many": Kind(400, "Too many", "More values than this path takes at once.", "Send them in several calls."),
    "invalid_cursor": Kind(
        400,
        "Invalid cursor",
        "Follow `next` and `previous` as they come: a cursor is good for one caller and one list.",
        "Begin at the first page again, without `cursor`. Other filters or another order are another list.",
    ),
    "order_not_served": Kind(
        400,
        "Order not served",
        "No index serves these filters in this order. `detail` names the orders that are served.",
        "Take one of those orders, or fewer filters, and filter the rest yourself.",
    ),
    "not_indexed": Kind(
        400,
        "Not indexed",
        "People are not listed by this attribute: nothing would find them quickly.",
        "Have an administrator mark the attribute `indexed` in the attribute schema. If it was marked just now, wait "
        "until its index is built.",
    ),
    "invalid_host": Kind(
        400,
        "Unknown host",
        "The Host header is not the public URL's. See POPULACE_PUBLIC_URL.",
        "Ask by the public URL; a proxy in front has to pass the Host header on.",
    ),
    "unauthenticated": Kind(
        401,
        "Not authenticated",
        "A valid token is needed: `Authorization: Bearer pop_…`.",
        "Look whether the token is whole, has expired or was revoked, and whether its owner is active. New ones: "
        "`populace token create` or `POST /api/v1/tokens`.",
    ),
    "forbidden": Kind(
        403,
        "Forbidden",
        "The caller's roles do not permit this, or the other person holds a right that they lack.",
        "Have somebody with the right do it, or give the token's owner a role that permits it.",
    ),
    "scope": Kind(
        403,
        "Scope missing",
        "The caller's roles permit this, but the token lacks the scope for it.",
        "Make a token with the scope that `detail` names. A token makes no other that may do more than itself.",
    ),
    "not_found": Kind(
        404,
        "Not found",
        "Nothing is here (any more).",
        "Look at the path and the id. Who was erased is gone for good.",
    ),
    "method_not_allowed": Kind(
        405, "Method not allowed", "`Allow` lists the methods of this path.", "Use one of those methods."
    ),
    "email_taken": Kind(
        409,
        "E-mail taken",
        "Somebody else has this e-mail address.",
        "Find them with `POST /api/v1/users/lookup`, or choose another address. Case makes no difference.",
    ),
    "username_taken": Kind(
        409,
        "User name taken",
        "Somebody else has this user name.",
        "Choose another one. Case and width of letters make no difference.",
    ),
    "phone_taken": Kind(
        409,
        "Phone number taken",
        "Somebody else has this phone number.",
        "Find them with `POST /api/v1/users/lookup`, or choose another number.",
    ),
    "external_id_taken": Kind(
        409,
        "External id taken",
        "Somebody else has this external id.",
        "The other system's person is here already: find them with `GET /api/v1/users?external_id=…` and change them.",
    ),
    "confusable": Kind(
        409,
        "Look-alike user name",
        "The user name looks like somebody else's: choose another one.",
        "Letters that look alike, such as the Latin and the Cyrillic o, do not tell two names apart.",
    ),
    "identifier_taken": Kind(
        409,
        "Identifier taken",
        "Somebody else has, or had a moment ago, one of the identifiers.",
        "Send it again: it then works, or tells which one it is.",
    ),
    "name_taken": Kind(409, "Name taken", "Another group has this name.", "Choose another name, or use that group."),
    "cycle": Kind(
        409,
        "Cycle",
        "A group cannot be above itself.",
        "Take the group out of the parents of the one that you want above it.",
    ),
    "last_owner": Kind(
        409,
        "Last owner",
        "Somebody active must hold the role owner: give it to another person first.",
        '`POST /api/v1/users/{id}/roles` with `{"add": ["owner"]}`, or `populace user grant`.',
    ),
    "not_confirmed": Kind(
        409,
        "Not confirmed",
        "More than 1,000 people are concerned, and the call does not say how many. `detail` does.",
        "Look at what would be done with `preview: true`; then send the call with `confirm`, the number of people or "
        "the preview's token, which is good for 15 minutes.",
    ),
    "not_undoable": Kind(
        409,
        "Not undoable",
        "The job has not ended yet, or what it did cannot be taken back. `detail` says which.",
        "Cancel it first, or wait. Whoever was erased is gone for good.",
    ),
    "quota": Kind(
        409,
        "Quota reached",
        "There are as many of these as one person may have. Nothing was done.",
        "Of jobs, wait until one is over, or cancel one. Of the rest, remove those that are not needed any more. Of "
        "tokens, 1,000 of one owner, those that ended in the last seven days count, too: rotate less often, or let "
        "another service account have its own.",
    ),
    "idempotency_in_flight": Kind(
        409,
        "Still at work",
        "The first call with this Idempotency-Key has not ended yet. Send the same again later.",
        "Wait for `Retry-After` seconds.",
    ),
    "precondition_failed": Kind(
        412,
        "Changed meanwhile",
        "The version named by If-Match is not the present one.",
        "Read it anew, apply your change to what it is now, and send the new `ETag`.",
    ),
    "too_large": Kind(
        413, "Body too large", "The body is larger than this path takes.", "Send at most 1 MiB, in several calls."
    ),
    "unsupported_media_type": Kind(
        415,
        "Unsupported media type",
        "Send JSON in UTF-8, without Content-Encoding.",
        "`Content-Type: application/json`, or `application/merge-patch+json` for a PATCH.",
    ),
    "idempotency_mismatch": Kind(
        422,
        "Key used before",
        "The Idempotency-Key came with another call in the last 24 hours. Choose a new one.",
        "Make a new random key for every new call, and keep it only for sending that very call again.",
    ),
    "rate_limited": Kind(
        429,
        "Too many requests",
        "Try again after `Retry-After` seconds.",
        "Nothing was done. `RateLimit` tells beforehand how many calls are left.",
    ),
    "internal": Kind(
        500,
        "Internal error",
        "Our fault. The log tells more under the request id in `instance`.",
        "Whether a change was made is not known: read before repeating, or repeat it with the same Idempotency-Key. "
        "Report it together with the lines of the log.",
    ),
    "overloaded": Kind(
        503,
        "Overloaded",
        "Try again after `Retry-After` seconds; nothing was done.",
        "If it stays so, the machine is too small: see POPULACE_HASH_WAITING and `populace doctor`. Exact counts take "
        "turns: `count=capped` needs none.",
    ),
    "db_lock_timeout": Kind(
        503,
        "Held by somebody else",
        "Somebody else holds what this call needs for longer than it may wait. Nothing was done.",
        "Try again after `Retry-After` seconds. If it stays so, operators find who holds it in `pg_stat_activity` and "
        "`pg_blocking_pids()`; on SQLite it is whoever writes for seconds, an import for example.",
    ),
    "query_timeout": Kind(
        503,
        "Took too long",
        "The database was given a few seconds for this and did not finish. Nothing was done.",
        "Ask for less: a narrower filter, a smaller page, `count=capped` in place of `count=exact`. Where `errors` "
        "names a parameter, that is what took so long.",
    ),
    "storage_full": Kind(
        503,
        "Storage full",
        "The database has no room left to write. Nothing was done; reads go on.",
        "Operators free space or add some; then send it again.",
    ),
    "storage_unavailable": Kind(
        503,
        "Files out of reach",
        "The folder or bucket that keeps files of jobs cannot be written or read now. Nothing was done.",
        "Try again after `Retry-After` seconds. Operators: `populace doctor` tells what FILES_URL answers.",
    ),
    "db_pool_exhausted": Kind(
        503,
        "No connection free",
        "Every connection to the database stayed taken; nothing was done.",
        "Try again after `Retry-After` seconds. If it stays so, look at `db_pool_wait_seconds`, at what else holds the "
        "server's connections, and at `pool_max` in DATABASE_URL; `populace doctor` adds up what is needed.",
    ),
    "unavailable": Kind(
        503,
        "Database unavailable",
        "Whether a change was made is not known: read before repeating.",
        "Repeat it with the same Idempotency-Key, and it takes effect once. `/readyz` tells operators what is missing.",
    ),
}
