"""The way of a GET by id: short enough to be read in one sitting, and to stay fast."""

import sys
from pathlib import Path

import pytest

import populace
from populace.infra.db.pool import give_back

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(populace.__file__).parent
TAKE = {
    "postgresql": ("infra/db/postgresql/base.py", "infra/db/pool.py", "infra/db/wire.py"),
    "mariadb": ("infra/db/mariadb/base.py", "infra/db/pool.py"),
    "sqlite": ("infra/db/pool.py",),
}
"""Files that have a connection, or give it back."""


def test_a_get_runs_code_of_eight_of_our_files(client_of, token, make_user, engine):
    """Five of the request itself; three take a connection to PostgreSQL from the pool and give it back."""
    reader, path = client_of(token("users:read")), f"/api/v1/users/{make_user()['id']}"
    assert reader.get(path).status_code == 200  # the first one compiles
    give_back()
    seen = set()

    def look(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            seen.add(str(Path(frame.f_code.co_filename).relative_to(ROOT)))

    sys.setprofile(look)
    try:
        reader.get(path)
        give_back()  # as config/wsgi.py has Django do at the end of a request
    finally:
        sys.setprofile(None)
    assert seen <= {
        "api/middleware.py",
        "api/views.py",
        "api/authentication.py",
        "credentials/tokens.py",
        "infra/db/compiled.py",
        *TAKE[engine],
    }
