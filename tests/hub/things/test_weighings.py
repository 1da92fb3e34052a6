"""Weighings as a weighbridge's operator and its program hand them in: each once, corrected, refused with a reason."""

import datetime as dt
import json
from contextlib import closing

import httpx
import pytest

from hub.access.caller import Gate
from hub.config.files import load_config
from hub.health.metrics import Metrics
from hub.http.server import Server, make_app
from hub.registry.live import load_registry
from hub.storage.compliance_file import open_compliance
from hub.things.routes import thing_router
from hub.things.store import ThingStore
from hub.things.tables import PART
from hub.things.weighings.routes import weighing_router
from tests.hub.alerting import run
from tests.hub.helpers import SHANGHAI
from tests.hub.http.test_http import Hub as Watched
from tests.hub.registry_files import make

THINGS = """
[[thing]]
kind = "weighbridge"
id = "plant"
en = "Plant"
zh = "处理厂"
district = "nanhai"

[[thing]]
kind = "refuse_truck"
id = "truck-1"
en = "Truck 1"
zh = "一号车"
district = "nanhai"
properties = {plate = "粤E·12345", capacity_kg = 8000}

[[thing]]
kind = "refuse_truck"
id = "truck-2"
en = "Truck 2"
zh = "二号车"
properties = {plate = "粤E23456"}
"""
FILE = """\
磅单号,地磅,过磅时间,车牌号,垃圾类别,毛重(吨),皮重(吨),净重(吨)
1,plant,2026-03-02 21:05:10,粤E12345,厨余垃圾,15.02,9.00,6.02
2,plant,2026/3/2 22:05,truck-2,其他垃圾,14.5,9,5.5
2,plant,2026-03-02 22:05:40,truck-2,其他垃圾,14.5,9,5.5
3,plant,2026-03-02 23:00:00,粤E99999,其他垃圾,14.5,9,5.5
4,plant,2026-03-02 23:10:00,粤E12345,建筑垃圾,14.5,9,5.5
5,plant,2026-03-02 23:20:00,粤E12345,其他垃圾,很重,9,5.5
6,gate,2026-03-02 23:30:00,粤E12345,其他垃圾,14.5,9,5.5
7,plant,2126-03-02 23:40:00,粤E12345,其他垃圾,14.5,9,5.5
"""


@pytest.fixture
def folder(tmp_path):
    make(tmp_path)
    (tmp_path / "things.toml").write_text(THINGS, "utf-8")
    ended = run(tmp_path, "things", "import", tmp_path / "things.toml")
    assert ended.code == 0, ended.err
    return tmp_path


def weighings(folder):
    with closing(open_compliance(folder / "data" / "compliance.db", PART)) as db:
        return {(row.id, row.number): row.thing() for row in ThingStore(db).rows("weighing")}


def imported(folder, text, *more, encoding="utf-8"):
    (folder / "w.csv").write_text(text, encoding)
    ended = run(folder, "weighings", "import", folder / "w.csv", "--json", *more)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_file_is_taken_once_and_says_why_rows_are_left_out(folder):
    said = imported(folder, FILE, "--dry-run", encoding="gb18030")
    assert said["counts"] == {"added": 2, "corrected": 0, "known": 1, "refused": 5}
    assert weighings(folder) == {}
    said = imported(folder, FILE, encoding="gb18030")
    assert said["counts"] == {"added": 2, "corrected": 0, "known": 1, "refused": 5}
    why = {one["line"]: one["why"] for one in said["weighings"] if one["what"] == "refused"}
    assert [part in why[line] for line, part in ((5, "粤E99999"), (6, "建筑垃圾"), (7, "很重"), (8, "'gate'"))] == [
        True
    ] * 4
    assert "future" in why[9]
    kept = {one.properties["truck"]: one for one in weighings(folder).values()}
    assert len(kept) == 2
    first = kept["truck-1"]
    assert first.from_ == dt.datetime(2026, 3, 2, 21, 5, 10, tzinfo=SHANGHAI).timestamp()
    assert first.properties["waste"] == ["kitchen"]
    assert (first.properties["net_kg"], first.properties["gross_kg"], first.district) == (6020.0, 15020.0, "nanhai")
    assert kept["truck-2"].district == "nanhai", "the weighbridge's, where the truck belongs to none"
    again = imported(folder, FILE)
    assert again["counts"] == {"added": 0, "corrected": 0, "known": 3, "refused": 5}
    assert len(weighings(folder)) == 2


