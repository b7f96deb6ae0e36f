"""Pages about the API in a real Chromium: they draw what they should, and nothing comes from elsewhere."""

import pytest


@pytest.fixture
def window(chromium, server):
    """A page of a browser; nothing may be refused by its policy, fail, or be asked of another machine."""
    faults = []
    page = chromium.new_page(base_url=server.url, viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith((server.url, "data:")) or faults.append(request.url))
    yield page
    page.close()
    assert faults == []


def test_the_viewer_draws_every_call_and_sends_one(window, server, tmp_path):
    """populace/api/schema/views.py:Viewer"""
    document = server.http.get("/api/v1/openapi.json").json()
    window.goto("/api/docs")
    window.locator(".opblock").first.wait_for()
    assert window.locator(".opblock").count() == sum(map(len, document["paths"].values()))
    window.get_by_role("button", name="Authorize").click()
    window.locator(".modal-ux input").fill(server.token)
    window.locator(".modal-ux").get_by_role("button", name="Apply credentials").click()
    window.locator(".modal-ux").get_by_role("button", name="Close").click()
    call = window.locator("#operations-groups-listGroups")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_role("button", name="Execute").click()
    call.locator(".live-responses-table .response-col_status").first.wait_for()
    window.screenshot(path=tmp_path / "viewer.png", full_page=True)
    assert call.locator("tr.response .response-col_status").first.inner_text().startswith("200")


def test_the_pages_of_problems_lead_to_each_other(window, tmp_path):
    """populace/api/problem_pages.py:problem_page"""
    window.goto("/problems/last_owner")
    window.screenshot(path=tmp_path / "problem.png")
    window.get_by_role("link", name="All problems").click()
    window.screenshot(path=tmp_path / "problems.png")
    window.get_by_role("link", name="last_owner").click()
    assert window.get_by_role("heading", name="Last owner").is_visible()
