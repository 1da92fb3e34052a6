"""`fenceline things` as the city's IT uses it: what it takes, what it refuses, what verdicts cite of it."""

import itertools
import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.judge.kinds import KINDS, RuleError, course_of, params_of
from hub.judge.kinds.docket import Docket
from hub.judge.kinds.world import World
from hub.judge.records import Sample
from hub.judge.windows import LocalTime
from hub.storage.compliance_file import open_compliance
from hub.things.store import ThingStore
from hub.things.tables import PART
from schemas.domains import rules
from tests.hub.alerting import run
from tests.hub.judge.kinds.plane import SHANGHAI, local
from tests.hub.registry_files import make
from tests.json_lines import rows_of

PACK = Path(__file__).parents[2] / "data" / "domains" / "depot"
YARD = "[[[113.1, 23.0], [113.11, 23.0], [113.11, 23.01], [113.1, 23.01], [113.1, 23.0]]]"
CITY = f"""
[[thing]]
kind = "yard"
id = "east"
en = "East yard"
zh = "东场"
district = "nanhai"
people = [{{role = "keeper", name = "Li", phone = "+86 757 0000 0000"}}]
geometry = {{type = "Polygon", coordinates = {YARD}}}

[[thing]]
kind = "truck"
id = "t-1"
en = "Truck 1"
zh = "一号车"
[thing.properties]
plate = "粤E12345"
volume = 18.5
axles = 4
hybrid = false
body = "shut"
tested = 2026-01-31
bins = ["b-1", "b-2"]

[[thing]]
kind = "skip"
id = "b-1"
en = "Bin 1"
zh = "一号桶"
geometry = {{type = "Point", coordinates = [113.105, 23.005]}}

[[thing]]
kind = "skip"
id = "b-2"
en = "Bin 2"
zh = "二号桶"

[[thing]]
kind = "road"
id = "ring"
en = "Ring road"
zh = "环路"
geometry = {{type = "LineString", coordinates = [[113.1, 23.0], [113.12, 23.0]]}}

[[thing]]
kind = "permit"
id = "p-7"
en = "Permit 7"
zh = "七号证"
from = 2026-03-01
until = "2026-06-01T12:00"
properties = {{truck = "t-1", roads = ["ring"]}}
"""


@pytest.fixture(autouse=True)
def depot(monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "en")
    monkeypatch.setenv("FENCELINE_DOMAINS", str(PACK))


@pytest.fixture
def city(tmp_path):
    make(tmp_path)
    (tmp_path / "city.toml").write_text(CITY, "utf-8")
    return tmp_path


def things(folder, *arguments):
    """Run `fenceline things`; return what it printed."""
    ended = run(folder, "things", *arguments)
    assert ended.code == 0, ended.err
    return ended.out


def refused(folder, *arguments):
    """Run what is refused; return the sentence."""
    ended = run(folder, "things", *arguments)
    assert ended.code == 2
    assert ended.err.startswith("fenceline: ")
    assert "Traceback" not in ended.err
    return ended.err.removeprefix("fenceline: ").strip()


def changes(folder, *arguments):
    """Import; return what has changed as (what, kind, id, edition)."""
    told = json.loads(things(folder, "import", *arguments, "--json"))
    return [(one["what"], one["kind"], one["id"], one["edition"]) for one in told["changes"]]


