"""A headless browser of the machine, and a Populace for it to visit."""

import shutil

import pytest

from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.supervised import Supervised, empty_database
from tests.support.visitor import LOOKS, Visitor

OPTIONS = (
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium():
    """A headless browser of the machine."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def populace(tmp_path_factory):
    """A running Populace with 120 demo people."""
    if Session.missing:
        missing(Session.missing)
    folder = tmp_path_factory.mktemp("populace")
    supervised = Supervised(folder, database=empty_database(folder, folder.name), demo=120)
    supervised.start()
    yield supervised
    supervised.stop()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def visitor(chromium, populace):
    """Return `visitor(look) -> Visitor`; nothing forbidden may have happened in any."""
    made = []

    def make(look="light"):
        made.append(Visitor(chromium, populace, *LOOKS[look]))
        return made[-1]

    yield make
    for window in made:
        window.context.close()
    assert [fault for window in made for fault in window.faults] == []
