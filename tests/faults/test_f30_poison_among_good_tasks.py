"""F30: tasks that raise, kill their process or run for ever, among good ones: a real worker, started as it ends."""

from collections import Counter

import httpx
import pytest

from tests.support.crew import TASKS, Crew

GOOD = 300


@pytest.fixture
def crew(tmp_path, django_db_setup, django_db_blocker):
    """A database of tasks; the test starts the worker."""
    made = Crew(tmp_path, django_db_blocker, "database://")
    yield made
    made.close()


def kept_alive(crew) -> None:
    """Do as a supervisor does."""
    if crew.worker is None or crew.worker.poll() is not None:
        crew.start()


def dead_by_metrics(crew) -> Counter[str]:
    """Return how many tasks of each name were given up, as a scrape tells."""
    crew.installation.start_web()
    text = httpx.get(f"{crew.installation.url}/metrics", headers=crew.installation.http.headers).text
    lines = [line for line in text.splitlines() if line.startswith("jobs_dead_total{")]
    return Counter({line.split('"')[1].rpartition(".")[2]: int(float(line.split()[-1])) for line in lines})


def over(crew) -> bool:
    """Tell whether all are done or dead; the times of pauses and of a dead worker's leases come at once.

    But one that runs for ever has its whole lease, by the clock.
    """
    from populace.infra.tasks.models import TaskRow

    kept_alive(crew)
    names = [f"{TASKS}.{name}" for name in ("fails", "aborts", "note")]
    crew.age(name__in=names, attempts__gt=0, state=TaskRow.OPEN)
    with crew.rows() as rows:
        return not rows.exclude(state__in=TaskRow.OVER).exists()


@pytest.mark.timeout(300)
def test_f30_poison_is_given_up_with_its_reason_and_good_tasks_get_done(crew, incident):
    """Guards: populace/infra/tasks/limits.py:watch, queue.py:_due (a retry comes alone), run.py:fail."""
    from populace.infra.tasks.models import TaskRow

    incident.injected, incident.rounds = "tasks that raise, abort and never end, among good ones", GOOD
    poison = {name: crew.put(name, *args, attempts=3) for name, args in [("fails", ["x"]), ("aborts", [])]}
    good = [crew.put("note", f"good{number}") for number in range(GOOD)]
    crew.until(lambda: over(crew), "all of them are done or dead", 100)
    poison["runs_for_ever"] = crew.put("runs_for_ever", attempts=4)
    crew.until(lambda: crew.row(poison["runs_for_ever"]).attempts == 5, "it runs")
    good += [crew.put("note", f"good{number}", lane=lane) for number, lane in enumerate(("mail", "default"), GOOD)]
    crew.until(lambda: crew.is_done(good[-2]), "another lane goes on", 10)
    crew.until(lambda: over(crew), "all of them are done or dead", 100)
    rows = {name: crew.row(id) for name, id in poison.items()}
    assert {row.state for row in rows.values()} == {TaskRow.DEAD}
    assert {name: (row.attempts, row.error.partition("\n")[0]) for name, row in rows.items()} == {
        "fails": (5, "builtins.ValueError"),
        "aborts": (6, "populace.infra.tasks.run.Abandoned"),
        "runs_for_ever": (5, "populace.infra.tasks.current.TooLong"),
    }
    assert all(crew.is_done(id) for id in good)
    assert set(crew.effects()) >= {f"good{number}" for number in range(GOOD + 2)}
    assert dead_by_metrics(crew) == Counter(list(poison))
    incident.note = "each a dead letter with its reason; every good one done; jobs_dead_total"
