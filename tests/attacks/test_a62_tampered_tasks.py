"""A62: somebody who can write to the table of tasks has none of ours do what it was not made for."""

import sys
from uuid import UUID

import pytest
from django.db import connection
from django.tasks import task
from django.utils import timezone

from populace.credentials.tasks import wrap_digests
from populace.infra.tasks.models import TaskRow
from populace.infra.tasks.queue import LANES, Lost, claim
from populace.infra.tasks.registry import WHEN_DEAD
from populace.infra.tasks.run import run
from populace.infra.tasks.transit import take
from populace.infra.telemetry import metrics
from populace.users.tasks import index_attributes, welcome

pytestmark = pytest.mark.django_db
ran: list[object] = []
ME = __name__


@task
def takes(
    text: str, number: int = 0, *, flags: list[bool] | None = None, parts: dict[str, float] | None = None
) -> None:
    ran.append(text)


@task(takes_context=True)
def takes_context(context, text: str) -> None:
    ran.append(text)


@task
def free(anything=None):
    ran.append(anything)


def not_a_task():
    ran.append("not a task")


other_name = takes


@pytest.fixture(autouse=True)
def _nothing_ran_yet():
    ran.clear()


def outcome(name, args=(), kwargs=None, whole=None):
    """Run a row as an attacker wrote it; returns its state, tries and error."""
    now = timezone.now()
    given = {"args": list(args), "kwargs": kwargs or {}} if whole is None else whole
    TaskRow.objects.create(name=name, args=given, due_at=now, enqueued_at=now)
    [row] = claim(LANES["default"])
    run(row)
    row.refresh_from_db()
    return row.state, row.attempts, row.error


REJECTED = (TaskRow.DEAD, 1)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "no.such.module",
        "",
        "antigravity.fly",
        "populace.users.actions.delete_user",
        f"{ME}.not_a_task",
        f"{ME}.other_name",
        f"{ME}.takes.func",
    ],
)
def test_a62_a_row_can_only_name_a_task_that_was_loaded_at_the_start(name):
    """Guard: populace/infra/tasks/registry.py:registered."""
    loaded = set(sys.modules)
    assert outcome(name, ["id"]) == (*REJECTED, f"task.rejected\n{name}")
    assert (ran, set(sys.modules) - loaded) == ([], set())


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([], {}),
        (["a", 1, 2], {}),
        (["a"], {"nobody": 1}),
        ([1], {}),
        ([None], {}),
        (["a", "1"], {}),
        (["a", True], {}),
        (["a", 1.5], {}),
        (["a"], {"flags": [1]}),
        (["a"], {"flags": {"0": True}}),
        (["a"], {"parts": {"a": "1"}}),
        ([{"__reduce__": ["os.system", "id"]}], {}),
        (["a"], {"text": "b"}),
    ],
)
def test_a62_arguments_that_the_function_does_not_take_are_no_arguments(args, kwargs):
    """Guard: populace/infra/tasks/arguments.py:check."""
    state, tries, error = outcome(takes.module_path, args, kwargs)
    assert (state, tries, ran) == (*REJECTED, [])
    assert error.startswith(f"task.rejected\n{takes.module_path}: ")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (["a"], {}),
        (["a", 1], {}),
        ([], {"text": "a", "flags": [True], "parts": {"a": 1, "b": 1.5}}),
        (["a"], {"flags": None}),
    ],
)
def test_what_the_function_takes_is_let_through(args, kwargs):
    assert outcome(takes.module_path, args, kwargs)[0] == TaskRow.DONE
    assert ran == ["a"]


def test_the_context_is_ours_to_give_and_arguments_without_a_hint_are_free():
    assert outcome(takes_context.module_path, ["a"])[0] == TaskRow.DONE
    assert outcome(takes_context.module_path, [1])[0] == TaskRow.DEAD
    assert outcome(free.module_path, [{"any": ["thing"]}])[0] == TaskRow.DONE
    assert ran == ["a", {"any": ["thing"]}]


