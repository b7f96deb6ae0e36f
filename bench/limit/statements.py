"""The two statements of the floor: the shortest SQL that does what Populace does per request."""

# The token, its owner active: no row when either fails, so the document is not read.
PRINCIPAL = """(SELECT t.user_id FROM credentials_apitoken t JOIN users_user o ON o.id = t.user_id
  WHERE t.digest = $1::text AND t.expires_at > now() AND t.revoked_at > now() AND o.is_active)"""

GROUPS = """(SELECT coalesce(json_agg(json_build_object('id', g.id, 'name', g.name) ORDER BY g.id), '[]')
  FROM groups_membership m JOIN groups_group g ON g.id = m.group_id WHERE m.user_id = $2::uuid)"""


def time(column: str) -> str:
    return f"""to_char(u.{column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def document(groups: str) -> str:
    """Return the contract's user as one JSON expression over `u`; never signed in (the year 1000) is null."""
    return f"""json_build_object(
  'id', u.id, 'kind', u.kind, 'username', u.username, 'email', u.email, 'email_verified', u.email_verified,
  'external_id', u.external_id, 'first_name', u.first_name, 'last_name', u.last_name, 'phone', u.phone,
  'locale', u.locale, 'timezone', u.timezone, 'is_active', u.is_active, 'attributes', u.attributes,
  'groups', {groups}, 'date_joined', {time("date_joined")}, 'updated_at', {time("updated_at")},
  'last_login', CASE WHEN u.last_sign_in_at > '1000-01-01Z' THEN {time("last_sign_in_at")} END,
  'version', u.version)"""


READ = f"SELECT {document(GROUPS)} FROM {PRINCIPAL} p, users_user u WHERE u.id = $2::uuid"

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
