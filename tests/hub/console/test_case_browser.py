"""Cases in a real Chromium, clicked through by people of five roles on a phone's width, in both languages; on paper."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.hub.cases.pictures import picture
from tests.hub.console.browsing import HANGING, PHONE, PRESSED, SMALL, look_through, visits
from tests.hub.console.case_console import case_console

TORN = """all => all.filter(one => {
    const look = getComputedStyle(one)
    return /^(grid|flex)$/.test(look.display) && look.breakInside !== 'avoid'
}).map(one => one.tagName + '.' + one.className)"""
"""Of the elements of a page, those whose parts a browser lays over each other where paper ends."""


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    with case_console(tmp_path_factory.mktemp("city")) as opened:
        yield opened


@pytest.fixture
def visit(chromium, city):
    """Return the page of somebody, signed in on a phone; in English with JavaScript, in Chinese without."""
    with visits(chromium, city.site) as open_page:
        yield lambda name, lang: open_page(name, PHONE, lang, scripts=lang == "en")


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_from_the_alert_to_the_evaluation_by_people_of_five_roles(visit, city, lang):
    """Rework, suspension, a case closed by force and an appeal on the way; with and without JavaScript."""
    alert = city.alert("fence-1" if lang == "en" else "fence-2")
    people = {name: visit(name, lang) for name in ("off", "col", "dis", "han", "sup")}
    officer = people["off"]
    officer.goto(f"{city.site.url}/console/alerts/{alert}")
    officer.click("#acknowledge button")
    officer.click("#of-case a.button")
    officer.select_option("#code", "0302")
    officer.click("main form.stack button")
    there = officer.url.partition("?")[0]
    id_ = int(there.rpartition("/")[2])

    def act(name, what, text="", choose=None):
        page = people[name]
        page.goto(there)
        fold = page.locator(f"details:has(form#{what})")
        if fold.count() and not fold.get_attribute("open"):
            fold.locator("summary").click()
        for field, value in (choose or {}).items():
            found = page.locator(f"form#{what} [name={field}]")
            if found.count() > 1:
                page.check(f"form#{what} [name={field}][value={value}]")
            else:
                found.select_option(value)
        if text:
            page.fill(f"#text-{what}", text)
        page.click(f"form#{what} button")
        page.locator("[role=status]").wait_for()
        assert city.book.history(id_)[-1] == what

    act("off", "ask_verification")
    act("col", "verify", choose={"found": "exists"})
    act("off", "file", "not the same")
    act("dis", "dispatch", choose={"department": "roads"})
    act("han", "receive")
    act("dis", "suspend", "the road is closed")
    act("dis", "resume")
    handler = people["han"]
    handler.goto(there)
    handler.locator("details:has(form#attach) summary").click()
    photo = {"name": "水 gate.jpg", "mimeType": "image/jpeg", "buffer": picture()}
    handler.set_input_files("#attach-file", files=[photo])
    handler.check("form#attach [value=after]")
    handler.click("form#attach button")
    picture_at = handler.locator(".files img").get_attribute("src")
    assert handler.request.get(city.site.url + picture_at).headers["content-type"] == "image/jpeg"
    act("han", "feed_back", "洒水 watered")
    act("off", "rework", "the dust is still there")
    act("han", "feed_back", "watered twice")
    act("off", "send_check")
    act("col", "inspect", choose={"result": "pass"})
    act("sup", "force_close", "the officer is ill")
    act("han", "appeal", "we were on time")
    act("sup", "reject_appeal", "it was done again")
    act("han", "appeal", "it was done on time, see the picture")
    act("sup", "uphold", "look at it once more")
    act("han", "feed_back", "watered again")
    act("off", "send_check")
    act("col", "inspect", choose={"result": "pass"})
    act("off", "close")
    page = people["sup"]
    page.goto(f"{city.site.url}/console/evaluation?by=person")
    page.locator("tbody tr", has_text="han").locator("a").first.click()
    assert page.locator(f"a[href='/console/cases/{id_}']").count() == 1


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_pages_of_cases_can_be_read_by_everybody_and_fit_a_phone(visit, city, lang):
    id_ = city.book.handled(place=f"a place for {lang}").id
    page, axe = visit("root", lang), Axe()
    for path in (f"cases/{id_}", "cases", f"cases/{id_}/file", "evaluation", "add-case?district=north"):
        page.goto(f"{city.site.url}/console/{path}")
        if lang == "en" and path != "add-case?district=north":
            look_through(axe, page)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
        assert page.eval_on_selector_all(PRESSED, SMALL) == [], f"{path}: too small for a thumb"
        assert page.eval_on_selector_all("td", HANGING) == [], f"{path}: a label hangs out of its card"


def test_a_case_file_is_printed_on_a4_with_nothing_of_the_screen(chromium, city, tmp_path):
    city.book.act(city.book.handled(place="河边 Lake Road", code="2101").id, "han", "feed_back", "repaired\n" * 60)
    id_ = city.book.desk("root").book.search()[0].id
    context = chromium.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"{city.site.url}/console/enter/{city.site.link('vie')}")
    page.click("main button")
    page.goto(f"{city.site.url}/console/cases/{id_}/file")
    page.emulate_media(media="print")
    for selector in (".top nav", "footer", ".no-print", ".language"):
        assert not page.locator(selector).first.is_visible(), selector
    assert page.eval_on_selector_all(".paper, .paper *", TORN) == [], "laid over others where a page ends"
    made = page.pdf(path=tmp_path / "case.pdf", prefer_css_page_size=True)
    context.close()
    boxes = {line for line in made.split(b"\n") if b"/MediaBox" in line}
    assert made.startswith(b"%PDF-")
    assert made.count(b"/Type /Page\n") >= 2 or made.count(b"/Type /Page ") >= 2, "it is longer than a page"
    assert any(b"594" in box or b"595" in box for box in boxes), boxes