def written(folder, name, text):
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_a_city_is_imported_looked_at_and_exported_in_every_form(city, tmp_path):
    dry = things(city, "import", city / "city.toml", "--dry-run")
    assert "added 6" in dry
    assert "nothing has been written" in dry
    assert rows_of(things(city, "list", "--json")) == []
    assert changes(city, city / "city.toml") == [
        ("added", "yard", "east", 1),
        ("added", "truck", "t-1", 1),
        ("added", "skip", "b-1", 1),
        ("added", "skip", "b-2", 1),
        ("added", "road", "ring", 1),
        ("added", "permit", "p-7", 1),
    ]
    assert changes(city, city / "city.toml") == []
    rows = rows_of(things(city, "list", "--on", "2026-04-01", "--json"))
    assert len(rows) == 6
    permit = next(row for row in rows if row["kind"] == "permit")
    assert (permit["from"], permit["until"]) == ("2026-03-01", "2026-06-01T12:00:00+08:00")
    shown = json.loads(things(city, "show", "truck", "t-1", "--json"))
    assert shown["properties"] == {
        "plate": "粤E12345",
        "volume": 18.5,
        "axles": 4,
        "hybrid": False,
        "body": "shut",
        "tested": "2026-01-31",
        "bins": ["b-1", "b-2"],
    }
    assert "sealed" in things(city, "show", "truck", "t-1")
    assert "密闭" in things(city, "show", "truck", "t-1", "--lang", "zh")
    assert "准运证" in things(city, "list", "--on", "2026-04-01", "--lang", "zh")


def everything(folder):
    """Return what the store holds, but for who made it when."""
    with closing(open_compliance(folder / "data" / "compliance.db", PART)) as db:
        return [
            (row.kind, row.id, row.thing()) for row in sorted(ThingStore(db).rows(), key=lambda row: (row.kind, row.id))
        ]


@pytest.mark.parametrize("form", ["toml", "geojson", "csv"])
def test_what_is_exported_is_imported_elsewhere_as_it_was(city, tmp_path_factory, form):
    future = CITY.replace("2026-03-01", "2040-03-01").replace("2026-06-01", "2040-06-01")
    things(city, "import", written(city, "city.toml", future))
    other = tmp_path_factory.mktemp("other")
    make(other)
    if form == "csv":
        for kind in ("yard", "skip", "road", "truck", "permit"):
            things(city, "export", other / f"{kind}.csv", "--kind", kind)
            assert changes(other, other / f"{kind}.csv")
    else:
        things(city, "export", other / f"all.{form}")
        assert len(changes(other, other / f"all.{form}")) == 6
    assert everything(other) == everything(city)


def test_an_edition_follows_or_corrects_and_none_is_lost(city):
    things(city, "import", city / "city.toml")
    moved = YARD.replace("113.11", "113.12")
    later = f'[[thing]]\nkind = "yard"\nid = "east"\ngeometry = {{type = "Polygon", coordinates = {moved}}}\n'
    assert changes(city, written(city, "a.toml", later), "--since", "2026-05-01") == [("changed", "yard", "east", 2)]
    # The same again says nothing new, and what it leaves out stays.
    assert changes(city, city / "a.toml", "--since", "2026-06-01") == []
    corrected = '[[thing]]\nkind = "permit"\nid = "p-7"\nfrom = 2026-03-01\nuntil = 2026-04-01\n'
    assert changes(city, written(city, "b.toml", corrected)) == [("corrected", "permit", "p-7", 2)]
    rows = rows_of(things(city, "history", "yard", "east", "--json"))
    assert [(row["edition"], row.get("from"), row["en"], row["source"]) for row in rows] == [
        (1, None, "East yard", "city.toml"),
        (2, "2026-05-01", "East yard", "a.toml"),
    ]
    assert rows[0]["people"] == rows[1]["people"]

    def number(kind, id_, on):
        return json.loads(things(city, "show", kind, id_, "--on", on, "--json"))["edition"]

    assert [number("yard", "east", on) for on in ("2026-04-30", "2026-05-01")] == [1, 2]
    assert number("permit", "p-7", "2026-03-31") == 2
    assert "does not hold then" in refused(city, "show", "permit", "p-7", "--on", "2026-04-01")
    with closing(sqlite3.connect(city / "data" / "compliance.db")) as db:
        for statement in ("UPDATE thing_edition SET withdrawn = 1", "DELETE FROM thing_edition"):
            with pytest.raises(sqlite3.IntegrityError, match="an edition is never changed"):
                db.execute(statement)


