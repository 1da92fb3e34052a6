"""Two officers at once, forms sent twice or from elsewhere: a clear conflict, and nothing is lost or doubled."""

import pytest

from tests.hub.console.pages import Read

THERE = "/console/alerts/1"


def test_of_two_officers_who_take_an_alert_the_second_is_told_what_the_first_did_and_keeps_what_was_written(
    city, alert
):
    first, second = city.browser("officer-2"), city.browser("officer-3")
    page_1, page_2 = first.read(THERE), second.read(THERE)
    assert first.send(page_1, f"{THERE}/acknowledge", text="on my way").status_code == 303
    refused = second.send(page_2, f"{THERE}/acknowledge", text="I am nearer")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "officer-2 did something meanwhile" in page.text
    assert "on my way" in page.text
    assert city.alerts.done() == ["firing", "acknowledged"]


def test_who_closes_what_another_has_just_written_about_reads_that_first_and_then_can(city, alert):
    root, officer = city.browser("root"), city.browser("officer-2")
    before = root.read(THERE)
    officer.send(officer.read(THERE), f"{THERE}/comment", text="do not close, the lab comes at 15:00")
    refused = root.send(before, f"{THERE}/close", text="all done")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "the lab comes at 15:00" in page.text
    assert page.form(f"{THERE}/close").fields["text"] == "all done"
    assert city.alerts.alert()["state"] == "firing"
    assert root.send(page, f"{THERE}/close").status_code == 303, "whoever has read it may go on"
    assert city.alerts.alert()["state"] == "closed"


def test_two_comments_at_once_are_both_kept(city, alert):
    first, second = city.browser("officer-2"), city.browser("officer-3")
    page_1, page_2 = first.read(THERE), second.read(THERE)
    assert first.send(page_1, f"{THERE}/comment", text="one").status_code == 303
    assert second.send(page_2, f"{THERE}/comment", text="two").status_code == 303
    assert [step["detail"] for step in city.alerts.steps() if step["what"] == "comment"] == ["one", "two"]


@pytest.mark.parametrize(("act", "text"), [("acknowledge", ""), ("comment", "seen it"), ("close", "admin's reason")])
def test_a_form_that_is_sent_twice_acts_once(city, alert, act, text):
    browser = city.browser("root")
    page = browser.read(THERE)
    for _ in range(2):  # a second tap, or a browser that asks again because the hub died before it answered
        assert browser.send(page, f"{THERE}/{act}", text=text).status_code == 303
    assert len(city.alerts.steps()) == 2


def test_what_cannot_be_done_is_said_on_the_page_and_nothing_written_is_lost(city, alert):
    browser = city.browser("officer-2")
    page = browser.read(THERE)
    refused = browser.send(page, f"{THERE}/comment", text="x" * 2001)
    assert refused.status_code == 422
    assert "x" * 2001 in Read(refused.text).form(f"{THERE}/comment").fields["text"]
    assert browser.send(page, f"{THERE}/comment", text="  ").status_code == 422
    token = page.form(f"{THERE}/comment").fields
    refused = browser.post(f"{THERE}/close", token | {"text": "too early"})
    assert refused.status_code == 403
    assert "wait until it is resolved" in refused.text
    assert city.alerts.done() == ["firing"]


def test_a_form_of_another_session_or_site_does_nothing(city, alert):
    browser, other = city.browser("officer-2"), city.browser("officer-3")
    page = browser.read(THERE)
    fields = page.form(f"{THERE}/comment").fields | {"text": "forged"}
    foreign = other.read(THERE).form(f"{THERE}/comment").fields["form_token"]
    for forged in (fields | {"form_token": foreign}, fields | {"form_token": ""}, {"text": "forged", "seen": "1"}):
        assert browser.post(f"{THERE}/comment", forged).status_code == 403
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert browser.post(f"{THERE}/comment", fields, **headers).status_code == 403
    json = browser.http.post(f"{THERE}/comment", json=fields, headers={"origin": city.url})
    assert json.status_code == 422
    assert city.alerts.done() == ["firing"]
    assert browser.post(f"{THERE}/comment", fields, **{"origin": None, "sec-fetch-site": None}).status_code == 303


@pytest.mark.parametrize("seen", ["", "-1", "1e9", "９", "9" * 40])
def test_a_form_must_say_what_was_read(city, alert, seen):
    browser = city.browser("officer-2")
    fields = browser.read(THERE).form(f"{THERE}/acknowledge").fields | {"seen": seen}
    assert browser.post(f"{THERE}/acknowledge", fields).status_code == 422
    assert city.alerts.done() == ["firing"]


def test_what_was_written_is_shown_again_to_whoever_was_signed_out_meanwhile(city, alert):
    browser = city.browser("officer-2")
    page = browser.read(THERE)
    with city.users() as (access, _):
        access.revoke("officer-2", 1e10, "root")
    refused = browser.send(page, f"{THERE}/comment", text="an hour of work")
    assert refused.status_code == 403
    assert "an hour of work" in Read(refused.text).text
    assert city.alerts.done() == ["firing"]


def test_other_districts_are_not_there(city, alert):
    north, south = city.browser("officer-north"), city.browser("officer-south")
    assert THERE in north.read("/console/today").links
    assert THERE not in south.read("/console/today").links
    assert south.get(THERE).status_code == 404
    assert south.get(f"{THERE}/readings.csv").status_code == 404
    token = south.read("/console/me").form("/console/sign-out").fields["form_token"]
    for act in ("acknowledge", "comment", "close"):
        answer = south.post(f"{THERE}/{act}", {"form_token": token, "seen": "0", "text": "mine now"})
        assert answer.status_code == 404
    assert city.alerts.done() == ["firing"]
