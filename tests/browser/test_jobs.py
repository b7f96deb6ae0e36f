"""Jobs, and one action on many people, in a real Chromium. Screenshots lie in the run's temporary files."""

import pytest

from tests.support.visitor import LOOKS

LOCALES = {"light": "de", "dark": "fr", "phone": "it"}  # so that there is something to change


def ask(populace, **body):
    with populace.client() as api:
        made = api.post("/bulk-actions", json=body)
        assert made.status_code == 202, made.text
        return made.json()["id"]


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_of_jobs_look_as_they_should(visitor, populace, screenshots, look):
    window = visitor(look)
    window.sign_in(populace)

    def keep(name):
        window.page.screenshot(path=screenshots / f"{name}-{look}.png", full_page=True)
        assert not window.overflows()

    job = ask(populace, action="update", filter={}, values={"locale": LOCALES[look]})
    window.page.goto(populace.url + f"/console/jobs/{job}/")
    window.page.get_by_text("Done").wait_for(timeout=60_000)  # by itself: nobody loads the page again
    keep("job")
    assert window.page.get_by_role("button", name="Undo").is_visible()
    window.go("/console/jobs/")
    keep("jobs")
    window.go("/console/bulk/")
    keep("bulk")
    window.page.get_by_label("Action").select_option("erase")
    window.page.get_by_label("E-mail domain").fill("example.com")
    window.page.get_by_role("button", name="Preview").click()
    window.page.get_by_label("Type the number").wait_for()
    window.settle()
    keep("bulk-preview")
    window.go("/console/import/")
    window.page.get_by_label("File:").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": f"username\n{look}-one\n".encode()}
    )
    keep("import")
    window.page.get_by_role("button", name="Send").click()
    window.page.wait_for_url("**/console/jobs/*/")
    window.page.get_by_role("button", name="Import it now").wait_for(timeout=60_000)
    window.settle()
    keep("import-checked")


def test_a_list_becomes_a_file(visitor, populace):
    window = visitor()
    window.sign_in(populace)
    window.page.get_by_role("button", name="Export").click()
    window.page.wait_for_url("**/console/jobs/*/")
    link = window.page.get_by_role("link", name="Download")
    link.wait_for(timeout=60_000)
    with window.page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".csv")


def test_many_are_deactivated_and_it_is_taken_back(visitor, populace, screenshots):
    """From the list to the job and back, with nothing but clicks and the number typed."""
    window = visitor()
    window.sign_in(populace)
    window.page.get_by_role("link", name="Do something with all that match").click()
    window.page.wait_for_url("**/console/bulk/*")
    window.page.get_by_label("Action").select_option("deactivate")
    window.page.get_by_role("button", name="Preview").click()
    window.page.get_by_role("button", name="Deactivate").click()
    window.page.wait_for_url("**/console/jobs/*/")
    window.page.get_by_text("Done").wait_for(timeout=60_000)
    window.page.get_by_role("button", name="Undo").click()
    window.page.get_by_text("Undo: deactivate").first.wait_for()
    window.page.get_by_text("Done").wait_for(timeout=60_000)
    with populace.client() as api:
        left = api.get("/users", params={"is_active": "false", "count": "exact"}).json()
    assert left["count"]["value"] == 0