def test_a_start_that_was_a_mistake_is_withdrawn(city):
    things(city, "import", city / "city.toml")
    wrong = '[[thing]]\nkind = "skip"\nid = "b-1"\nen = "Wrong"\nfrom = 2026-05-01\n'
    assert changes(city, written(city, "a.toml", wrong)) == [("changed", "skip", "b-1", 2)]
    taken_back = '[[thing]]\nkind = "skip"\nid = "b-1"\nfrom = 2026-05-01\nwithdrawn = true\n'
    assert changes(city, written(city, "b.toml", taken_back)) == [("withdrawn", "skip", "b-1", 3)]
    shown = json.loads(things(city, "show", "skip", "b-1", "--on", "2026-06-01", "--json"))
    assert (shown["en"], shown["edition"]) == ("Bin 1", 1)
    again = written(city, "c.toml", taken_back.replace("05-01", "05-02"))
    assert "nothing begins then" in refused(city, "import", again)


def test_replace_ends_what_the_file_leaves_out_of_its_kinds(city):
    things(city, "import", city / "city.toml")
    one = written(city, "bins.csv", "id,longitude,latitude\nb-1,113.105,23.005\n")
    told = changes(city, one, "--kind", "skip", "--replace", "--since", "2026-05-01")
    assert told == [("ended", "skip", "b-2", 2)]
    assert {row["id"] for row in rows_of(things(city, "list", "skip", "--on", "2026-05-01", "--json"))} == {"b-1"}
    assert {row["id"] for row in rows_of(things(city, "list", "skip", "--on", "2026-04-30", "--json"))} == {
        "b-1",
        "b-2",
    }
    assert len(rows_of(things(city, "list", "truck", "--json"))) == 1


