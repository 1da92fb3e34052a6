"""A patrol in a real Chromium at a phone's width: with the network cut for ten minutes, and without JavaScript."""

import functools
import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.hub.cases.pictures import picture
from tests.hub.console.browsing import DESK, PHONE, PRESSED, SMALL, look_through, visits
from tests.hub.console.street import a_street

PHOTO = {"name": "shop.jpg", "mimeType": "image/jpeg", "buffer": picture()}


@pytest.fixture
def street(tmp_path):
    with a_street(tmp_path) as street:
        yield street


@pytest.fixture
def visit(chromium, street):
    with visits(chromium, street.site, ("net::ERR_INTERNET_DISCONNECTED", "net::ERR_FAILED")) as open_page:
        yield functools.partial(open_page, size=PHONE)


def answer(page, shop, **answers):
    """Fill in the form of a shop on the page of its street."""
    stop = page.locator(f"#stop-{shop}")
    if stop.get_attribute("open") is None:
        stop.locator("summary").click()
    for duty in ("clean", "green", "order"):
        stop.locator(f"[name=answer-{duty}][value={answers.get(duty, 'pass')}]").check()
    return stop


def test_ten_minutes_without_a_network_lose_nothing_and_nothing_counts_twice(visit, street):
    street.send("col", "s-2", **{"answer-order": "fail", "code-order": "0504"})
    street.cases.now += 8 * 86_400
    page, kept = visit("col", lang="zh-CN"), "已保存在本机，尚未提交"
    page.clock.install()
    page.goto(f"{street.site.url}/console/patrol/shop?along=lake-road")
    page.context.set_offline(True)
    for shop in ("s-1", "s-2", "s-3"):
        stop = answer(page, shop, order="pass" if shop == "s-1" else "fail")
        if shop != "s-1":
            stop.locator("[name=code-order]").select_option("0504")
            stop.locator("[name=photo]").set_input_files(files=[PHOTO])
        stop.locator("button.primary").click()
        page.locator(f"#stop-{shop}").wait_for(state="detached")
    page.clock.fast_forward("10:00")
    page.wait_for_function(
        "() => document.querySelectorAll('#kept li').length === 3 && document.querySelector('#kept .hint').textContent"
    )
    assert page.inner_text("#kept").count(kept) == 3
    assert len(street.rows("visit")) == 1, "nothing has left the phone"

    # The first answer gets lost on its way: the hub has taken the visit, the phone does not know.
    lost = []

    def lose(route):
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch().status)
            route.abort()

    page.context.set_offline(False)
    page.route("**/console/patrol/shop/*", lose)
    page.clock.fast_forward("00:31")
    page.wait_for_function("() => document.querySelector('#kept .hint').textContent")
    page.clock.fast_forward("00:31")
    page.wait_for_function("(kept) => !document.querySelector('#kept').textContent.includes(kept)", arg=kept)
    assert lost == [200]
    assert [row["thing"] for row in street.rows("visit")] == ["s-2", "s-1", "s-2", "s-3"]
    assert [json.loads(row["body"])["about"] for row in street.rows("casefile")] == ["shop/s-2", "shop/s-3"]
    assert street.cases.book.history(1) == ["report", "comment", "attach"]
    assert street.cases.book.history(2) == ["report", "attach"]
    assert "已有上报" in page.inner_text("#kept")


def test_what_somebody_else_left_in_the_phone_waits_for_them(visit, street):
    page = visit("col")
    page.goto(f"{street.site.url}/console/patrol/shop?along=lake-road")
    # Not by `set_offline`: when a page is left, Chromium gives its last moments the network back.
    page.context.route("**/console/patrol/shop/s-1", lambda route: route.abort())
    answer(page, "s-1").locator("button.primary").click()
    page.wait_for_function("() => document.querySelector('#kept .hint').textContent")
    page.goto("about:blank")
    page.context.clear_cookies()
    page.context.unroute_all()
    for name, visits_there in (("root", 0), ("col", 1)):
        page.goto(f"{street.site.url}/console/enter/{street.site.link(name)}")
        page.click("main button")
        page.goto(f"{street.site.url}/console/patrol")
        if visits_there:
            page.locator("#kept li").wait_for()
            page.wait_for_function("() => document.querySelector('#kept').textContent.includes('in order')")
        else:
            page.wait_for_timeout(300)
        assert [row["who"] for row in street.rows("visit")] == ["col"] * visits_there
        page.context.clear_cookies()


def test_without_javascript_a_visit_is_a_plain_form(visit, street):
    page = visit("col", scripts=False)
    page.goto(f"{street.site.url}/p/{street.code('s-1')}")
    assert page.url == f"{street.site.url}/console/patrol/shop/s-1"
    for duty in ("clean", "green", "order"):
        page.check(f"[name=answer-{duty}][value={'fail' if duty == 'order' else 'pass'}]")
    page.select_option("[name=code-order]", "0507")
    page.set_input_files("[name=photo]", files=[PHOTO])
    page.click("form.patrol button")
    assert "?visit=1" in page.url
    assert json.loads(street.rows("casefile")[0]["body"])["number"] in page.inner_text("#done")


@pytest.mark.parametrize(("lang", "size", "scheme"), [("zh-CN", PHONE, "dark"), ("en", DESK, "light")])
def test_every_page_can_be_read_by_everybody_and_fits(visit, street, lang, size, scheme):
    street.send("col", "s-2", **{"answer-order": "fail", "code-order": "0504"})
    page, axe = visit("root", size=size, lang=lang, scheme=scheme), Axe()
    paths = (
        "patrol",
        "patrol/shop?along=lake-road",
        "patrol/shop/s-2",
        "scores/shop?along=lake-road",
        "plates/shop?along=lake-road",
    )
    for path in paths:
        page.goto(f"{street.site.url}/console/{path}")
        for fold in page.locator("details").all():
            fold.evaluate("fold => { fold.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
        assert size is DESK or page.eval_on_selector_all(PRESSED, SMALL) == [], path
        look_through(axe, page)
    page.click("main button.primary")
    page.locator(".plates li").first.wait_for()
    assert page.locator(".plates li").count() == 6
    look_through(axe, page)
    code = street.code("s-1")
    page.context.clear_cookies()
    page.goto(f"{street.site.url}/p/{code}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    look_through(axe, page)
