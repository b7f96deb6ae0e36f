"""The formats an import reads, one module each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from populace.bulk.formats import (
    auth0,
    clerk,
    cognito,
    csv,
    django_dump,
    firebase,
    jsonl,
    keycloak,
    kratos,
    okta,
    xlsx,
)
from populace.bulk.rows import Options, Row

type Mapped = Mapping[str, str | None]
"""Which field of ours a column or member of the file fills; None for what has no place here and stays behind."""


class Format(NamedTuple):
    """A format: what its module gives."""

    rows: Callable[[Path, Options], Iterator[Row]]  # raises FileRefused, OptionRefused
    members: Mapped = {}  # of its JSON
    columns: Callable[[Sequence[str]], Mapped] | None = None  # of its CSV, by the first record; raises FileRefused
    knows: Callable[[Sequence[str]], bool] = lambda first: False  # whether that is the first record of its CSV
    skips: bool = False  # the rows that are BEHIND


FORMATS = {
    "csv": Format(csv.rows, {}, csv.mapping, skips=True),
    "xlsx": Format(xlsx.rows, {}, csv.mapping),
    "jsonl": Format(jsonl.rows, jsonl.MAPPING),
    "auth0": Format(auth0.rows, auth0.MAPPING, auth0.columns, auth0.knows),
    "clerk": Format(clerk.rows, {}, clerk.columns, clerk.knows),
    "cognito": Format(cognito.rows, cognito.MAPPING, cognito.columns, cognito.knows),
    "django": Format(django_dump.rows, django_dump.MAPPING),
    "firebase": Format(firebase.rows, firebase.MAPPING, firebase.columns, firebase.knows),
    "keycloak": Format(keycloak.rows, keycloak.MAPPING),
    "kratos": Format(kratos.rows, kratos.MAPPING),
    "okta": Format(okta.rows, okta.MAPPING),
}
