"""The console in a real Chromium: with and without JavaScript, on a phone and a desk, in both languages."""

import time

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.hub.alerting import AlertCity, write_files
from tests.hub.console.browsing import DESK, PHONE, look_through, visits
from tests.hub.console.pages import a_console

PAGES = (
    *("today", "alerts/1", "map", "sites/tower", "verdicts", "fleet", "me", "design"),
    *("more", "users", "add-user", "users/officer-2", "maintenance", "add-maintenance?site=tower", "told", "audit"),
)
LOOKED_THROUGH = {"today", "alerts/1", "map", "sites/tower", "design", "users/officer-2", "told", "audit"}
"""By axe, which takes seconds for each; the others are made of the same parts."""


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A city with an alert for each way through the pages."""
    folder, now = tmp_path_factory.mktemp("city"), time.time()
    config = write_files(folder)
    with AlertCity(folder / "data", now=now) as alerts, a_console(config) as site:
        for n in range(4):
            alerts.judge(74.0 + n, start=int(now) - 1300 + 1300 * n)
            if n < 3:
                alerts.desk.close(n + 1, "root", "to begin with", admin=True)
        alerts.judge(75.0, device="fence-2", start=int(now) - 1300)
        site.alerts = alerts
        yield site


@pytest.fixture
def visit(chromium, city):
    with visits(chromium, city) as open_page:
        yield open_page


WAYS = [("en", DESK, True), ("zh-CN", PHONE, True), ("zh-CN", DESK, False), ("en", PHONE, False)]


@pytest.mark.parametrize(("lang", "size", "scripts"), WAYS)
def test_from_the_link_to_the_closed_alert(visit, city, lang, size, scripts):
    city.alerts.judge(78.0, device="stack-1", start=int(city.alerts.now))
    number = city.alerts.rows()[-1]["id"]
    page = visit("root", size, lang, scripts)
    page.goto(city.config.alerting.link_to("", "", "", number).replace(":8433", f":{city.port}"))
    page.click("#acknowledge button")
    assert page.locator("[role=status]").inner_text() in {"Taken in hand.", "已确认接手。"}
    page.fill("#text-comment", "三号门 <b>gate 3</b>")
    page.click("#comment button")
    assert "三号门 <b>gate 3</b>" in page.locator(".trail").inner_text()
    page.fill("#text-close", "fined")
    page.click("#close button")
    assert page.locator("[role=status]").inner_text() in {"Closed.", "已关闭。"}
    assert page.locator("#acts form").count() == 1, "only a comment can be added to what is closed"
    assert city.alerts.done(number)[-3:] == ["acknowledged", "comment", "closed"]


@pytest.mark.parametrize(("lang", "size", "scripts"), [WAYS[1], WAYS[2]])
def test_an_admin_lets_somebody_in_who_sets_up_a_phone_and_signs_in_with_it(visit, city, lang, size, scripts):
    name = f"officer-js-{scripts}".lower()
    admin, axe = visit("root", size, lang, scripts), Axe()
    admin.goto(f"{city.url}/console/add-user")
    admin.fill("#name", name)
    admin.select_option("#role", "officer")
    admin.check("[value=some]")
    admin.check("[name=in-north]")
    admin.click("main form button")
    admin.click("form[action$=link] button")
    made = admin.locator("#secret").inner_text().rpartition("/console/enter/")[2]
    page = visit(None, size, lang, scripts)
    page.goto(f"{city.url}/console/enter/{made}")
    page.click("main button")
    page.goto(f"{city.url}/console/me")
    page.click("form[action$=begin] button")
    if scripts:
        look_through(axe, page)
    assert page.locator(".qr").bounding_box()["width"] > 150
    phone = pyotp.TOTP(page.locator(".secret").inner_text().replace(" ", ""))
    page.fill("#code", phone.now())
    page.click("main form button")
    recovery = page.locator(".codes code").first.inner_text()
    page.goto(f"{city.url}/console/me")
    page.click("[name=everywhere]")
    page.goto(f"{city.url}/console/enter/{city.link(name)}")
    page.click("main button")
    if scripts:
        look_through(axe, page)
    page.fill("#code", recovery)
    page.click("main form button")
    page.wait_for_url("**/console/today")
    admin.goto(f"{city.url}/console/audit?kind=access&who={name}")
    assert admin.locator("tbody tr").count() == 5, "signed in twice, set up, signed out, recovered"


def test_an_open_page_follows_by_itself_and_leaves_alone_what_somebody_writes(visit, city):
    page = visit("officer-2", PHONE)
    page.locator("#live").wait_for(state="visible")
    city.alerts.judge(90.0, device="stack-1", start=int(city.alerts.now))
    number = city.alerts.rows()[-1]["id"]
    page.locator(f"a[href='/console/alerts/{number}']").wait_for()
    page.goto(f"{city.url}/console/alerts/{number}")
    page.locator("#live").wait_for(state="visible")
    page.fill("#text-comment", "half a sentence")
    city.alerts.desk.comment(number, "officer-3", "news from the gate")
    page.locator(".trail", has_text="news from the gate").wait_for()
    assert page.input_value("#text-comment") == "half a sentence"
    city.alerts.desk.close(number, "root", "over", admin=True)


def test_whoever_is_revoked_is_shown_out_of_an_open_page(visit, city):
    with city.users() as (access, _):
        access.add("leaver", "officer", time.time(), "root")
    page = visit("leaver")
    page.locator("#live").wait_for(state="visible")
    with city.users() as (access, _):
        access.revoke("leaver", time.time(), "root")
    city.alerts.desk.comment(1, "officer-3", "a change, at which sessions are looked at")
    page.wait_for_url("**/console/sign-in**")


@pytest.mark.parametrize(("lang", "size", "scheme"), [("zh-CN", PHONE, "light"), ("en", DESK, "dark")])
def test_every_page_can_be_read_by_everybody_and_fits(visit, city, lang, size, scheme):
    page, axe = visit("root", size, lang, scheme=scheme), Axe()
    for name in PAGES:
        page.goto(f"{city.url}/console/{name}")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{name} is wider than the screen"
        if name in LOOKED_THROUGH:
            look_through(axe, page)
        small = page.eval_on_selector_all(
            "main button, main select, main .choice, main input:not([type=hidden]):not(.choice input)",
            "all => all.filter(one => one.offsetHeight && one.offsetHeight < 43).map(one => one.outerHTML)",
        )
        assert small == [], f"{name}: too small for a thumb"
