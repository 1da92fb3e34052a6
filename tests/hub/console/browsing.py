"""A real Chromium that tests drive, and what looks through a page for whatever keeps people out of it."""

import contextlib
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.stack import required

PHONE, DESK = (390, 844), (1440, 900)


@contextlib.contextmanager
def a_chromium():
    """Start the machine's Chromium; where it has none, the test is skipped, or fails if every part is required."""
    # Looked for first: where it is missing, what drives it may not start either.
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        (pytest.fail if required() else pytest.skip)("no Chromium here: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # CI runs as root
        try:
            yield browser
        finally:
            browser.close()


def look_through(axe, page):
    """Fail where axe finds something serious."""
    found = axe.run(page).response
    wrong = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in wrong] == [], page.url
    assert len(found["passes"]) > 10, "it has looked"