@pytest.mark.parametrize(
    "whole", [[], ["no", "object"], {"args": []}, {"args": {}, "kwargs": {}}, {"args": [], "kwargs": []}, "", 1]
)
def test_a62_what_is_no_call_is_rejected_without_another_try(whole):
    """Guard: populace/infra/tasks/arguments.py:_is_call."""
    state, tries, error = outcome(free.module_path, whole=whole)
    assert (state, tries, ran) == (*REJECTED, [])
    assert error.startswith("task.rejected\n")


@pytest.mark.parametrize("column", ["args", "result"])
def test_a62_json_that_python_will_not_read_keeps_nobody_from_reading_the_others(column):
    """Guard: populace/infra/tasks/models.py:Readable."""
    bad = free.enqueue()
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE {TaskRow._meta.db_table} SET {column} = \'{{"args": [{"1" * 5000}], "kwargs": {{}}}}\'')
    good = takes.enqueue("a")
    for row in claim(LANES["default"]):
        run(row)
    assert TaskRow.objects.get(id=good.id).state == TaskRow.DONE
    assert TaskRow.objects.get(id=bad.id).state == (TaskRow.DEAD if column == "args" else TaskRow.DONE)


@pytest.mark.parametrize("numbers", [{"attempts": 2**15 - 1}, {"fence": 2**63 - 1}])
def test_a62_a_number_that_cannot_grow_keeps_nobody_from_claiming_the_others(numbers):
    """Guard: populace/infra/tasks/queue.py:one_more."""
    bad = free.enqueue()
    TaskRow.objects.update(**numbers)
    run(claim(LANES["default"])[0])
    assert TaskRow.objects.get(id=bad.id).state == (TaskRow.DEAD if "attempts" in numbers else TaskRow.DONE)
    sent = free.enqueue()
    TaskRow.objects.filter(id=sent.id).update(state=TaskRow.SENT, **numbers)
    assert take(UUID(sent.id)) is not None


def test_a62_ten_mebibytes_of_arguments_are_too_many():
    """Guard: populace/infra/tasks/arguments.py:check (BYTES)."""
    state, tries, error = outcome(free.module_path, ["x" * (10 << 20)])
    assert (state, tries, ran) == (*REJECTED, [])
    assert len(error) < 200
    with pytest.raises(TypeError):
        free.enqueue("x" * (10 << 20))


def test_a62_a_pickle_is_text_like_any_other():
    assert outcome(takes.module_path, ["gASVHQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAJpZJSFlFKULg=="])[0] == TaskRow.DONE
    assert len(ran) == 1


def test_a62_a_rejected_row_is_counted_and_nobody_is_told_of_it_with_its_arguments(monkeypatch):
    """Guard: populace/infra/tasks/run.py:_reject."""
    monkeypatch.setitem(WHEN_DEAD, takes.module_path, lambda *told: ran.append(told))
    counters = [metrics.TASKS_DEAD.labels(task=label) for label in (takes.module_path, "rejected")]
    before = [counter._value.get() for counter in counters]
    outcome(takes.module_path, [1])
    outcome("os.system", ["id"])
    assert ([counter._value.get() for counter in counters], ran) == ([number + 1 for number in before], [])


def test_a62_a_finished_task_that_is_played_again_has_no_second_effect():
    """Guard: populace/infra/tasks/queue.py:mark (the state and the fencing number)."""
    takes.enqueue("a")
    [row] = claim(LANES["default"])
    run(row)
    with pytest.raises(Lost):
        run(row)
    assert TaskRow.objects.get().state == TaskRow.DONE
    assert claim(LANES["default"]) == []


def test_a62_another_persons_id_reaches_nobody_who_should_not_be_reached(make_user, mailoutbox):
    """Rights and state are read when the task runs: the id of somebody inactive, or of nobody, has no effect."""
    inactive = make_user(is_active=False)
    event = "01a226c5-6892-7000-b282-aa06310175d0"
    for subject in (inactive["id"], event):
        assert outcome(welcome.module_path, [event, subject])[0] == TaskRow.DONE
    assert mailoutbox == []


@pytest.mark.parametrize("name", [welcome.module_path, index_attributes.module_path, wrap_digests.module_path])
def test_a62_every_shipped_task_says_what_it_takes(name):
    assert outcome(name, [1, 2, 3, 4, 5])[2].startswith("task.rejected")
    assert outcome(name, [1])[2].startswith("task.rejected")