def test_another_weight_corrects_and_says_so(folder):
    imported(folder, FILE)
    head = "weighbridge,time,truck,waste,net(kg)\n"
    said = imported(folder, head + "plant,2026-03-02 22:05,粤E23456,other,5400\n")
    assert [(one["what"], one["why"]) for one in said["weighings"]] == [("corrected", "net_kg 5500 -> 5400")]
    rows = [one for (_, number), one in weighings(folder).items() if number == 2]
    assert [one.properties["net_kg"] for one in rows] == [5400.0]
    assert rows[0].properties["gross_kg"] == 14500.0, "what a file leaves out stays"
    sums = [
        json.loads(line)
        for line in run(folder, "weighings", "sums", "--since", "2026-03-01", "--json").out.splitlines()
    ]
    assert [(one["district"], one["waste"], one["loads"], one["tonnes"]) for one in sums[:-1]] == [
        ("nanhai", "kitchen", 1, 6.02),
        ("nanhai", "other", 1, 5.4),
    ]
    assert "5.400" in run(folder, "weighings", "sums", "--since", "2026-03-01").out


def test_one_that_was_withdrawn_does_not_come_back(folder):
    said = imported(folder, FILE)
    id_ = next(one["id"] for one in said["weighings"] if one["what"] == "added" and one["truck"] == "truck-2")
    (folder / "gone.toml").write_text(
        f'[[thing]]\nkind = "weighing"\nid = "{id_}"\nfrom = 2026-03-02T22:05:00\nwithdrawn = true\n', "utf-8"
    )
    assert run(folder, "things", "import", folder / "gone.toml").code == 0
    said = imported(folder, FILE)
    assert said["counts"]["refused"] == 7
    assert any("withdrawn by hand" in (one["why"] or "") for one in said["weighings"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("weighbridge,time,truck,waste,net\n", "says no unit"),
        ("weighbridge,time,truck,net(kg)\n", "no column for the waste"),
        ("weighbridge,time,truck,waste,gross(kg)\n", "no column for the net weight"),
        ("weighbridge,time,truck,waste,net(kg),净重(kg)\n", "two columns say net"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_whole(folder, text, told):
    (folder / "w.csv").write_text(text, "utf-8")
    ended = run(folder, "weighings", "import", folder / "w.csv")
    assert ended.code == 2
    assert told in ended.err


@pytest.fixture
def api(folder):
    config = load_config(folder / "fenceline.toml")
    clock = dt.datetime(2026, 3, 3, tzinfo=SHANGHAI).timestamp
    registry = load_registry(config)
    gate = Gate(config.data / "compliance.db")
    routers = [make(config, lambda: registry, clock, gate) for make in (weighing_router, thing_router)]
    server = Server(make_app(Watched(), Metrics(), routers), "127.0.0.1", 0)
    server.start()
    yield folder, f"http://127.0.0.1:{server.port}/api/v1/weighings"
    server.stop()


def token(folder, name, *more):
    return json.loads(run(folder, "access", "add", name, *more, "--json").out)["token"]


def test_a_weighbridges_program_sends_them_again_until_it_is_answered(api):
    folder, url = api
    headers = {"authorization": f"Bearer {token(folder, 'plant', '--role', 'collector')}"}
    one = {"weighbridge": "plant", "time": "2026-03-02T21:05:10+08:00", "truck": "粤E12345", "waste": ["kitchen"]}
    sent = {"weighings": [one | {"net_kg": 6020}, one | {"truck": "no-such", "net_kg": 1}]}
    said = httpx.post(url, json=sent, headers=headers, trust_env=False).json()["weighings"]
    assert [row["what"] for row in said] == ["added", "refused"]
    said = httpx.post(url, json=sent, headers=headers, trust_env=False).json()["weighings"]
    assert [row["what"] for row in said] == ["known", "refused"]
    zh = headers | {"accept-language": "zh"}
    sent = {"weighings": [one | {"net_kg": 6120}, one | {"truck": "no-such", "net_kg": 1}]}
    said = httpx.post(url, json=sent, headers=zh, trust_env=False).json()["weighings"]
    assert said[0]["what"] == "corrected"
    assert "未登记" in said[1]["why"]
    # The same by a file: known, whoever says it, and to the second or the minute.
    text = "weighbridge,time,truck,waste,net(kg)\nplant,2026-03-02 21:05,truck-1,厨余垃圾,6120\n"
    assert imported(folder, text)["counts"]["known"] == 1
    refused = httpx.post(url, json={"weighings": []}, headers=headers, trust_env=False)
    assert refused.status_code == 422


def test_who_may_not_is_refused(api):
    folder, url = api
    sent = {"weighings": [{"weighbridge": "plant", "time": "2026-03-02T21:05:10+08:00", "truck": "truck-1"}]}
    sent["weighings"][0] |= {"waste": ["other"], "net_kg": 6020}
    assert httpx.post(url, json=sent, trust_env=False).status_code == 401
    viewer = {"authorization": f"Bearer {token(folder, 'looks', '--role', 'viewer')}"}
    assert httpx.post(url, json=sent, headers=viewer, trust_env=False).status_code == 403
    assert weighings(folder) == {}


def test_a_forecast_comes_from_another_offices_program(api):
    """Things of any kind: all or none, and the same again changes nothing."""
    folder, url = api
    url = url.replace("weighings", "things/heat_forecast")
    headers = {"authorization": f"Bearer {token(folder, 'office', '--role', 'admin')}"}
    area = 'kind = "weather_area"\nid = "south"\nen = "South"\nzh = "南区"\n'
    area += 'geometry = {type = "Point", coordinates = [113.1, 23.0]}\n'
    (folder / "area.toml").write_text(f"[[thing]]\n{area}", "utf-8")
    assert run(folder, "things", "import", folder / "area.toml").code == 0
    one = {"id": "f-0702", "en": "2 July", "zh": "7月2日", "from": "2026-07-02", "until": "2026-07-03"}
    one["properties"] = {"area": "south", "max_c": 38.5}
    said = httpx.post(url, json={"things": [one]}, headers=headers, trust_env=False)
    assert [(row["id"], row["what"]) for row in said.json()["changes"]] == [("f-0702", "added")]
    said = httpx.post(url, json={"things": [one]}, headers=headers, trust_env=False)
    assert said.json() == {"changes": []}
    one["properties"]["max_c"] = 36
    other = one | {"id": "f-0703", "properties": {"area": "no-such", "max_c": 38}}
    refused = httpx.post(url, json={"things": [one, other]}, headers=headers, trust_env=False)
    assert refused.status_code == 422
    assert "no-such" in refused.json()["detail"]
    said = httpx.post(url, json={"things": [one]}, headers=headers, trust_env=False)
    assert [(row["id"], row["what"]) for row in said.json()["changes"]] == [("f-0702", "corrected")]
    assert httpx.post(url, json={"things": [{}]}, headers=headers, trust_env=False).status_code == 422
    nothing = url.replace("heat_forecast", "no-such")
    assert httpx.post(nothing, json={"things": [one]}, headers=headers, trust_env=False).status_code == 404
    officer = {"authorization": f"Bearer {token(folder, 'looks', '--role', 'officer')}"}
    assert httpx.post(url, json={"things": [one]}, headers=officer, trust_env=False).status_code == 403
