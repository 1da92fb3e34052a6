"""The audit trail: all that people did in one order, searched, page by page, by district, and as a safe file."""

import csv
import io
import time
from contextlib import closing
from datetime import datetime
from typing import get_args

import pytest

from hub.access.tokens import ROLES, Act
from hub.access.words import ACTS, ROLE_NAMES
from hub.console.pages import audit
from hub.orders.book import Asked, OrderBook
from hub.orders.tables import PART as ORDERS
from hub.storage.compliance_file import open_compliance
from tests.hub.alerting import AlertCity, write_files
from tests.hub.console.pages import Read, a_console
from tests.hub.helpers import CITY

HERE = "/console/audit"
FORMULA = '=HYPERLINK("https://evil.example")'


@pytest.fixture
def acts(city, alert):
    """One act of each kind, in both districts, by different people."""
    desk, now = city.alerts.desk, city.alerts.now
    desk.acknowledge(1, "officer-north", FORMULA)
    desk.maintenance.add("tower", "fence-1", now, now + 3600, "north window", "root")
    desk.maintenance.add("mill", "", now, now + 3600, "south window", "root")
    desk.maintenance.remove(2, "chief")
    with closing(open_compliance(city.config.data / "compliance.db", ORDERS)) as db:
        asked = Asked("fence-1", "north", "tower", "ping", {}, "technician-7", "is it there?", 600)
        OrderBook(db).give(asked, now)
    with city.users() as (access, _):
        access.change("officer-3", "viewer", time.time(), "root", ("north",))
    return city


def found(browser, query=""):
    """Return the lines of the file: who, what, about."""
    rows = csv.DictReader(io.StringIO(browser.get(f"{HERE}.csv{query}").text.lstrip("\ufeff")))
    return [(row["who"], row["what"], row["about"]) for row in rows]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_kind_of_act_is_there_with_who_did_it(acts, lang):
    root = acts.browser("root", lang)
    page = root.read(HERE)
    for said in ("officer-north", "north window", "south window", "chief", "technician-7", "is it there?", "officer-3"):
        assert said in page.text
    for link in ("/console/alerts/1", "/console/maintenance", "/console/fleet/fence-1", "/console/users/officer-3"):
        assert link in page.links
    assert ("hub", "firing") not in [(who, what) for who, what, _ in found(root)], "of people alone"
    times = list(csv.DictReader(io.StringIO(root.get(f"{HERE}.csv").text.lstrip("\ufeff"))))
    assert [row["time"] for row in times] == sorted((row["time"] for row in times), reverse=True)


def test_a_file_for_spreadsheets_runs_nothing(acts):
    answer = acts.browser("root").get(f"{HERE}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert rows[0] == ["time", "who", "kind", "what", "about", "detail"]
    assert f"'{FORMULA}" in [row[5] for row in rows]
    assert not [cell for row in rows[1:] for cell in row if cell[:1] in set("=+@\t\r")]


def test_it_is_searched_by_kind_by_who_and_by_day(acts):
    root = acts.browser("root")
    assert {who for who, _, _ in found(root, "?who=chief")} == {"chief"}
    assert [what for _, what, _ in found(root, "?kind=maintenance&who=root")] == ["window opened"] * 2
    assert found(root, "?kind=orders") == [("technician-7", "answer with a status", "fence-1")]
    today = datetime.fromtimestamp(time.time(), CITY.zone).date()
    assert found(root, f"?since={today.replace(year=today.year + 1)}") == []
    assert found(root, f"?until={today.replace(year=today.year - 1)}") == []
    whole = found(root)
    assert whole == found(root, "?since=2020-01-01&until=2090-12-31")
    assert whole == found(root, "?since=nonsense&until=9999-99-99")
    assert found(root, "?kind=nonsense") == []
    assert "Nothing on record is like that" in root.read(f"{HERE}?who=nobody").text
    assert root.get(f"{HERE}?who={'x' * 101}").status_code == 422


def test_page_by_page_nothing_is_left_out_or_shown_twice_even_of_one_moment(acts, monkeypatch):
    monkeypatch.setattr(audit, "PAGE", 4)
    with acts.users() as (access, sessions):
        for n in range(11):  # all of one moment, as a program may write them
            access.add(f"user-{n}", "viewer", 1_700_000_000.25, "root")
            sessions.make_link(f"user-{n}", 1_700_000_000.25, "root")
    desk = acts.alerts.desk
    acts.alerts.now = 1_700_000_000.25
    for n in range(5):
        desk.comment(1, "officer-2", f"remark {n}")
    root = acts.browser("root")
    whole, seen, path = root.get(f"{HERE}.csv").text.count("\r\n") - 1, [], HERE
    while path:
        page = root.read(path)
        rows = [values for tag, values in page.tags if tag == "time"]
        seen += rows
        path = next((link for link in page.links if link and link.startswith(f"{HERE}?before=")), None)
    assert len(seen) == whole
    assert whole > 27
    for broken in ("x", "1e9~1~1", "-1~0~0", "9" * 400, "1~9~" + "9" * 19, "1700000000~1"):
        assert root.get(f"{HERE}?before={broken}").status_code in {200, 422}


def test_each_sees_only_acts_in_their_districts_and_only_an_admin_what_was_done_with_users(acts):
    officer = acts.browser("officer-north")
    page = officer.read(HERE)
    assert "north window" in page.text
    assert "is it there?" in page.text
    assert "south window" not in page.text
    assert "officer-3" not in page.text
    assert found(officer, "?kind=access") == []
    assert found(officer, "?kind=messages") == []
    south = acts.browser("officer-south")
    assert {about for _, _, about in found(south)} == {"Old Mill"}
    with acts.users() as (access, _):
        access.add("north-admin", "admin", time.time(), "root", ("north",))
    north = acts.browser("north-admin")
    names = {about for _, _, about in found(north, "?kind=access")}
    assert {"officer-3", "officer-north", "north-admin"} == names


def test_what_was_done_in_the_console_stands_there_at_once(city):
    root = city.browser("root")
    page = root.read("/console/users/officer-2")
    root.send(page, "/console/users/officer-2/change", role="viewer", reach="all")
    assert ("root", "role or districts changed", "officer-2") in found(root)
    assert "inspector" in Read(root.get(f"{HERE}?kind=access").text).text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_where_the_hubs_clock_is_a_simulated_one_the_trail_says_which_times_are_real(tmp_path, lang):
    config, real = write_files(tmp_path), {"en": "real time", "zh": "实际时间"}[lang]
    with AlertCity(tmp_path / "data", now=1_700_000_000.0) as alerts:
        alerts.judge(74.0, start=1_699_999_000)
        alerts.desk.acknowledge(1, "officer-2")
        with a_console(config, clock=lambda: 1_700_000_000.0) as site:
            page = site.browser("root", lang).read(HERE)
            rows = [row for row in page.text.split("\n") if "2023-11" in row or real in row]
            assert page.text.count(real) == 1 + sum(len(site_steps) for site_steps in steps_of(site).values())
            assert any("2023-11" in row and "officer-2" in row and real not in row for row in rows)
    with AlertCity(tmp_path / "data", now=time.time()), a_console(config, users=()) as site:
        assert real not in site.browser("root", lang).read(HERE).text


def steps_of(site):
    with site.users() as (access, _):
        return {user.name: access.steps_of(user.name) for user, _, _ in access.users()}


def test_every_role_has_its_words_in_the_trail():
    assert set(ROLE_NAMES) == set(ROLES)
    assert set(ACTS) == set(get_args(Act))
