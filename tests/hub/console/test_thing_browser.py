"""Things, live map and tracks in a real Chromium: both languages, phone and desk, with and without JavaScript."""

import functools

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.hub.console.browsing import DESK, PHONE, look_through, visits
from tests.hub.console.haulage import a_haulage
from tests.hub.helpers import query


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    with a_haulage(tmp_path_factory.mktemp("haulage")) as city:
        yield city


@pytest.fixture
def visit(chromium, city):
    with visits(chromium, city) as open_page:
        yield functools.partial(open_page, "root")


def alert_of(city):
    rows = query(city.config.data / "compliance.db", "SELECT id, device FROM alert WHERE kind = 'rule' ORDER BY id")
    return rows[0]["id"], rows[0]["device"]


@pytest.mark.parametrize(("lang", "size", "scheme"), [("zh-CN", PHONE, "dark"), ("en", DESK, "light")])
def test_every_page_fits_and_keeps_nobody_out(visit, city, lang, size, scheme):
    number, truck = alert_of(city)
    page, axe = visit(size, lang, scheme=scheme), Axe()
    looked = (f"track/vehicle/{truck}?alert={number}", "live", f"things/vehicle/{truck}")
    others = ("things", "things/manifest", "things/project/site-0/edit", "add-thing/haul_permit", "import-things")
    for path in (*looked, *others):
        page.goto(f"{city.url}/console/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
        if path in looked:
            look_through(axe, page)


def test_from_the_alert_to_its_way_which_is_played_again(visit, city):
    number, truck = alert_of(city)
    page = visit()
    page.goto(f"{city.url}/console/alerts/{number}")
    assert page.locator("td[data-label='Outcome']").first.inner_text().startswith("rule broken")
    page.click("#whom a >> nth=0")
    page.wait_for_url(f"**/console/track/vehicle/{truck}?alert={number}")
    mark, button = page.locator("#replay-mark"), page.locator(".replay-panel button")
    begin, began = mark.get_attribute("transform"), page.inner_text(".replay-panel output")
    button.click()
    page.wait_for_function("(told) => document.querySelector('.replay-panel output').textContent !== told", arg=began)
    button.click()
    assert button.inner_text() == "Play", "it stands still again"
    page.locator(".replay-panel input").evaluate(
        "(range) => { range.value = range.max; range.dispatchEvent(new Event('input')); }"
    )
    assert mark.get_attribute("transform") != begin
    assert page.locator(".timeline .cursor").first.get_attribute("x1") != "0"


def test_the_live_map_follows_whoever_drives_on(visit, city):
    page = visit()
    page.goto(f"{city.url}/console/live")
    began = page.inner_text("#city table")
    city.trucks.now += 1200
    try:
        page.wait_for_function("(told) => document.querySelector('#city table').innerText !== told", arg=began)
    finally:
        city.trucks.now -= 1200


def test_without_javascript_the_way_stands_there_and_a_permit_is_changed(visit, city):
    number, truck = alert_of(city)
    page = visit(PHONE, "zh-CN", scripts=False)
    page.goto(f"{city.url}/console/track/vehicle/{truck}?alert={number}")
    assert page.locator(".track .way").count() > 0
    assert page.locator("tr[id^=fact-]").count() > 3
    assert not page.locator(".replay-panel").is_visible()
    page.goto(f"{city.url}/console/things/haul_permit/hp-{truck}/edit")
    page.fill("#p-hours", "19:00-05:00")
    page.click("main form.sheet button")
    page.wait_for_url(f"**/console/things/haul_permit/hp-{truck}?done=changed")
    assert "19:00-05:00" in page.inner_text("main")
