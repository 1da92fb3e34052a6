"""The console as officers use it, without JavaScript: from the link in a message to the closed alert."""

import re

import pytest

from hub.console.statics import Statics
from tests.hub.console.pages import Read

EVIL = '<img src=x onerror="alert(1)">'


@pytest.mark.parametrize(
    ("lang", "taken", "closed"), [("en", "Taken in hand", "Closed."), ("zh", "已确认接手", "已关闭")]
)
def test_an_officer_goes_from_the_link_in_a_message_to_the_closed_alert(city, alert, lang, taken, closed):
    browser = city.browser(lang=lang)
    there = f"/console/alerts/{alert}"
    assert city.config.alerting.link_to("tower", "fence-1", "north", alert).endswith(there)
    asked = browser.get(there)
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        f"/console/sign-in?next=%2Fconsole%2Falerts%2F{alert}",
    )

    with city.users() as (_, sessions):
        secret = sessions.make_link("officer-2", 1e12, "root")
    with city.users() as (_, sessions):
        assert sessions.user_of_link(secret, 1e12 + 1).name == "officer-2"
    browser = city.browser("officer-2", lang)
    page = browser.read(there)
    assert "GB 12523-2025" in page.text
    assert "74.0 dB(A)" in page.text
    assert "S (secondary source)" in page.text or "S（二手来源）" in page.text
    assert browser.send(page, f"{there}/acknowledge").headers["location"] == f"{there}?done=acknowledge"
    page = browser.read(f"{there}?done=acknowledge")
    assert taken in page.text
    assert browser.send(page, f"{there}/comment", text="Gate 3, piling rig").status_code == 303
    page = browser.read(there)
    assert "Gate 3, piling rig" in page.text
    assert f"{there}/close" not in [form.action for form in page.forms], "what is not over only an admin closes"

    for start in (city.alerts.now + 60, city.alerts.now + 1300):
        city.alerts.judge(60.0, start=int(start))
    city.alerts.judge(60.0, start=int(city.alerts.now) + 2600)
    page = browser.read(there)
    assert browser.send(page, f"{there}/close", text="fined").status_code == 303
    assert closed in browser.read(f"{there}?done=close").text
    assert city.alerts.done() == ["firing", "acknowledged", "comment", "resolved", "closed"]
    assert {step["who"] for step in city.alerts.steps()} == {"hub", "officer-2"}


def test_a_page_carries_no_script_or_style_of_its_own_and_says_so_to_the_browser(city, alert):
    browser = city.browser("officer-2")
    for path in ("/console/today", f"/console/alerts/{alert}", "/console/me", "/console/design", "/console/sign-in"):
        answer = browser.get(path)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        for tag, attributes in Read(answer.text).tags:
            assert tag != "style"
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "script" or attributes.get("src", "").startswith("/console/static/")


def test_a_static_file_is_named_by_its_content_and_kept_for_ever(city):
    browser = city.browser()
    page = browser.read("/console/sign-in")
    names = [values[key] for tag, values in page.tags for key in ("href", "src") if "static" in (values.get(key) or "")]
    assert len(set(names)) == 3
    for name in names:
        assert re.search(r"\.[0-9a-f]{16}\.(css|js|svg)$", name)
        answer = browser.get(name)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert browser.get(Statics().address("console.css").replace(".css", "x.css")).status_code == 404
    assert browser.get("/console/static/../web.py").status_code == 404


def test_what_waits_stands_on_the_first_page_the_gravest_first_and_is_taken_in_hand_there(city, alert):
    city.alerts.judge(85.0, device="fence-2", start=int(city.alerts.now))
    browser = city.browser("officer-2")
    page = browser.read("/console/today")
    assert page.text.index("critical") < page.text.rindex("violation")
    assert browser.send(page, "/console/alerts/2/acknowledge").status_code == 303
    assert "In your hands" in browser.read("/console/today").text
    assert "In the hands of others" in city.browser("officer-3").read("/console/today").text


def test_a_filter_stands_in_the_address(city, alert):
    browser = city.browser("inspector")
    assert "/console/alerts/1" in browser.read("/console/today?severity=violation&district=north").links
    page = browser.read("/console/today?severity=critical")
    assert "/console/alerts/1" not in page.links
    assert "Nothing waits for you with this filter" in page.text
    assert browser.get("/console/today?severity=nonsense&kind=x&district=y").status_code == 200
    assert browser.get("/console/today?whose=nonsense").status_code == 422


def test_an_inspector_reads_and_is_offered_nothing_to_do(city, alert):
    browser = city.browser("inspector")
    page = browser.read(f"/console/alerts/{alert}")
    assert [form.action for form in page.forms] == ["/console/language"]
    token = browser.read("/console/me").form("/console/sign-out").fields["form_token"]
    refused = browser.post(f"/console/alerts/{alert}/acknowledge", {"form_token": token, "seen": "9"})
    assert refused.status_code == 403
    assert "inspector is viewer" in refused.text
    assert city.alerts.done() == ["firing"]


def test_a_remark_is_shown_as_it_was_written(city, alert):
    browser, there = city.browser("officer-2"), f"/console/alerts/{alert}"
    page = browser.read(there)
    assert browser.send(page, f"{there}/comment", text=f"{EVIL}\r\n第二行 & more").status_code == 303
    answer = browser.get(there)
    assert "<img src=x" not in answer.text
    page = Read(answer.text)
    assert f"{EVIL}\n第二行 & more" in page.text
    assert [values for tag, values in page.tags if tag == "img" and "onerror" in values] == []


def test_an_unknown_page_is_a_page_that_says_so_in_the_language_of_the_browser(city):
    browser = city.browser("inspector", "zh")
    for path in ("/console/alerts/99", "/console/alerts/x", "/console/alerts/99999999999999999999", "/console/nothing"):
        answer = browser.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")
        assert 'lang="zh-CN"' in answer.text
        Read(answer.text)


def test_the_language_can_be_chosen_and_stays(city):
    browser = city.browser("officer-2", "zh-CN,zh;q=0.9")
    page = browser.read("/console/today?severity=critical")
    assert "今日" in page.text
    assert browser.send(page, "/console/language", lang="en").headers["location"] == "/console/today?severity=critical"
    assert "Today" in browser.read("/console/today").text


def test_readings_come_as_a_table_that_a_spreadsheet_does_not_run(city, alert):
    answer = city.browser("inspector").get(f"/console/alerts/{alert}/readings.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[0] == "t,dt_s,value,unit,flag"
