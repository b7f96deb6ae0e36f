"""A50, the part about rows: one bad row far down, the same file twice, two imports at once."""

import threading

import pytest
from django.db import connections

from populace.audit.actors import SYSTEM
from populace.audit.models import Event
from populace.bulk.imports import import_file
from populace.infra.storage import storage
from populace.users.models import Identifier, User

pytestmark = pytest.mark.django_db(transaction=True)

ROWS, BAD = 1_500, 751  # the middle one, as 500,001 of 1,000,000


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(storage(), "root", tmp_path / "files")
    path = tmp_path / "people.csv"
    names = (f"person{n},{'nobody' if n == BAD else f'person{n}@example.org'}\n" for n in range(1, ROWS + 1))
    path.write_text("username,email\n" + "".join(names))
    return path


def test_a50_one_bad_row_in_the_middle_by_either_mode(file):
    """Guards: populace/bulk/import_job.py:_Import._begin_writing (bad_rows), _told_before (told once)."""
    none = import_file(file, by=SYSTEM, rows="all")
    assert (none.job.state, [row for row, *_ in none.errors], User.objects.count()) == ("failed", [BAD], 0)
    good = import_file(file, by=SYSTEM)
    assert (good.job.state, good.done, [row for row, *_ in good.errors]) == ("succeeded", ROWS - 1, [BAD])
    assert User.objects.count() == Event.objects.filter(action="user.created").count() == ROWS - 1
    assert good.errors_file.read_text().splitlines()[1].startswith(f"{BAD},invalid,")


def test_a50_the_same_file_twice_makes_nobody_twice(file):
    """Guard: populace/bulk/importer.py:Importer._target."""
    import_file(file, by=SYSTEM)
    again = import_file(file, by=SYSTEM)
    assert (again.done, again.skipped, again.failed) == (0, ROWS - 1, 1)
    strict = import_file(file, by=SYSTEM, on_conflict="fail")
    assert (strict.done, strict.failed) == (0, ROWS)
    assert len(strict.errors_file.read_text().splitlines()) == ROWS + 1
    assert User.objects.count() == ROWS - 1


def test_a50_two_overlapping_imports_make_everybody_once(file, tmp_path):
    """Guards: populace/bulk/importer.py:Importer._again, populace/bulk/import_job.py:_Import._patiently."""
    other = tmp_path / "other.csv"
    lines = file.read_text().splitlines(keepends=True)
    other.write_text(lines[0] + "".join(reversed(lines[1:])))
    results, together = [], threading.Barrier(2)

    def work(path):
        try:
            together.wait()
            results.append(import_file(path, by=SYSTEM))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[path]) for path in (file, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.job.state for result in results] == ["succeeded", "succeeded"]
    assert sum(result.done for result in results) == ROWS - 1
    assert sum(result.skipped for result in results) == ROWS - 1
    assert User.objects.count() == ROWS - 1
    assert Identifier.objects.count() == 3 * (ROWS - 1)
