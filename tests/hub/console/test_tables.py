"""Long lists: searched, ordered and turned over by their address, for a scope of districts; as files; compressed."""

import csv
import gzip
import io
import re
import socket
import time

import httpx
import msgspec
import pytest

from hub.alerts.book import Book
from hub.alerts.records import Alert, AlertWindow
from hub.http.server import listen
from hub.registry.entries import District
from hub.registry.live import Board, Site
from hub.storage.database import transaction
from tests.hub.alerting import AlertCity, write_files
from tests.hub.console.pages import Read, a_console
from tests.hub.helpers import CITY

MANY = 120
SEVERITIES = ("critical", "violation", "suspicion", "warning", "info")


def registry_of_many():
    """The city with further sites in the north, each with a board."""
    sites = {
        f"lot-{n:03}": Site(
            id=f"lot-{n:03}",
            district="north",
            kind="construction",
            en=f"Lot {n}",
            zh=f"地块{n}",
            position=(31.0 + n / 1000, 121.0 + n % 7 / 100),
        )
        for n in range(MANY)
    }
    boards = {f"board-{n:03}": Board(id=f"board-{n:03}", site=f"lot-{n:03}") for n in range(MANY)}
    named = {
        id_: District(id=id_, city="town", en=id_.title(), zh=zh) for id_, zh in (("north", "北区"), ("south", "南区"))
    }
    return msgspec.structs.replace(
        CITY, sites={**CITY.sites, **sites}, boards={**CITY.boards, **boards}, named_districts=named
    )


def alert_of(n, state, severity, **more):
    site, kind = more.pop("site", f"lot-{n:03}"), more.pop("kind", "limit")
    return Alert(
        kind=kind,
        district=more.pop("district", "north"),
        site=site,
        device=f"board-{n:03}",
        rule=more.pop("rule", f"{kind} {n}"),
        state=state,
        severity=severity,
        opened=1000.0 + n,
        fired=None if state == "pending" else 2000.0 - n,
        first=1000,
        last=2000,
        text="x\nx",
        **more,
    )


@pytest.fixture
def city(tmp_path):
    with (
        AlertCity(tmp_path / "data", now=time.time()) as alerts,
        a_console(write_files(tmp_path), registry_of_many()) as site,
    ):
        site.alerts, site.book = alerts, Book(alerts.db, time.time)
        yield site


def add(city, *alerts):
    with transaction(city.alerts.db):
        for one in alerts:
            city.book.add_alert(one)


def sites_in(page):
    return [link.rpartition("/")[2] for link in page.links if link and link.startswith("/console/sites/")]


def table_of(page):
    """Return the ids of the sites that stand in the table, below the map."""
    marks = page.tags.index(("tbody", {})) if ("tbody", {}) in page.tags else len(page.tags)
    hrefs = [values["href"] for tag, values in page.tags[marks:] if tag == "a"]
    return [href.rpartition("/")[2] for href in hrefs if href.startswith("/console/sites/")]


def test_sites_are_ordered_by_the_address_turned_over_and_searched(city):
    add(
        city,
        alert_of(7, "firing", "critical"),
        alert_of(9, "firing", "warning"),
        alert_of(9, "acknowledged", "info", kind="silent"),
    )
    browser = city.browser("inspector")
    first = browser.read("/console/map")
    assert table_of(first)[:2] == ["lot-007", "lot-009"], "the gravest first"
    assert len(table_of(first)) == 50
    (following,) = [values["href"] for tag, values in first.tags if tag == "a" and values.get("rel") == "next"]
    last = browser.read("/console/map?page=3")
    assert len({*table_of(first), *table_of(browser.read(following)), *table_of(last)}) == MANY + 2
    assert table_of(browser.read("/console/map?page=99")) == table_of(last)
    by_name = browser.read("/console/map?sort=-site&q=lot+1")
    assert table_of(by_name)[:2] == ["lot-019", "lot-018"]
    assert "sort=-site" in "".join(link for link in by_name.links if "sites.csv" in link)
    again = [link for link in by_name.links if "sort=site" in link]
    assert again, "the heading of its column turns it round"
    assert "q=lot" in again[0]
    assert [values for tag, values in by_name.tags if tag == "th" and values.get("aria-sort") == "descending"]
    assert table_of(browser.read("/console/map?q=%E5%9C%B0%E5%9D%977")) == [
        "lot-007",
        *[f"lot-07{n}" for n in range(10)],
    ]
    assert table_of(browser.read("/console/map?sort=-alerts"))[0] == "lot-009"
    assert "No site has that in its name" in browser.read("/console/map?q=nowhere").text
    assert browser.get("/console/map?sort=drop+table&page=1").status_code == 200
    assert browser.get("/console/map?page=0").status_code == 422