def test_maps_of_other_systems_are_converted_and_what_stays_is_not_converted_twice(city):
    things(city, "import", city / "city.toml")
    row = "id,longitude,latitude\nb-1,113.14825848,23.02622284\n"  # a published point in GCJ-02
    things(city, "import", written(city, "bins.csv", row), "--kind", "skip", "--coordinates", "gcj02")
    place = json.loads(things(city, "show", "skip", "b-1", "--json"))["geometry"]["coordinates"]
    assert place == pytest.approx([113.1428, 23.0288], abs=2e-7)
    note = written(city, "note.csv", "id,note\nb-1,lid broken\n")
    things(city, "import", note, "--kind", "skip", "--coordinates", "gcj02")
    assert json.loads(things(city, "show", "skip", "b-1", "--json"))["geometry"]["coordinates"] == place


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "a.toml",
            '[[thing]]\nkind = "lorry"\nid = "x"',
            "lorry 'x': there is no such kind of things; expected one of",
        ),
        ("a.toml", '[[thing]]\nkind = "truk"\nid = "x"', "did you mean 'truck'?"),
        ("a.toml", '[[thing]]\nkind = "skip"\nid = "X"', "id = 'X': expected 1 to 32 of a-z"),
        (
            "a.toml",
            '[[thing]]\nkind = "skip"\nid = "x"\nen = "a"',
            "skip 'x': zh is missing; expected a name, in quotes",
        ),
        ("a.toml", '[[thing]]\nkind = "skip"\nid = "x"\nen = "a"\nzh = "b"\nplate = "c"', "there is no field 'plate'"),
        ("a.toml", '[[thing]]\nkind = "skip"\nen = "a"', "thing number 1 has no id"),
        ("a.toml", "[[skip]]\nid = 1", "'skip' is not known; expected tables [[thing]]"),
        ("a.toml", "[[thing", "is not valid TOML"),
        ("a.toml", "thing = 3", "'thing' is not known"),
        ("a.csv", "kind,id,en,zh,plate\ntruck,x,a,b,", "line 2, column plate: truck 'x': plate is missing"),
        ("a.csv", "kind,id,en,zh,plate,volume\ntruck,x,a,b,c,41", "volume = 41.0: expected a number in m3 at least 0"),
        ("a.csv", "kind,id,en,zh,plate,volume\ntruck,x,a,b,c,nan", "'nan' is not a number"),
        ("a.csv", "kind,id,en,zh,plate,volume\ntruck,x,a,b,c,much", "column volume: 'much' is not a number"),
        ("a.csv", "kind,id,en,zh,plate,axles\ntruck,x,a,b,c,2.5", "axles = 2.5: expected a whole number"),
        ("a.csv", "kind,id,en,zh,plate,hybrid\ntruck,x,a,b,c,maybe", "'maybe': expected yes or no"),
        ("a.csv", "kind,id,en,zh,plate,body\ntruck,x,a,b,c,box", "body = 'box': expected one of open, shut"),
        ("a.csv", "kind,id,en,zh,plate,tested\ntruck,x,a,b,c,soon", "tested = 'soon': expected a date"),
        (
            "a.csv",
            "kind,id,en,zh,plate,bins\ntruck,x,a,b,c,b-9",
            "line 2, column bins: truck 'x': bins: there is no skip 'b-9'",
        ),
        ("a.csv", "kind,id,colour\ntruck,x,red", "a truck has no column 'colour'"),
        ("a.csv", "kind,name\nskip,x", "there is no column id"),
        ("a.csv", "id,id\nskip,x", "column 'id' stands there twice"),
        ("a.csv", "kind,id,en,zh\nskip,x,a,b,c", "line 2: has 5 cells; expected 4"),
        ("a.csv", "id,en,zh\nx,a,b", "line 2, column kind: says no kind"),
        ("a.csv", "kind,id,en,zh\nskip,,a,b", "line 2, column id: is empty"),
        ("a.csv", "kind,id,en,zh\nskip,x,a,b\nskip,x,a,b", "line 3, column id: skip 'x': stands there twice"),
        ("a.csv", "kind,id,en,zh,longitude,latitude\nskip,x,a,b,113,", "has one of longitude and latitude"),
        ("a.csv", "kind,id,en,zh,longitude,latitude\nskip,x,a,b,23.0,113.1", "[23, 113.1] looks swapped"),
        ("a.csv", "kind,id,en,zh,longitude,latitude\nskip,x,a,b,0,0", "[0, 0] is what a receiver without a fix gives"),
        ("a.csv", "kind,id,en,zh,longitude,latitude\nskip,x,a,b,nan,23", "is not on Earth"),
        ("a.csv", "kind,id,en,zh,district\nskip,x,a,b,mars", "there is no district 'mars'"),
        ("a.csv", "kind,id,en,zh,from\nskip,x,a,b,soon", "from = 'soon': expected a date such as"),
        ("a.csv", "kind,id,en,zh,people\nskip,x,a,b,keeper|Li", "is not role|name|phone|email"),
        ("a.csv", "kind,id,en,zh,truck\npermit,x,a,b,t-1", "from is missing; a permit says from when until when"),
        (
            "a.csv",
            "kind,id,en,zh,truck,from,until\npermit,x,a,b,t-1,2026-05-01,2026-04-01",
            "ends before it begins",
        ),
        (
            "a.toml",
            '[[thing]]\nkind = "skip"\nid = "x"\nen = "a\\u0007"\nzh = "b"',
            "has characters that cannot be shown",
        ),
        (
            "a.toml",
            f'[[thing]]\nkind = "truck"\nid = "x"\nproperties = {{plate = "c", axles = 1{"0" * 400}}}',
            "whole number",
        ),
        (
            "a.toml",
            f'[[thing]]\nkind = "truck"\nid = "x"\nproperties = {{plate = {"[" * 200}{"]" * 200}}}',
            "is nested too deeply",
        ),
        ("a.toml", '[[thing]]\nkind = "skip"\nid = "x"\nproperties = 3', "properties"),
        ("a.toml", '[[thing]]\nkind = "skip"\nid = "x"\nfrom = 3', "from = 3: expected a date"),
        ("a.csv", "kind,id,en,zh,longitude,latitude\nskip,x,a,b,1e999,23", "is not on Earth"),
        ("a.geojson", "{}", "is no GeoJSON; expected a FeatureCollection"),
        ("a.geojson", "[" * 100_000, "is not valid JSON"),
        ("a.xlsx", "", "is none of .toml, .csv and .geojson"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_remedy_and_nothing_changes(city, name, text, told):
    things(city, "import", city / "city.toml")
    before = everything(city)
    assert told in refused(city, "import", written(city, name, text))
    assert everything(city) == before


def polygon(coordinates, type_="Polygon"):
    properties = {"kind": "yard", "id": "x", "en": "a", "zh": "b"}
    geometry = {"type": type_, "coordinates": coordinates}
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (polygon([113.1, 23.0], "Point"), "is a point (Point); expected area"),
        (polygon([[[113, 23], [114, 24], [114, 23], [113, 24], [113, 23]]]), "Self-intersection"),
        (polygon([]), "is empty"),
        (polygon([[]]), "geometry: "),
        (polygon([[[113, 23], [114, 24]]]), "expected GeoJSON"),
        (polygon([[["113", 23], [114, 24], [114, 23], [113, 23]]]), "expected GeoJSON"),
        (polygon([[[[[[113, 23]]]]]]), "expected GeoJSON"),
        (polygon(None), "expected GeoJSON"),
        (polygon([[]], "Circle"), "expected GeoJSON"),
        (polygon([[[113 + n / 1e6, 23 + n % 2 / 1e6] for n in range(20_001)]]), "positions; expected at most 20000"),
    ],
)
def test_a_figure_that_is_none_is_refused(city, geometry, told):
    assert told in refused(city, "import", written(city, "a.geojson", geometry))


