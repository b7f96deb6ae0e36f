"""A crowd of people, and limits so small that they are many."""

import pytest

from tests.support.bulk import AT


@pytest.fixture
def crowd(make_user):
    """Seven people of one domain, in the order in which they joined."""
    return [make_user(email=f"p{n}@{AT}", attributes={"n": n})["id"] for n in range(7)]


@pytest.fixture
def small(monkeypatch):
    """Chunks, steps and limits so small that seven people are many."""
    from populace.bulk import bulk_actions, confirming, walks

    for name in ("CHUNK", "CHUNK_SQLITE", "CHUNK_ERASED"):
        monkeypatch.setattr(bulk_actions, name, 3)
    monkeypatch.setattr(bulk_actions, "AT_ONCE", 4)
    monkeypatch.setattr(walks, "STEP", 2)
    monkeypatch.setattr(confirming, "UNCONFIRMED", 5)