def test_the_fleet_is_ordered_turned_over_and_searched(city):
    add(city, alert_of(50, "firing", "warning", kind="silent"))
    browser = city.browser("inspector")
    page = browser.read("/console/fleet")
    assert page.text.index("board-050") < page.text.index("board-000")
    assert len(table_of(page)) == 50
    assert table_of(browser.read("/console/fleet?q=board-05&sort=-id"))[0] == "lot-059"
    assert table_of(browser.read("/console/fleet?trouble=1")) == ["lot-050"]
    rows = list(
        csv.DictReader(io.StringIO(browser.get("/console/fleet.csv?q=board-05&sort=-id").content.decode("utf-8-sig")))
    )
    assert [row["id"] for row in rows] == [f"board-05{n}" for n in range(9, -1, -1)]


def test_today_begins_with_the_gravest_and_all_of_a_section_stand_on_pages_of_their_own(city):
    add(city, *(alert_of(n, "firing", SEVERITIES[n % 5]) for n in range(MANY)))
    browser = city.browser("officer-2")
    page = browser.read("/console/today")
    shown = [link for link in page.links if link and link.startswith("/console/alerts/")]
    assert len(shown) == 12
    (whole,) = [link for link in page.links if link and "heap=waiting" in link]
    assert f"All {MANY}" in page.text
    pages = [browser.read(f"{whole}&page={n}") for n in (1, 2, 3)]
    found = [int(link.rpartition("/")[2]) for one in pages for link in one.links if link.startswith("/console/alerts/")]
    by_hand = sorted(city.book.search_alerts(limit=1000), key=lambda one: (SEVERITIES.index(one.severity), one.fired))
    assert found == [one.id for one in by_hand]
    rows = list(csv.DictReader(io.StringIO(browser.get("/console/alerts.csv").content.decode("utf-8-sig"))))
    assert [int(row["id"]) for row in rows] == found
    only = browser.read("/console/today?severity=info")
    assert f"All {MANY // 5}" in only.text


def test_what_is_in_whose_hands_is_counted_and_found_by_whoever_asks(city):
    add(
        city,
        alert_of(1, "acknowledged", "warning", acknowledged_by="officer-2"),
        alert_of(2, "acknowledged", "critical", acknowledged_by="officer-3"),
        alert_of(3, "resolved", "info", acknowledged_by="officer-2"),
        alert_of(4, "resolved", "violation"),
        alert_of(5, "pending", "warning"),
        alert_of(6, "firing", "warning", district="south", site="mill"),
        alert_of(7, "closed", "critical"),
    )
    titles = {"mine": "In your hands", "others": "In the hands of others", "over": "Over", "early": "Early"}

    def numbers(browser, query=""):
        page = browser.read(f"/console/today{query}")
        return [int(link.rpartition("/")[2]) for link in page.links if link and link.startswith("/console/alerts/")]

    officer = city.browser("officer-2")
    assert numbers(officer) == [6, 1, 4, 3, 5, 2]
    assert numbers(officer, "?whose=mine") == [1, 3]
    assert numbers(officer, "?heap=others") == [2]
    assert numbers(officer, "?heap=others&whose=mine") == []
    assert [title for title in titles.values() if title not in officer.read("/console/today").text] == []
    assert numbers(city.browser("officer-south")) == [6]
    assert numbers(city.browser("officer-south"), "?district=north") == [6], "not a district of theirs: as if not asked"
    south = city.browser("officer-south")
    for path in ("today", "map", "verdicts", "fleet", "alerts.csv", "sites.csv", "verdicts.csv", "fleet.csv"):
        for query in ("", "?district=north", "?district=north&heap=over", "?site=lot-001&q=lot"):
            told = south.get(f"/console/{path}{query}")
            assert told.status_code == 200
            assert "/console/sites/lot-" not in told.text, (path, query)
            assert "lot-0" not in told.text.replace("site=lot-001", "").replace('value="lot-001"', ""), (path, query)
            assert "North" not in told.text, (path, query)
            assert "Lot " not in told.text, (path, query)


def test_a_name_that_many_sites_have_asks_which_one(city):
    browser = city.browser("inspector")
    page = browser.read("/console/verdicts?site=lot")
    assert "Which site?" in page.text
    assert "and 70 more" in page.text
    assert "No verdict is like that" in browser.read("/console/verdicts?site=nowhere").text