def test_a_polygon_is_kept_flat_with_its_outer_ring_against_the_clock(city):
    clockwise = [[[113, 23, 5], [113, 24, 5], [114, 24, 5], [114, 23, 5], [113, 23, 5]]]
    things(city, "import", written(city, "a.geojson", polygon(clockwise)))
    (ring,) = json.loads(things(city, "show", "yard", "x", "--json"))["geometry"]["coordinates"]
    assert sorted(ring) == [[113, 23], [113, 23], [113, 24], [114, 23], [114, 24]]
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise(ring))
    assert area > 0


def test_unknown_names_are_told_with_what_there_is(city):
    things(city, "import", city / "city.toml")
    assert "did you mean 'truck'?" in refused(city, "list", "truc")
    assert "truck, yard" in refused(city, "list", "zzz")
    assert "did you mean 't-1'?" in refused(city, "show", "truck", "t-2")
    assert "--on 'soon': expected a day or time" in refused(city, "list", "--on", "soon")
    assert "name it with --kind" in refused(city, "export", "-", "--format", "csv")


def test_the_pack_has_a_rule_of_each_kind_and_a_wrong_one_is_explained():
    found = rules()
    assert {rule.kind for rule in found.values()} == set(KINDS)
    assert all(params_of(rule) for rule in found.values())
    wrong = msgspec.structs.replace(found["stays-in-yard"], params={"must": "fly", "places": {"kinds": ["yard"]}})
    with pytest.raises(
        RuleError, match=r"'stays-in-yard': kind 'area': params\.must: 'fly' .*; expected one of: stay_in, stay_out"
    ):
        params_of(wrong)
    with pytest.raises(RuleError, match="kind = 'fence': expected one of area, route"):
        params_of(msgspec.structs.replace(wrong, kind="fence"))
    both = msgspec.structs.replace(
        found["dumps-in-yard"], params={"never": {"a": ["b"]}, "needs": {"by": "x", "of": "y"}}
    )
    with pytest.raises(RuleError, match="never and needs is named: expected one of"):
        params_of(both)


