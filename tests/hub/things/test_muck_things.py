"""Permits, places and manifests of muck trucks as offices send them: CSV and GeoJSON in, editions kept."""

import json

import pytest

from hub.cases.rules.rulebook import Rulebook
from schemas.domains import rules
from tests.hub.alerting import run
from tests.hub.helpers import SHANGHAI
from tests.hub.registry_files import make

SITES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[113.1, 23.0], [113.102, 23.0], [113.102, 23.002], [113.1, 23.002], [113.1, 23.0]]],
            },
            "properties": {
                "kind": kind, "id": id_, "en": id_, "zh": id_, "from": "2026-01-01", "until": "2027-01-01",
                "permit": "P-1", "volume_m3": 1000, who: "co",
            },
        }
        for kind, id_, who in (("project", "pit", "builder"), ("dump_site", "tip", "receiver"))
    ],
}  # fmt: skip
MANIFEST = (
    "id,en,zh,from,until,vehicle,project,dump_site,material,signed_builder,loaded_m3\n"
    "m-1,M,联单,2026-03-02T20:00,2026-03-02T23:00,truck-1,pit,tip,soil,2026-03-02T20:05,{}\n"
)


@pytest.fixture
def city(tmp_path):
    make(tmp_path)
    (tmp_path / "companies.csv").write_text("id,en,zh,role\nco,Co,公司,builder;haulier\n", "utf-8")
    (tmp_path / "sites.geojson").write_text(json.dumps(SITES), "utf-8")
    (tmp_path / "vehicles.csv").write_bytes(
        "id,en,zh,plate,company,capacity_m3\ntruck-1,T,车,粤A00017,co,18\n".encode("gb18030")
    )
    (tmp_path / "manifests.csv").write_text(MANIFEST.format(16), "utf-8")
    return tmp_path


def brought(city, *arguments):
    ended = run(city, "things", *arguments)
    assert ended.code == 0, ended.err
    return ended.out


def test_tables_and_maps_of_offices_are_taken_and_editions_kept(city):
    for file, kind in (("companies.csv", "company"), ("vehicles.csv", "vehicle")):
        brought(city, "import", city / file, "--kind", kind)
    brought(city, "import", city / "sites.geojson")
    brought(city, "import", city / "manifests.csv", "--kind", "manifest")
    assert json.loads(brought(city, "show", "vehicle", "truck-1", "--json"))["properties"]["plate"] == "粤A00017"
    (city / "manifests.csv").write_text(MANIFEST.format(17), "utf-8")
    brought(city, "import", city / "manifests.csv", "--kind", "manifest")
    *editions, _ = map(json.loads, brought(city, "history", "manifest", "m-1", "--json").splitlines())
    assert [(one["edition"], one["properties"]["loaded_m3"]) for one in editions] == [(1, 16), (2, 17)]
    assert editions[1]["properties"]["signed_builder"] == "2026-03-02T20:05:00+08:00"


def test_a_manifest_of_a_vehicle_that_nobody_knows_is_refused_whole(city):
    brought(city, "import", city / "companies.csv", "--kind", "company")
    brought(city, "import", city / "sites.geojson")
    ended = run(city, "things", "import", city / "manifests.csv", "--kind", "manifest")
    assert ended.code == 2
    assert "there is no vehicle 'truck-1'; import it first" in ended.err


def test_every_alert_about_a_truck_has_an_event_code():
    book = Rulebook(None, SHANGHAI)
    codes = {id_: book.code_of_alert("", id_, "") for id_ in rules() if id_.startswith("muck-")}
    assert len(codes) == 25
    assert (codes.pop("muck-dumped"), codes.pop("muck-sealed")) == ("0103", "0112")
    assert set(codes.values()) == {"0399"}
