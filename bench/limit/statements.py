"""The three statements of the floor: the shortest SQL that does what Populace does per request."""

# The token, its owner active: no row when either fails, so the document is not read.
PRINCIPAL = """(SELECT t.user_id FROM credentials_apitoken t JOIN users_user o ON o.id = t.user_id
  WHERE t.digest = $1::text AND t.expires_at > now() AND t.revoked_at > now() AND o.is_active)"""

USERS = "/api/v1/users"


def groups(person: str) -> str:
    return f"""(SELECT coalesce(json_agg(json_build_object('id', g.id, 'name', g.name) ORDER BY g.id), '[]')
  FROM groups_membership m JOIN groups_group g ON g.id = m.group_id WHERE m.user_id = {person})"""


def time(at: str) -> str:
    return f"""to_char({at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def document(groups: str) -> str:
    """Return the contract's user as one JSON expression over `u`; never signed in (the year 1000) is null."""
    return f"""json_build_object(
  'id', u.id, 'kind', u.kind, 'username', u.username, 'email', u.email, 'email_verified', u.email_verified,
  'external_id', u.external_id, 'first_name', u.first_name, 'last_name', u.last_name, 'phone', u.phone,
  'locale', u.locale, 'timezone', u.timezone, 'is_active', u.is_active, 'attributes', u.attributes,
  'groups', {groups}, 'date_joined', {time("u.date_joined")}, 'updated_at', {time("u.updated_at")},
  'last_login', CASE WHEN u.last_sign_in_at > '1000-01-01Z' THEN {time("u.last_sign_in_at")} END,
  'version', u.version)"""


READ = f"SELECT {document(groups('$2::uuid'))} FROM {PRINCIPAL} p, users_user u WHERE u.id = $2::uuid"

FIRST = "9999-12-31T00:00:00Z", "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""The place before everybody: the first page begins behind it."""


def link(parameter: str, row: int) -> str:
    """Return the path of the page beside a row of this one; the row's place is neither signed nor bound to anybody."""
    place = [f"(array_agg(u.{column}))[{row}]" for column in ("date_joined", "id")]
    return f"""'{USERS}?{parameter}=' || {time(place[0])} || ',' || {place[1]}"""


# The 21st row only tells that there are more; its document is not made.
LIST = f"""SELECT (SELECT json_build_object(
  'results', coalesce(json_agg({document(groups("u.id"))}) FILTER (WHERE u.n <= 20), '[]'),
  'next', CASE WHEN count(*) > 20 THEN {link("cursor", 20)} END,
  'previous', CASE WHEN $2::timestamptz < '{FIRST[0]}' THEN {link("before", 1)} END)
  FROM (SELECT row_number() OVER () AS n, o.* FROM (
    SELECT * FROM users_user WHERE (date_joined, id) < ($2::timestamptz, $3::uuid)
    ORDER BY date_joined DESC, id DESC LIMIT 21) o) u) FROM {PRINCIPAL} p"""

# Every part reads the one before it, so nothing is written without a principal.
CREATE = f"""WITH p AS {PRINCIPAL}, u AS (
  INSERT INTO users_user (id, username, username_normal, email, email_normal, email_domain, first_name,
    first_name_normal, last_name, last_name_normal, kind, email_verified, external_id, phone, locale, timezone,
    is_active, attributes, date_joined, updated_at, last_sign_in_at, version, password)
  SELECT $2::uuid, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text,
    'person', false, '', '', '', '', true, '{{}}', now(), now(), '1000-01-01Z', 1, '!' FROM p RETURNING *
), i AS (
  INSERT INTO users_identifier (key, user_id, unicode_version)
  SELECT v.key, u.id, $14::text FROM u, (VALUES ($12::text), ($13::text), ('confusable:' || $4::text)) v (key)
), e AS (
  INSERT INTO audit_event (subject_id, at, id, subject_kind, action, actor, request_id, details)
  SELECT u.id, now(), $15::uuid, 'person', 'user.created', p.user_id, '', $16::jsonb FROM u, p
), o AS (
  INSERT INTO audit_outbox (event_id, subject_id, action, at, quiet)
  SELECT $15::uuid, u.id, 'user.created', now(), false FROM u
) SELECT {document("'[]'::json")} FROM u"""
