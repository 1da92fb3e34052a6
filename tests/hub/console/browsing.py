"""A real Chromium that tests drive, and what looks through a page for whatever keeps people out of it."""

import contextlib
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.stack import required

PHONE, DESK = (390, 844), (1440, 900)
SMALL = "all => all.filter(one => one.offsetHeight && one.offsetHeight < 43).map(one => one.outerHTML)"
HANGING = "all => all.filter(one => one.scrollHeight > one.clientHeight + 1).map(one => one.outerHTML)"
PRESSED = "main button, main select, main .choice, main input:not([type=hidden]):not(.choice input)"
PATIENCE_MS = 60_000
"""So long a page may take on a machine that does much else."""


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


@contextlib.contextmanager
def visits(chromium, site, expected=()):
    """Yield what opens a page for whom a link of the console `site` lets in; what the browser complains about fails.

    `expected`: what it may complain about all the same, as that there is no network.
    """
    opened, complaints = [], []

    def visit(name, size=DESK, lang="en", scripts=True, scheme="light"):
        view = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=view, locale=lang, color_scheme=scheme, java_script_enabled=scripts)
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if name:
            page.goto(f"{site.url}/console/enter/{site.link(name)}")
            page.click("main button")
        return page

    try:
        yield visit
    finally:
        for context in opened:
            context.close()
    left = [one for one in complaints if not any(word in one for word in expected)]
    assert left == [], left


def look_through(axe, page):
    """Fail where axe finds something serious."""
    found = axe.run(page).response
    wrong = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in wrong] == [], page.url
    assert len(found["passes"]) > 10, "it has looked"