def test_every_file_is_safe_for_a_spreadsheet(city):
    add(city, alert_of(1, "firing", "critical", acknowledged_by="=HYPERLINK(1)", unit="@x", value=1.0))
    browser = city.browser("inspector")
    for path in ("/console/alerts.csv", "/console/sites.csv"):
        answer = browser.get(path)
        assert answer.headers["content-disposition"].startswith("attachment"), path
        cells = [cell for row in csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-"))], path


def test_pages_are_compressed_and_events_are_not(city):
    browser = city.browser("inspector")
    page = browser.http.get("/console/map", headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in page.headers["vary"].lower()
    plain = browser.http.get("/console/map", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    sheet = next(values["href"] for tag, values in Read(plain.text).tags if values.get("rel") == "stylesheet")
    file = browser.http.get(sheet, headers={"accept-encoding": "gzip"})
    assert file.headers["content-encoding"] == "gzip"
    assert "immutable" in file.headers["cache-control"]
    with browser.http.stream("GET", "/console/events", headers={"accept-encoding": "gzip"}) as events:
        assert "content-encoding" not in events.headers
        first = next(events.iter_raw())
        assert first.startswith(b"retry:"), "it comes at once, and as it is"


def test_the_length_of_a_page_tells_nothing_of_its_token(city):
    browser = city.browser("officer-2")
    tokens = {browser.read("/console/me").form("/console/sign-out").fields["form_token"] for _ in range(5)}
    assert len(tokens) == 5
    assert {len(token) for token in tokens} == {128}
    for wrong in ("", "00" * 64, "zz", next(iter(tokens))[:64], "é"):
        assert browser.post("/console/sign-out", {"form_token": wrong}).status_code == 403, wrong
    assert browser.post("/console/sign-out", {"form_token": tokens.pop()}).status_code == 303


def test_an_answer_does_not_wait_for_its_head_to_be_acknowledged():
    with listen("127.0.0.1", 0) as found:
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        with socket.create_connection(found.getsockname()):
            taken, _ = found.accept()
            with taken:
                assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_first_and_later_visits_stay_small(city):
    """At most 150 KB with the files, and 30 KB without, of a city with marks for 122 sites and full lists."""
    add(city, *(alert_of(n, "firing", SEVERITIES[n % 5]) for n in range(MANY)))
    browser = city.browser("officer-2")
    files = 0
    for path in ("/console/today", "/console/map", "/console/verdicts", "/console/fleet"):
        answer = browser.http.get(path, headers={"accept-encoding": "gzip"})
        assert len(gzip.compress(answer.content, 5)) < 30_000, path
    page = Read(browser.get("/console/today").text)
    for _, values in page.tags:
        address = values.get("src") or values.get("href") or ""
        if address.startswith("/console/static/"):
            files += len(gzip.compress(browser.get(address).content, 5))
    assert files < 120_000


def test_a_conflicting_connection_is_not_needed_to_read(city):
    """Whoever reads does not wait for those who write: another process holds the database's write lock meanwhile."""
    browser = city.browser("inspector")
    with transaction(city.alerts.db):
        answer = browser.http.get("/console/today", timeout=httpx.Timeout(20))
    assert answer.status_code == 200


RULED = {"kind": "rule", "rule": "muck-sealed", "value": 170.0, "unit": "s"}


@pytest.mark.parametrize(
    ("lang", "said", "limited"),
    [
        ("en", "rule broken: Loads are covered on the road 170 s", "A round empties each of its bins 0.62 limit 0.8"),
        ("zh", "违反规定：重车行驶应密闭 170 s", "收运线路应逐点清运 0.62 限值 0.8"),
    ],
)
def test_an_alert_about_a_rule_says_which_rule_and_its_value_as_people_write_it(city, lang, said, limited):
    share = {"kind": "rule", "rule": "bin-round", "value": 0.62, "limit_value": 0.8, "unit": "1"}
    clock = {"kind": "clock", "rule": "clock", "value": 12.0, "unit": "s"}
    add(city, *(alert_of(n, "firing", "violation", **one) for n, one in enumerate((RULED, share, clock))))
    with transaction(city.alerts.db):
        window = {"start": 1000, "end": 1170, "revision": 1, "outcome": "exceeded", "value": 170.0, "capture": None}
        city.book.replace_window(AlertWindow(alert=1, **window), 1000)
    browser = city.browser("officer-2", lang)
    told = " ".join(browser.read("/console/today").text.split())
    assert said in told
    assert f"{limited} " in told
    assert not re.search(r"：\s+\d", told), "nothing is missing before a value"
    assert "None" not in told
    assert said.rpartition(" 170")[0] in " ".join(browser.read("/console/sites/lot-000").text.split())
    page = browser.read("/console/alerts/1")
    assert "170 s" in page.text
    assert not re.search("(limit|限值)–", page.text), "it has none"
    assert {"en": "rule broken", "zh": "违规"}[lang] in page.text
    assert not re.search("exceeded|超标", page.text), "that is said of limits"
    lines = csv.DictReader(io.StringIO(browser.get("/console/alerts.csv").content.decode("utf-8-sig")))
    assert said.rpartition(" 170")[0] in {line["what"] for line in lines}
