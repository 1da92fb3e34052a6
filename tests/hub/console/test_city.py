"""Map, site, verdicts and fleet: what each shows, to whom, and that no name breaks them."""

import csv
import io
import time

import msgspec
import pytest

from hub.compliance.verdicts import VerdictTable
from hub.registry.live import Contact
from hub.storage.database import transaction
from tests.hub.alerting import AlertCity, verdict, write_files
from tests.hub.console.pages import Read, a_console
from tests.hub.helpers import CITY

EVIL = '<img src=x onerror="alert(1)">'
PAGES = ("/console/map", "/console/sites/tower", "/console/verdicts", "/console/fleet", "/console/today")


def registry_of_evil():
    """The city with a site and a contact whose names are markup, and positions."""
    tower = msgspec.structs.replace(
        CITY.sites["tower"],
        en=EVIL,
        zh=EVIL,
        position=(31.2, 121.4),
        contacts=(Contact(role=EVIL, name="=cmd|'/c calc'!A0", phone='1" onclick="x', email="a@b.example"),),
    )
    mill = msgspec.structs.replace(CITY.sites["mill"], position=(31.3, 121.5), en="=HYPERLINK(1)", zh="=HYPERLINK(1)")
    return msgspec.structs.replace(CITY, sites={"tower": tower, "mill": mill})


@pytest.fixture
def city(tmp_path):
    now = time.time()
    with AlertCity(tmp_path / "data", now=now) as alerts:
        with transaction(alerts.db):
            for value, more in ((74.0, {}), (62.0, {"device": "fence-2"}), (70.0, {"device": "stack-1"})):
                VerdictTable(alerts.db).add(verdict(value, start=int(now) - 1300, **more))
        alerts.judge(74.0, start=int(now) - 1300)
        with a_console(write_files(tmp_path), registry_of_evil()) as site:
            site.alerts = alerts
            yield site


def test_sites_are_shown_by_colour_shape_and_word_and_the_gravest_is_listed_first(city):
    page = city.browser("inspector").read("/console/map")
    marks = [values["class"] for tag, values in page.tags if tag == "a" and values.get("class") in {"bad", "good"}]
    assert sorted(marks) == ["bad", "good"]
    listed = [link for link in page.links if link and link.startswith("/console/sites/")][-2:]
    assert listed == ["/console/sites/tower", "/console/sites/mill"]
    assert "exceeded" in page.text
    assert "within limits" in page.text
    foreign = [v for _, values in page.tags for v in values.values() if v and v.startswith(("http:", "https:", "//"))]
    assert foreign == [], "no other server is asked for anything"


def test_no_name_becomes_markup_on_any_page(city):
    browser = city.browser("officer-2")
    for path in (*PAGES, "/console/alerts/1"):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert "<img src=x" not in answer.text, path
        page = Read(answer.text)
        for tag, values in page.tags:
            assert not [name for name in values if name.startswith("on")], (path, tag, values)
        assert EVIL in page.text or path == "/console/fleet", path


def test_csv_is_not_run_by_a_spreadsheet_and_reads_back(city):
    browser = city.browser("inspector")
    for path in ("/console/verdicts.csv", "/console/fleet.csv"):
        text = browser.get(path).content.decode("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert "'=HYPERLINK(1)" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    rows = list(
        csv.DictReader(io.StringIO(browser.get("/console/verdicts.csv?site=tower").content.decode("utf-8-sig")))
    )
    assert {row["site"] for row in rows} == {"tower"}
    assert {(row["device"], row["outcome"], row["value"]) for row in rows} == {
        ("fence-1", "exceeded", "74"),
        ("fence-2", "compliant", "62"),
    }


def test_other_districts_are_on_no_page_and_in_no_file(city):
    south, north = city.browser("officer-south"), city.browser("officer-north")
    for path in ("/console/map", "/console/verdicts", "/console/fleet", "/console/verdicts.csv", "/console/fleet.csv"):
        assert "tower" not in south.get(path).text, path
        assert "mill" in south.get(path).text, path
        assert "mill" not in north.get(path).text, path
    assert south.get("/console/sites/tower").status_code == 404
    assert north.get("/console/sites/tower").status_code == 200
    assert "/console/sites/tower" not in south.read("/console/verdicts?site=tower&district=north").links
    assert "fence-1" not in south.get("/console/verdicts.csv?site=tower&district=north").text


def lines_of(page):
    return len([tag for tag, _ in page.tags if tag == "tr"]) - 1


def test_verdicts_are_searched_and_go_on_on_the_next_page(city):
    with transaction(city.alerts.db):
        for n in range(60):
            VerdictTable(city.alerts.db).add(verdict(60.0, start=int(city.alerts.now) - 200_000 + 1200 * n))
    browser = city.browser("inspector")
    page = browser.read("/console/verdicts?site=tower&outcome=compliant")
    (following,) = [link for link in page.links if "page=2" in link]
    assert "site=tower" in following
    assert (lines_of(page), lines_of(browser.read(following))) == (50, 11), "60 and the one of 62 dB(A)"
    assert "No verdict is like that" in browser.read("/console/verdicts?outcome=open").text
    assert browser.get("/console/verdicts?before=-1").status_code == 422


def test_a_site_shows_its_last_verdicts_its_days_and_whom_to_call(city):
    page = city.browser("inspector").read("/console/sites/tower")
    days = [values for tag, values in page.tags if tag == "span" and values.get("role") == "listitem"]
    assert len(days) == 35
    assert "bad" in {day["class"] for day in days}
    assert "a@b.example" in page.text
    assert [link for link in page.links if link and link.startswith("tel:")] == ['tel:1"onclick="x']


def test_a_board_with_a_trouble_stands_first_in_the_fleet(city):
    with transaction(city.alerts.db):
        city.alerts.db.execute(
            "INSERT INTO alert (kind, district, site, device, rule, state, severity, opened, fired, first, last, text) "
            "VALUES ('silent', 'north', 'tower', 'fence-2', 'board silent', 'firing', 'warning', 1, 1, 1, 1, 'x')"
        )
    browser = city.browser("inspector")
    page = browser.read("/console/fleet")
    assert page.text.index("fence-2") < page.text.index("fence-1")
    assert "board silent" in page.text
    only = browser.read("/console/fleet?trouble=1").text
    assert "fence-2" in only
    assert "fence-1" not in only


@pytest.mark.parametrize(("lang", "said"), [("en", "board (MQTT)"), ("zh", "设备（MQTT）")])
def test_how_something_sends_is_told_in_words_and_in_files_by_its_name(city, lang, said):
    browser = city.browser("inspector", lang)
    assert said in browser.read("/console/fleet").text
    assert said in browser.read("/console/sites/tower").text
    (channel,) = {row["channel"] for row in csv.DictReader(io.StringIO(browser.get("/console/fleet.csv").text))}
    assert channel == "board"
