"""Pages of things: whose they are, what they show, forms and files that change them, positions and tracks."""

import csv
import io
import itertools
import json
import re
from contextlib import closing

import msgspec
import pytest

from hub.compliance.tables import PART as COMPLIANCE
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import domains
from tests.hub.console.haulage import MIDNIGHT, a_haulage
from tests.hub.helpers import query

HOSTILE = "<img src=x onerror=alert(1)>"
SQUARE = [[113.1, 23.0], [113.11, 23.0], [113.11, 23.01], [113.1, 23.01], [113.1, 23.0]]


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A night of two trucks, one of each district, each with something planted."""
    with a_haulage(tmp_path_factory.mktemp("haulage")) as city:
        city.trucks.know(
            thing("company", "acme", en=HOSTILE, zh="=cmd|'/c calc'!A1"),
            thing("company", "northern", district="north"),
            thing("company", "southern", district="south"),
            thing("dead_zone", "south-tunnel", district="south", geometry={"type": "Polygon", "coordinates": [SQUARE]}),
        )
        yield city


def thing(kind, id_, **said):
    said.setdefault("geometry", None)
    return msgspec.convert({"kind": kind, "id": id_, "en": id_, "zh": id_} | said, Thing)


def editions(city, kind, id_):
    with closing(open_compliance(city.config.data / "compliance.db", THINGS)) as db:
        return ThingStore(db).rows(kind, id_)


def alerts(city):
    rows = query(city.config.data / "compliance.db", "SELECT * FROM alert ORDER BY id")
    assert rows, "something was planted"
    return rows


def upload(browser, page, name, content, **fields):
    """Send the form of the import page with a file."""
    given = page.form("/console/import-things").fields | {"act": "take"} | fields
    headers = {"origin": browser.url, "sec-fetch-site": "same-origin"}
    files = {"file": (name, content, "application/octet-stream")}
    browser.last = browser.http.post("/console/import-things", data=given, files=files, headers=headers)
    return browser.last


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["haulage company", "Trips of late", "Electronic manifest", "Haul permit"]),
        ("zh", ["运输企业", "近期车次", "电子联单", "准运证"]),
    ],
)
def test_a_vehicle_shows_what_it_is_where_it_is_and_what_refers_to_it(city, lang, words):
    truck = alerts(city)[0]["device"]
    page = city.browser("inspector", lang).read(f"/console/things/vehicle/{truck}")
    assert all(word in page.text for word in words)
    assert f"粤A{truck[-4:]}0" in page.text
    assert f"/console/track/vehicle/{truck}" in page.links
    company = next(link for link in page.links if link and link.startswith("/console/things/company/"))
    back = city.browser("inspector", lang).read(company)
    assert f"/console/things/vehicle/{truck}" in back.links
    assert f"/console/alerts/{alerts(city)[0]['id']}" in back.links, "a company answers for its vehicles"
    manifest = next(link for link in page.links if link and "/things/manifest/" in link)
    cited = city.browser("inspector", lang).read(manifest)
    assert any(link and link.startswith(f"/console/track/vehicle/{truck}?") for link in cited.links), "verdicts cite it"


def test_lists_are_searched_ordered_narrowed_and_taken_along(city):
    browser = city.browser("inspector")
    page = browser.read("/console/things/vehicle?q=粤A00010")
    assert [link for link in page.links if link and re.fullmatch("/console/things/vehicle/[a-z0-9-]+", link)] == [
        "/console/things/vehicle/truck-0001"
    ]
    down = browser.read("/console/things/vehicle?sort=-id")
    rows = [link for link in down.links if link and re.fullmatch("/console/things/vehicle/truck-[0-9]+", link)]
    assert rows == ["/console/things/vehicle/truck-0001", "/console/things/vehicle/truck-0000"]
    narrowed = browser.read("/console/things/haul_permit?of=vehicle&named=truck-0000")
    assert "/console/things/haul_permit/hp-truck-0000" in narrowed.links
    assert "/console/things/haul_permit/hp-truck-0001" not in narrowed.links
    over = browser.read("/console/things/manifest?state=over").text
    assert "m-0000-0" in over
    table = list(
        csv.DictReader(io.StringIO(browser.get("/console/things/vehicle/list.csv").text.removeprefix("\ufeff")))
    )
    assert [row["plate"] for row in table] == ["粤A00000", "粤A00010"]
    figures = browser.get("/console/things/project/list.geojson").json()
    assert {one["geometry"]["type"] for one in figures["features"]} == {"Polygon"}


def test_names_are_nobodys_script_and_no_spreadsheets_formula(city):
    browser = city.browser("root")
    for path in ("/console/things/company", "/console/things/company/acme", "/console/things/company/acme/edit"):
        text = browser.get(path).text
        assert HOSTILE not in text, path
        assert "&lt;img src=x" in text, path
    table = browser.get("/console/things/company/list.csv").text
    row = next(row for row in csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))) if row["id"] == "acme")
    assert row["zh"] == "'=cmd|'/c calc'!A1"


def test_what_belongs_to_another_district_is_as_if_it_were_not_there(city):
    browser = city.browser("officer-north")
    assert "/console/things/company/northern" in browser.read("/console/things/company").links
    assert "southern" not in browser.get("/console/things/company").text
    assert "southern" not in browser.get("/console/things/company/list.csv").text
    assert "south-tunnel" not in browser.get("/console/things/dead_zone/list.geojson").text
    assert "south-tunnel" not in browser.get("/console/live").text
    for path in (
        *("/console/things/company/southern", "/console/things/company/nobody", "/console/things/nothing"),
        *("/console/track/vehicle/truck-0001", "/console/track/company/acme", "/console/track/vehicle/nobody"),
    ):
        assert browser.get(path).status_code == 404, path
    live = browser.read("/console/live")
    assert "/console/things/vehicle/truck-0000" in live.links
    assert "truck-0001" not in browser.last.text, "it is heard in the south"
    assert "truck-0001" not in browser.get("/console/live.csv").text
    # What a truck is, belongs to the city; where it was and what was judged of it, to where it was heard.
    page = browser.read("/console/things/vehicle/truck-0001")
    assert "粤A00010" in page.text
    assert not any("/console/alerts/" in (link or "") for link in page.links)
    south = next(one for one in alerts(city) if one["district"] == "south")
    assert browser.get(f"/console/track/vehicle/truck-0001?alert={south['id']}").status_code == 404


def test_an_alert_shows_the_way_that_it_is_about_and_no_other_time_of_one_who_is_elsewhere_now(city):
    north = next(one for one in alerts(city) if one["district"] == "north")
    path = f"/console/track/vehicle/{north['device']}"
    asked = f"{path}?alert={north['id']}&since=2026-03-02T20:00&until=2026-03-02T20:30"
    browser, database = city.browser("officer-north"), city.config.data / "compliance.db"
    assert "2026-03-02 20:00" in browser.read(asked).text
    with closing(open_compliance(database, COMPLIANCE)) as db:
        db.execute("UPDATE rule_subject SET district = 'south' WHERE id = ?", (north["device"],))
        try:
            assert browser.get(path).status_code == 404
            assert "2026-03-02 20:00" not in browser.read(asked).text
            assert f"/console/alerts/{north['id']}" in browser.read(asked).links
        finally:
            db.execute("UPDATE rule_subject SET district = 'north' WHERE id = ?", (north["device"],))


def test_a_thing_of_another_kind_with_the_same_id_has_not_its_alerts(city):
    id_ = alerts(city)[0]["device"]
    city.trucks.know(thing("project", id_))
    browser = city.browser("inspector")

    def told(kind):
        return [
            one for one in browser.read(f"/console/things/{kind}/{id_}").links if one.startswith("/console/alerts/")
        ]

    assert told("vehicle")
    assert told("project") == []


def test_only_admins_change_and_only_what_is_of_their_districts(city):
    inspector, north = city.browser("inspector"), city.browser("root-north")
    for path in ("/console/add-thing/company", "/console/things/company/acme/edit", "/console/import-things"):
        assert inspector.get(path).status_code == 403, path
    page = north.read("/console/things/company/northern/edit")
    path = "/console/things/company/northern/edit"
    assert north.get("/console/things/company/acme/edit").status_code == 403, "it is the whole city's"
    assert north.get("/console/things/company/southern/edit").status_code == 404
    assert north.send(page, path, district="south", note="mine").status_code == 403
    assert north.send(page, path, district="", note="mine").status_code == 403
    assert north.post("/console/things/company/southern/edit", page.form(path).fields).status_code == 404
    assert north.post("/console/things/company/acme/edit", page.form(path).fields).status_code == 403
    token = inspector.read("/console/me").forms[-1].fields.get("form_token", "")
    taken = page.form(path).fields | {"form_token": token}
    assert inspector.post(path, taken).status_code == 403
    assert [len(editions(city, "company", id_)) for id_ in ("northern", "southern", "acme")] == [1, 1, 1]
    assert north.send(page, path, note="mine").status_code == 303
    assert editions(city, "company", "northern")[-1].who == "root-north"
    file = "id,en,zh,district\nsouthern,Southern,南方,north\n"
    taken = upload(north, north.read("/console/import-things?kind=company"), "a.csv", file)
    assert taken.status_code == 403, "it would be taken away from the south"
    assert len(editions(city, "company", "southern")) == 1


def test_a_change_is_an_edition_that_is_made_once_and_a_conflict_is_shown(city):
    path = "/console/things/haul_permit/hp-truck-0000/edit"
    first, second = city.browser("root"), city.browser("root")
    page, other = first.read(path), second.read(path)
    assert first.send(page, path, **{"p-hours": "19:00-05:00\n22:00-23:00"}).status_code == 303
    made = editions(city, "haul_permit", "hp-truck-0000")
    assert made[-1].thing().properties["hours"] == ["19:00-05:00", "22:00-23:00"]
    assert made[-1].valid_from == int(city.trucks.now) // 60 * 60
    assert first.send(page, path, **{"p-hours": "19:00-05:00\n22:00-23:00"}).status_code == 303, "it was done already"
    assert len(editions(city, "haul_permit", "hp-truck-0000")) == len(made) == 2
    refused = second.send(other, path, **{"p-number": "other 号"})
    assert refused.status_code == 409
    assert "root changed this meanwhile" in refused.text
    assert "19:00-05:00" in refused.text, "what was changed"
    assert 'value="other 号"' in refused.text, "what was written"
    assert len(editions(city, "haul_permit", "hp-truck-0000")) == 2
    history = second.read("/console/things/haul_permit/hp-truck-0000")
    assert "edition 2" in history.text
    assert "form in the console" in history.text
    assert "hp-truck-0000" in second.read("/console/audit?kind=things").text


def test_a_correction_takes_the_place_of_what_was_said_and_always_stays_always(city):
    path = "/console/things/company/acme/edit"
    browser = city.browser("root")
    answer = browser.send(browser.read(path), path, holds="correct", zh="安可", **{"p-registration": "91440000"})
    assert answer.status_code == 303
    last = editions(city, "company", "acme")[-1]
    assert (last.number, last.valid_from, last.thing().zh) == (2, None, "安可")
    shown = browser.read("/console/things/company/acme")
    assert "corrected" in shown.text
    assert "91440000" in shown.text


def test_a_form_names_what_is_wrong_and_keeps_what_was_written(city):
    path = "/console/add-thing/haul_permit"
    browser = city.browser("root", "zh")
    said = {"id": "hp-new", "en": "New", "zh": "新证", "from": "2026-03-02T00:00", "until": "2026-03-01T00:00"}
    said |= {"p-number": "N-1", "p-vehicle": "truck-0000", "p-company": "hauler-0"}
    page = browser.read(path)
    wrong = browser.send(page, path, **said)
    assert wrong.status_code == 422
    assert 'value="新证"' in wrong.text
    assert "失效时间" in wrong.text
    wrong = browser.send(page, path, **said | {"until": "2026-04-01T00:00", "p-company": "nobody"})
    assert wrong.status_code == 422
    assert "nobody" in wrong.text
    good = said | {"until": "2026-04-01T00:00", "people": "站长 | 王 | +86 757 0000 0000"}
    assert browser.send(page, path, **good).status_code == 303
    assert browser.send(page, path, **good).status_code == 303, "the form came twice"
    assert browser.send(page, path, **good | {"p-number": "N-2"}).status_code == 409, "the id is taken"
    (made,) = editions(city, "haul_permit", "hp-new")
    assert made.thing().people[0].role == "站长"
    foreign = browser.post(path, page.form(path).fields | good | {"form_token": "0" * 64})
    assert foreign.status_code == 403


def test_of_a_file_every_fault_is_named_before_anything_is_taken(city):
    browser = city.browser("root")
    file = (
        "id,en,zh,permit,builder,volume_m3,from,until,geometry\n"
        'p-1,One,一,P-1,acme,-5,2026-03-01,2026-04-01,"{""type"": ""Polygon"", ""coordinates"": [[[1,1],[2,1],[2,2],[1,1]]]}"\n'  # noqa: E501
        "p-2,Two,二,P-2,nobody,5,2026-03-01,2026-04-01,\n"
        "P 3,Three,三,P-3,acme,many,2026-03-01,2026-04-01,\n"
        "p-4,Four,四,P-4,acme,5,soon,2026-04-01,\n"
    )
    refused = upload(browser, browser.read("/console/import-things?kind=project"), "<b>sites.csv", file)
    assert refused.status_code == 422
    assert all(f"line {line}" in refused.text for line in (2, 3, 4, 5)), refused.text
    assert "fenceline-import" not in refused.text, "no path of the machine"
    assert editions(city, "project", "p-1") == []


def test_a_file_is_checked_then_taken_once_and_not_past_what_somebody_else_did(city):
    browser = city.browser("root")
    page = browser.read("/console/import-things")
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": {"kind": "speed_zone", "id": "zone-1", "en": "Zone", "zh": "学校", "limit_kmh": 30},
    }
    file = json.dumps({"type": "FeatureCollection", "features": [feature]})
    checked = upload(browser, page, "zones.geojson", file, act="check")
    assert checked.status_code == 200
    assert "zone-1" in checked.text
    assert editions(city, "speed_zone", "zone-1") == []
    assert upload(browser, page, "zones.geojson", file, system="gcj02").status_code == 200
    (made,) = editions(city, "speed_zone", "zone-1")
    assert made.source == "zones.geojson"
    assert abs(json.loads(made.geometry)["coordinates"][0][0][0] - 113.1) > 0.001, "moved from GCJ-02 to WGS-84"
    again = upload(browser, page, "zones.geojson", file, system="gcj02")
    assert "nothing changes" in again.text
    other = file.replace("30}", "40}")
    assert upload(browser, page, "zones.geojson", other, system="gcj02").status_code == 409, "its form is older"
    assert len(editions(city, "speed_zone", "zone-1")) == 1
    assert upload(browser, browser.read("/console/import-things"), "zones.exe", other).status_code == 422
    assert upload(browser, page, "zones.geojson", other, form_token="0" * 64).status_code == 403


def test_the_live_map_says_who_is_where_and_how(city):
    browser = city.browser("inspector")
    page = browser.read("/console/live")
    assert "2 here, the gravest: " in page.text, "both stand on one spot when the night is over"
    for id_ in ("truck-0000", "truck-0001"):
        tags = browser.read(f"/console/live?q={id_}").tags
        (mark,) = [values for tag, values in tags if tag == "use"]
        assert mark["href"] in {"#triangle", "#diamond", "#circle", "#square", "#ring", "#cross"}
    rows = list(csv.DictReader(io.StringIO(browser.get("/console/live.csv").text.removeprefix("\ufeff"))))
    assert {row["id"]: row["district"] for row in rows} == {"truck-0000": "north", "truck-0001": "south"}
    assert all(22.9 < float(row["lat"]) < 23.2 and row["states"] for row in rows)
    lat, lon = float(rows[0]["lat"]), float(rows[0]["lon"])
    here, away = (f"{x - 0.0005},{lat - 0.0005},{x + 0.0005},{lat + 0.0005}" for x in (lon, lon + 0.01))
    track = f"/console/track/vehicle/{rows[0]['id']}"
    assert track in browser.read(f"/console/live?box={here}").links
    assert track not in browser.read(f"/console/live?box={away}").links, "the list has what lies in it"
    assert track in browser.read(f"/console/live?state={rows[0]['state']}&district=north&q=粤A").links
    assert track not in browser.read("/console/live?district=south").links
    for wrong in ("1,2,3", "nan,0,1,1", "10,10,5,5", "-999,0,1,1", "a,b,c,d"):
        assert browser.get(f"/console/live?box={wrong}").status_code == 200, wrong


def test_nobody_is_shown_where_a_person_is_or_was(city, monkeypatch):
    assert domains.thing_kinds()["worker"].personal
    kinds = dict(domains.thing_kinds())
    kinds["vehicle"] = msgspec.structs.replace(kinds["vehicle"], personal=True)
    monkeypatch.setattr(domains, "thing_kinds", lambda: kinds)
    for name in ("inspector", "root"):
        browser = city.browser(name)
        assert "/console/track/" not in browser.get("/console/live").text
        assert "/console/track/" not in browser.get("/console/things/vehicle/truck-0000").text
        for path in (
            "/console/track/vehicle/truck-0000",
            f"/console/track/vehicle/truck-0000?alert={alerts(city)[0]['id']}",
        ):
            assert browser.get(path).status_code == 404, path


def test_a_track_shows_what_happened_and_leads_back_to_the_alert(city):
    alert = next(one for one in alerts(city) if one["rule"] in {"muck-route", "muck-speed"})
    browser = city.browser("inspector")
    assert (
        f"/console/track/vehicle/{alert['device']}?alert={alert['id']}"
        in browser.read(f"/console/alerts/{alert['id']}").links
    )
    page = browser.read(f"/console/track/vehicle/{alert['device']}?alert={alert['id']}")
    for word in ("loaded", "lifted", "load dumped: empty", "stands"):
        assert word in page.text, word
    assert f"/console/alerts/{alert['id']}" in page.links
    assert any(values.get("class") == "bad" for tag, values in page.tags if tag == "path"), (
        "the way that broke the rule"
    )
    (replay,) = [values["data-replay"] for _, values in page.tags if "data-replay" in values]
    points = json.loads(replay)
    assert all(earlier[0] <= later[0] for earlier, later in itertools.pairwise(points))
    assert browser.get(f"/console/track/vehicle/truck-0000?alert={2**62}").status_code == 404
    other = next(id_ for id_ in ("truck-0000", "truck-0001") if id_ != alert["device"])
    assert browser.get(f"/console/track/vehicle/{other}?alert={alert['id']}").status_code == 404, (
        "it is not about that one"
    )
    for asked in (
        "since=x&until=y",
        "since=2026-03-02T21:00&until=2026-03-02T20:00",
        "since=0001-01-01T00:00&until=9999-12-31T00:00",
    ):
        assert browser.get(f"/console/track/vehicle/{other}?{asked}").status_code == 200, asked


def test_what_judging_no_longer_keeps_is_read_from_the_log(city):
    since, until = MIDNIGHT + 20 * 3600, MIDNIGHT + 22 * 3600
    path = "/console/track/vehicle/truck-0000?since=2026-03-02T20:00&until=2026-03-02T22:00"
    browser = city.browser("inspector")
    told = browser.read(path)
    with closing(open_compliance(city.config.data / "compliance.db", COMPLIANCE)) as db:
        kept = db.execute(
            "SELECT * FROM rule_sample WHERE id = 'truck-0000' AND t BETWEEN ? AND ?", (since, until)
        ).fetchall()
        assert len(kept) > 100
        db.execute("DELETE FROM rule_sample WHERE id = 'truck-0000' AND t BETWEEN ? AND ?", (since, until))
        (pruned,) = db.execute("SELECT pruned FROM rule_subject WHERE id = 'truck-0000'").fetchone()
        db.execute("UPDATE rule_subject SET pruned = ? WHERE id = 'truck-0000'", (until,))
        try:
            again = browser.read(path)
        finally:
            db.executemany("INSERT INTO rule_sample VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
            db.execute("UPDATE rule_subject SET pruned = ? WHERE id = 'truck-0000'", (pruned,))

    def replay(page):
        return [values["data-replay"] for _, values in page.tags if "data-replay" in values]

    assert replay(again) == replay(told) != []