def test_a_verdict_cites_the_edition_in_force_and_is_amended_when_a_later_edition_corrects_it(city):
    things(city, "import", city / "city.toml")
    path = city / "data" / "compliance.db"
    with closing(open_compliance(path, PART)) as db:
        store, clock = ThingStore(db), LocalTime(SHANGHAI)
        world, rule = World(store.editions()), rules()["dumps-in-yard"]
        docket = Docket(rule, "t-1", course_of(rule, world, clock, "t-1", 0), clock)
        t = local("2026-05-02T10:00:00")
        place = {"lat": 23.005, "lon": 113.115}  # beside the yard as it was first drawn
        docket.add(
            [
                Sample(t, "a", **place, states={"load": "full", "lift": "up"}),
                Sample(t + 30, "b", **place, states={"load": "empty", "lift": "up"}),
            ]
        )
        (first,) = docket.judge(t + 60, now=t + 60)
        assert (first.outcome, first.revision, first.evidence) == ("exceeded", 1, ("a", "b"))
        assert first.editions == (("yard", "east", 1),)
        newest = store.newest()
        moved = YARD.replace("113.11", "113.12")
        later = f'[[thing]]\nkind = "yard"\nid = "east"\ngeometry = {{type = "Polygon", coordinates = {moved}}}\n'
        things(city, "import", written(city, "a.toml", later), "--since", "2026-05-01")
        assert store.newest() > newest
        since = world.use(store.editions())
        assert since == local("2026-05-01T00:00:00")
        docket.again(since)
        (second,) = docket.judge(t + 60, now=t + 90)
        assert (second.outcome, second.revision, second.amends) == ("compliant", 2, first.start)
        assert second.editions == (("yard", "east", 2),)
        assert world.use(store.editions()) > t, "nothing has changed"


def test_two_people_who_import_at_once_lose_nothing(city):
    things(city, "import", city / "city.toml")
    files = [written(city, f"{n}.csv", f"kind,id,en,zh\nskip,n-{n},Bin,桶\nskip,b-1,Bin {n},桶\n") for n in range(2)]
    command = [Path(sys.executable).parent / "fenceline", "things", "import", "--config", city / "fenceline.toml"]
    running = [
        threading.Thread(target=subprocess.run, args=([*command, file],), kwargs={"check": True}) for file in files
    ]
    for one in running:
        one.start()
    for one in running:
        one.join()
    numbers = [row["edition"] for row in rows_of(things(city, "history", "skip", "b-1", "--json"))]
    assert numbers == [1, 2, 3]
    assert {f"n-{n}" for n in range(2)} < {row["id"] for row in rows_of(things(city, "list", "skip", "--json"))}


def test_a_backup_takes_the_things_and_a_new_machine_has_them(city, tmp_path_factory):
    things(city, "import", city / "city.toml")
    saved = run(city, "backup", city / "backups")
    assert saved.code == 0, saved.err
    (archive,) = (city / "backups").iterdir()
    other = tmp_path_factory.mktemp("other")
    config = ("--config", str(other / "fenceline.toml"))
    restored = subprocess.run(
        [Path(sys.executable).parent / "fenceline", "restore", archive, *config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert restored.returncode == 0, restored.stderr
    assert everything(other) == everything(city)
    assert json.loads(things(other, "show", "yard", "east", "--json"))["edition"] == 1


def test_what_cannot_be_used_is_told_without_a_traceback(city, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    assert "fenceline.toml: cannot be read" in refused(empty, "list")
    assert "cannot be read" in refused(city, "import", city / "none.toml")
    assert "cannot be read" in refused(city, "import", city)
    (city / "data").mkdir(exist_ok=True)
    (city / "data" / "compliance.db").write_bytes(b"this is no database" * 100)
    assert "compliance.db: is damaged" in refused(city, "list")


def test_a_list_does_not_wait_for_the_library_of_figures(city):
    things(city, "import", city / "city.toml")
    code = (
        "import sys, fenceline\n"
        f"sys.argv = ['fenceline', 'things', 'list', '--config', {str(city / 'fenceline.toml')!r}]\n"
        "try: fenceline.main()\nfinally: print('heavy' if {'shapely', 'numpy'} & set(sys.modules) else 'light')"
    )
    root = Path(__file__).parents[3]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert told.stdout.splitlines()[-1] == "light"
