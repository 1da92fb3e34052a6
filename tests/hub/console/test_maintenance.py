"""Maintenance windows in the console: opened, taken back, by two at once, sent twice, and by district."""

import time
from datetime import datetime

import pytest

from tests.hub.alerting import run
from tests.hub.console.pages import Read
from tests.hub.helpers import CITY

HERE, NEW = "/console/maintenance", "/console/add-maintenance"


@pytest.fixture
def chief(city):
    with city.users() as (access, _):
        access.add("chief", "admin", time.time(), "root")
        access.add("south-admin", "admin", time.time(), "root", ("south",))
    return city.browser("chief")


def windows(city):
    return city.alerts.rows("SELECT * FROM maintenance ORDER BY id")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_window_is_opened_and_taken_back_and_the_command_line_sees_it(city, lang):
    root = city.browser("root", lang)
    first = root.read(NEW)
    assert root.get(f"{NEW}?site=tower").status_code == 200
    assert first.form(NEW).fields == {"site": ""}
    page = root.read(f"{NEW}?site=tower")
    given = {"board": "fence-1", "from": "2026-12-31T22:30", "hours": "8.5", "reason": "Crane work <b>at night</b>"}
    day = f"{datetime.fromtimestamp(time.time() + 86_400, CITY.zone):%Y-%m-%d}"
    given["from"] = f"{day}T22:30"
    assert root.send(page, NEW, **given).headers["location"] == f"{HERE}?done=opened"
    (window,) = windows(city)
    assert (window["site"], window["device"], window["who"]) == ("tower", "fence-1", "root")
    assert window["begins"] == datetime.fromisoformat(given["from"]).replace(tzinfo=CITY.zone).timestamp()
    assert window["ends"] - window["begins"] == 8.5 * 3600
    page = root.read(HERE)
    assert "Crane work <b>at night</b>" in page.text
    assert "Crane work" in run(city.config.registry.parent, "alerts", "maintenance", "list").out
    assert root.send(page, f"{HERE}/1/end").headers["location"] == f"{HERE}?done=ended"
    assert windows(city)[0]["removed_by"] == "root"
    page = root.read(HERE)
    assert f"{HERE}/1/end" not in [form.action for form in page.forms]
    assert "Crane work" in page.text, "it stays on record"


def test_a_form_that_is_sent_twice_opens_one_window_and_takes_it_back_once(city):
    root = city.browser("root")
    page = root.read(f"{NEW}?site=tower")
    assert [root.send(page, NEW, reason="Calibration").status_code for _ in range(2)] == [303, 303]
    assert len(windows(city)) == 1
    listed = root.read(HERE)
    assert [root.send(listed, f"{HERE}/1/end").status_code for _ in range(2)] == [303, 303]
    assert root.send(root.read(f"{NEW}?site=tower"), NEW, reason="Calibration").status_code == 303
    assert len(windows(city)) == 2, "the same once more, on purpose"


def test_of_two_who_open_windows_at_a_site_the_second_reads_the_first(city, chief):
    root = city.browser("root")
    pages = [one.read(f"{NEW}?site=tower") for one in (root, chief)]
    assert root.send(pages[0], NEW, reason="Calibration").status_code == 303
    refused = chief.send(pages[1], NEW, reason="Power cut", hours="3")
    assert refused.status_code == 409
    page = Read(refused.text)
    assert "root opened a window at this site meanwhile" in page.text
    assert "Calibration" in page.text
    assert (page.form(NEW).fields["reason"], page.form(NEW).fields["hours"]) == ("Power cut", "3")
    assert len(windows(city)) == 1
    assert chief.send(page, NEW).status_code == 303, "who has read it may go on"
    elsewhere = root.read(f"{NEW}?site=mill")
    chief.send(chief.read(f"{NEW}?site=tower"), NEW, reason="Another")
    assert root.send(elsewhere, NEW, reason="Stack test").status_code == 303, "another site is no conflict"


def test_of_two_who_take_a_window_back_the_second_is_told_who_was_quicker(city, chief):
    root = city.browser("root")
    root.send(root.read(f"{NEW}?site=tower"), NEW, reason="Calibration")
    pages = [one.read(HERE) for one in (root, chief)]
    assert root.send(pages[0], f"{HERE}/1/end").status_code == 303
    refused = chief.send(pages[1], f"{HERE}/1/end")
    assert refused.status_code == 409
    assert "root has taken window 1 back already" in refused.text
    assert windows(city)[0]["removed_by"] == "root"


def test_everybody_sees_the_windows_of_their_districts_and_only_an_admin_decides(city, chief):
    south = city.browser("south-admin")
    root = city.browser("root")
    for site, reason in (("tower", "in the north"), ("mill", "in the south")):
        assert root.send(root.read(f"{NEW}?site={site}"), NEW, reason=reason).status_code == 303
    officer = city.browser("officer-north")
    page = officer.read(HERE)
    assert "in the north" in page.text
    assert "in the south" not in page.text
    assert officer.get(f"{NEW}?site=tower").status_code == 303
    assert [form.action for form in page.forms] == ["/console/language"]
    token = officer.read("/console/me").form("/console/sign-out").fields["form_token"]
    fields = {"form_token": token, "seen": "9", "site": "tower", "from": "2030-01-01T00:00", "hours": "2"}
    assert officer.post(NEW, fields | {"reason": "x"}).status_code == 403
    assert officer.post(f"{HERE}/1/end", fields).status_code == 403

    page = south.read(HERE)
    assert "in the north" not in page.text
    fields = page.form(f"{HERE}/2/end").fields
    for id_ in ("1", "99", "0", "99999999999999999999"):
        assert south.post(f"{HERE}/{id_}/end", fields).status_code == 404
    form = south.read(f"{NEW}?site=mill")
    assert south.send(form, NEW, site="tower", reason="x").status_code == 422
    assert south.send(form, NEW, board="fence-1", reason="x").status_code == 422
    assert "Clock Tower" not in south.read(NEW).text
    assert south.post(f"{HERE}/2/end", fields | {"form_token": "forged"}).status_code == 403
    assert [one["removed"] for one in windows(city)] == [None, None]


def test_what_will_not_do_is_said_and_what_was_written_stays(city):
    root = city.browser("root")
    page = root.read(f"{NEW}?site=tower")
    for wrong, said in (
        ({"reason": "  "}, "Reason: must not be empty"),
        ({"reason": "x" * 2001}, "Reason: must not be longer"),
        ({"hours": "0"}, "Expected hours from 0.1 to 2208"),
        ({"hours": "nan"}, "Expected hours from 0.1 to 2208"),
        ({"hours": "9999"}, "Expected hours from 0.1 to 2208"),
        ({"from": "tomorrow"}, "Begin: Expected a local date and time"),
        ({"from": "0001-01-01T00:00"}, ""),
        ({"from": "2020-01-01T00:00"}, "End: lies in the past"),
        ({"from": "9999-12-31T23:59"}, ""),
        ({"board": "stack-1"}, "has no board"),
    ):
        given = {"reason": "Calibration", "hours": "2"} | wrong
        refused = root.send(page, NEW, **given)
        assert refused.status_code == 422, wrong
        shown = Read(refused.text)
        assert said in shown.text, wrong
        assert shown.form(NEW).fields["hours"] == given["hours"]
    assert root.send(page, NEW, site="nowhere", reason="x").status_code == 422
    assert windows(city) == []
