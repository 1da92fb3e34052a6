"""Places to which breaches come back: which belong together, what they are called, and the command that tells them."""

import json
from contextlib import closing

import msgspec

from hub.compliance.rule_table import RuleTable
from hub.compliance.spots import spots_of
from hub.compliance.tables import PART
from hub.judge.kinds.world import World
from hub.storage.compliance_file import open_compliance
from hub.things.tables import PART as THINGS
from schemas.domains import rules
from tests.hub.alerting import run
from tests.hub.judge.kinds.plane import Bench, box, degrees, thing
from tests.hub.judge.kinds.test_muck_pack import NIGHT, RULES, YEAR, places, trip
from tests.hub.registry_files import make

PIT = thing("project", "pit", box(0, 0, 200, 200))


def breach():
    """Return the verdict on a load that was dumped where nobody may."""
    away = thing("dump_site", "elsewhere", box(9000, 0, 9200, 200), **YEAR)
    bench = Bench(RULES["muck-dumped"], *[one for one in places() if one.kind != "dump_site"], away)
    bench.add(*trip())
    bench.judge(NIGHT + 7200)
    (found,) = bench.held.values()
    return found


def at(x, y, subject="truck", n=0):
    lon, lat = degrees(x, y)
    return msgspec.structs.replace(breach(), subject=subject, lat=lat, lon=lon, start=NIGHT + n, end=NIGHT + n + 1)


def test_a_breach_says_where_it_was():
    one = breach()
    lon, lat = degrees(5100, 100)
    assert (abs(one.lat - lat) < 1e-6, abs(one.lon - lon) < 1e-6) == (True, True)


def test_what_comes_back_to_one_place_is_one_spot_called_by_what_is_near():
    near = [at(1000 + 100 * n, 100, f"t-{n % 2}", n) for n in range(4)]  # 100 m from each to the next
    alone = at(8000, 8000, n=9)
    (spot,) = spots_of([*near, alone], World([PIT]), ["project"], 150, 2)
    assert [one.start for one in spot.verdicts] == [NIGHT + n for n in range(4)]
    assert spot.name.en == "950 m east of pit"
    assert spot.name.zh == "pit东侧950 m"
    assert round(spot.radius) == 150
    assert spots_of([*near, alone], World([PIT]), ["project"], 90, 2) == []
    assert len(spots_of([*near, alone], World([PIT]), ["project"], 150, 1)) == 2


def test_a_spot_in_a_place_one_without_any_and_breaches_without_position():
    inside = spots_of([at(100, 100), at(110, 100, n=1)], World([PIT]), ["project"], 150, 2)
    assert [one.name.en for one in inside] == ["in pit"]
    nowhere = spots_of([at(0, 0), at(10, 0, n=1)], World([]), ["project"], 150, 2)
    assert nowhere[0].name.en == "23.00000, 113.10005"
    blind = msgspec.structs.replace(breach(), lat=None, lon=None)
    assert spots_of([blind, blind], World([]), [], 150, 2) == []


def test_the_command_tells_spots_of_breaches_that_hold(tmp_path):
    make(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    path = tmp_path / "data" / "compliance.db"
    with closing(open_compliance(path, THINGS, PART)) as db, db:
        table = RuleTable(db)
        for n in range(3):
            table.add(msgspec.structs.replace(at(1000, 100, f"t-{n}", n), judged=float(n)), "vehicle", "north", "tower")
        gone = at(1000, 100, "t-2", 2)
        change = {"reason": "withdrawn", "outcome": "compliant", "revision": 2, "amends": gone.start, "judged": 9.0}
        table.add(msgspec.structs.replace(gone, **change), "vehicle", "north", "tower")
    code, out, err = run(tmp_path, "rules", "spots", "--rule", "muck-dumped", "--json")
    assert (code, err) == (0, "")
    spot, summary = map(json.loads, out.splitlines())
    assert (spot["breaches"], spot["subjects"]) == (2, ["t-0", "t-1"])
    assert summary == {"summary": True, "spots": 1}
    code, out, _ = run(tmp_path, "rules", "spots", "--rule", "muck-dumped")
    assert (code, "t-0, t-1" in out) == (0, True)
    code, _, err = run(tmp_path, "rules", "spots", "--rule", "nothing")
    assert code == 2
    assert "no pack in use declares 'nothing'" in err
    assert "muck-dumped" in rules()
