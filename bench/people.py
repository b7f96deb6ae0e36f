"""The benches' people: the same names, addresses, dates and groups on every side, made in the database from a number.

Each entry is an SQL expression over `n`, the person's number from 1. All are deterministic, so that two databases
hold the same people, and need no extension.
"""

import unicodedata

# Shown name and its letters in a user name; not all of the world is ASCII.
FIRST = {
    "Anna": "anna", "Ben": "ben", "Chiara": "chiara", "Daniel": "daniel", "Elif": "elif", "Fatima": "fatima",
    "Grace": "grace", "Hugo": "hugo", "Ines": "ines", "José": "jose", "Katarzyna": "katarzyna", "Łukasz": "lukasz",
    "Mei": "mei", "Noah": "noah", "Olga": "olga", "Priya": "priya", "Quentin": "quentin", "Ravi": "ravi",
    "Sofía": "sofia", "Thị": "thi", "Umar": "umar", "Vera": "vera", "William": "william", "Xin": "xin",
    "Yuki": "yuki", "Zoë": "zoe", "Александр": "aleksandr", "さくら": "sakura", "Ömer": "omer",
}  # fmt: skip
LAST = {
    "Andersson": "andersson", "Brown": "brown", "Chen": "chen", "Dubois": "dubois", "Eriksen": "eriksen",
    "Fernández": "fernandez", "García": "garcia", "Hansen": "hansen", "Ito": "ito", "Jansen": "jansen",
    "Kowalski": "kowalski", "Lê": "le", "Müller": "muller", "Nguyễn": "nguyen", "Okafor": "okafor",
    "Patel": "patel", "Quispe": "quispe", "Rossi": "rossi", "Smith": "smith", "Tanaka": "tanaka",
    "Uzun": "uzun", "Van den Berg": "vandenberg", "Wang": "wang", "Xu": "xu", "Yılmaz": "yilmaz",  # noqa: RUF001
    "Zhang": "zhang", "Иванова": "ivanova", "O'Neill": "oneill", "Løkke": "lokke", "Silva": "silva",
    "Kim": "kim",
}  # fmt: skip
DOMAINS = ["example.com", "example.org", "mail.example.net", "staff.example.edu"]
GROUPS = 50
GROUPS_EACH = 2


def normal(name: str) -> str:
    """Return the form that names are ordered by."""
    return unicodedata.normalize("NFKC", name.casefold())


def pick(values: list[str], every: int = 1) -> str:
    """Return the expression that takes person n one step through `values` every `every` numbers."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"(ARRAY[{quoted}]::text[])[1 + (n / {every}) % {len(values)}]"


YESTERDAY = "date_trunc('day', now()) - interval '1 day'"


def joined(rows: int, until: str = YESTERDAY) -> str:
    """Return when person n joined: `rows` people spread evenly over five years, the newest at `until`."""
    return f"({until} - ({rows} - n) * interval '{5 * 365 * 86400 / rows:.6f} s')"


# The number itself makes user names unique.
USERNAME = f"({pick(list(FIRST.values()))} || '.' || {pick(list(LAST.values()), len(FIRST))} || n)"
DOMAIN = pick(DOMAINS, 3)
EMAIL = f"({USERNAME} || '@' || {DOMAIN})"
FIRST_NAME = pick(list(FIRST))
FIRST_NAME_NORMAL = pick([normal(name) for name in FIRST])
LAST_NAME = pick(list(LAST), len(FIRST))
LAST_NAME_NORMAL = pick([normal(name) for name in LAST], len(FIRST))

# Two different groups for each person; k is 0 or 1.
GROUP_OF = f"(1 + (n + k * (7 + n / {GROUPS} % 40)) % {GROUPS})"
GROUP_NAME = "('Team ' || lpad(g::text, 2, '0'))"


def uuid7(at: str, salt: str) -> str:
    """Return a UUIDv7 of the time `at` whose other bits come from the text `salt`."""
    milliseconds = f"lpad(to_hex(floor(date_part('epoch', {at}) * 1000)::bigint), 12, '0')"
    # Version 7 is the 13th digit, the variant the 17th.
    versioned = f"overlay(overlay(md5({salt}) placing '7' from 13) placing 'a' from 17)"
    return f"overlay({versioned} placing {milliseconds} from 1)::uuid"


def group_id(number: str) -> str:
    """Return the id of group `number`, an expression."""
    return uuid7("timestamptz '2026-01-01'", f"'group' || {number}")
