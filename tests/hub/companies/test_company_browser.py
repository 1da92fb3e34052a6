"""Enterprises in a real Chromium: a mark from the form to the officer's decision, on a phone and on a desk."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.hub.cases.pictures import picture
from tests.hub.companies.company_console import company_console
from tests.hub.console.browsing import DESK, HANGING, PHONE, PRESSED, SMALL, a_chromium, look_through, visits

A4 = 680
"""What is printed on of its width: 180 mm [px]."""
WIDE = f"tables => tables.filter(one => one.offsetWidth > {A4}).length"
"""How many tables are wider than the paper."""


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    with company_console(tmp_path_factory.mktemp("city"), hours=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def chromium():
    with a_chromium() as browser:
        yield browser


@pytest.fixture
def visit(chromium, city):
    with visits(chromium, city.site) as open_page:
        yield open_page


@pytest.mark.parametrize(
    ("lang", "size", "begin"),
    [("en", PHONE, "2026-03-02T12:00"), ("zh-CN", DESK, "2026-03-02T13:00")],
    ids=["en on a phone, with JavaScript", "zh on a desk, without"],
)
def test_an_enterprise_marks_an_officer_decides_and_every_page_can_be_read(visit, city, lang, size, begin):
    def look(page, axe=None):
        if axe:
            look_through(axe, page)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, page.url
        assert page.eval_on_selector_all(PRESSED, SMALL) == [], f"{page.url}: too small for a thumb"
        assert page.eval_on_selector_all("td", HANGING) == [], f"{page.url}: a label hangs out of its card"

    axe = Axe() if lang == "en" else None  # it needs JavaScript
    company = visit("mill-1", size, lang, scripts=lang == "en")
    assert company.url.endswith("/console/companies/mill-co"), "that is where an enterprise begins"
    look(company, axe)
    company.goto(f"{city.site.url}/console/add-mark?outlet=da-1")
    look(company, axe)
    company.check("input[name=kind][value=fault]")
    company.fill("#begin", begin)
    company.fill("#end", begin.replace(":00", ":50"))
    company.fill("#reason", "更换光源 lamp")
    company.click("main form.stack button.primary")
    company.set_input_files("#file", files=[{"name": "灯 lamp.jpg", "mimeType": "image/jpeg", "buffer": picture()}])
    company.click("#prove button")
    company.locator(".files img").wait_for()
    look(company, axe)
    there = company.url.partition("?")[0]
    officer = visit("officer-2", size, lang, scripts=lang == "en")
    officer.goto(there)
    officer.locator("details:has(form#reject) summary").click()
    officer.fill("#why", "no protocol 无记录")
    officer.click("#reject button")
    officer.locator("[role=status]").wait_for()
    officer.click("#accept button")
    officer.locator("[role=status]").wait_for()
    look(officer, axe)
    for path in (
        *("companies", "companies/mill-co", "companies/mill-co/report", "outlets/da-1?pollutant=stack_nox"),
        *("permits", "marks"),
    ):
        officer.goto(f"{city.site.url}/console/{path}")
        look(officer, axe)
    officer.goto(f"{city.site.url}/console/companies/mill-co/report")
    officer.emulate_media(media="print")
    officer.set_viewport_size({"width": 794, "height": 1123})
    officer.eval_on_selector(".paper", f"paper => paper.style.width = '{A4}px'")
    assert officer.eval_on_selector_all(".paper table", WIDE) == 0
    assert officer.locator(".paper table").count() == 4, "glance, outlets, totals, marks"
