"""Tasks that were given up, in the console."""

import pytest
from django.utils.timezone import now

from populace.audit.models import Event
from populace.infra.db.ids import new_id
from populace.infra.tasks.models import TaskRow

pytestmark = pytest.mark.django_db

PAGE = "/console/dead-letters/"


@pytest.fixture
def dead(db):
    """Two dead letters and a task that is done."""
    states = (TaskRow.DEAD, TaskRow.DEAD, TaskRow.DONE)
    rows = [
        TaskRow(
            id=new_id(),
            name=f"tests.task{n}",
            state=state,
            due_at=now(),
            enqueued_at=now(),
            finished_at=now(),
            attempts=5,
            error="builtins.ValueError\n  frame\n<b>no such</b>",
        )
        for n, state in enumerate(states)
    ]
    return TaskRow.objects.bulk_create(rows)


def test_they_are_listed_with_why(browser_of, dead):
    text = browser_of().get(PAGE).text
    assert ["tests.task0" in text, "tests.task1" in text, "tests.task2" in text] == [True, True, False]
    assert "builtins.ValueError" in text
    assert "&lt;b&gt;no such" in text


def test_one_is_tried_again_and_one_dropped(browser_of, dead):
    """Guard: populace/console/dead_letters.py:dead_verb."""
    browser = browser_of()
    assert browser.get(f"{PAGE}{dead[0].id}/retry/").status_code == 405
    browser.post(f"{PAGE}{dead[0].id}/retry/")
    browser.post(f"{PAGE}{dead[1].id}/drop/")
    assert TaskRow.objects.get(pk=dead[0].pk).state == TaskRow.OPEN
    assert not TaskRow.objects.filter(pk=dead[1].pk).exists()
    assert set(Event.objects.filter(subject_kind="task").values_list("action", flat=True)) == {
        "task.retried",
        "task.dropped",
    }
    again = browser.post(f"{PAGE}{dead[1].id}/drop/", follow=True)
    assert "Somebody else was faster" in again.text
    assert browser.post(f"{PAGE}{dead[2].id}/explode/").status_code == 404


def test_only_who_may_do_all_sees_and_touches_them(browser_of, dead):
    """Guards: populace/console/dead_letters.py:dead_page, dead_verb (ADMIN)."""
    manager = browser_of("manager")
    assert manager.get(PAGE).status_code == manager.post(f"{PAGE}{dead[0].id}/drop/").status_code == 403
    assert TaskRow.objects.count() == 3
    assert PAGE not in manager.get("/console/jobs/").text
