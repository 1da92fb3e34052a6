"""The domain packs: each is whole in every room, no Python knows their names, and a wrong one is explained whole."""

import ast
import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from schemas import CatalogueError, domains, load_limits, load_quantities, site_properties
from schemas.domains.check import FILES
from schemas.domains.folders import HERE
from schemas.domains.pack import Pack, trying
from sim.city.scenario import SHANGHAI, WorkingDay
from sim.packs.check import check

ROOT = Path(__file__).resolve().parents[2]
HARBOUR = ROOT / "tests" / "data" / "domains" / "harbour"
SHIPPED = sorted(path.parent for path in HERE.glob("*/pack.toml"))
MIDNIGHT = dt.datetime(2026, 3, 2, tzinfo=SHANGHAI).timestamp()
every_pack = pytest.mark.parametrize("folder", [*SHIPPED, HARBOUR], ids=lambda folder: folder.name)


@every_pack
def test_a_pack_is_whole_in_every_room(folder):
    assert [fault.text().en for fault in check(folder).found] == []


@every_pack
def test_every_number_of_its_standards_has_a_letter(folder):
    with trying(folder):
        limits = load_limits(folder / "limits") if (folder / "limits").exists() else []
        assert all(limit.verified in "PSU" and limit.averaging.verified in "PSU" for _, limit in limits)


@every_pack
def test_its_simulated_day_runs_from_midnight_to_midnight(folder):
    with trying(folder) as pack:
        assert bool(pack.scenario.profile) == bool(pack.manifest.kind)
        for name, profile in pack.scenario.profile.items():
            day = WorkingDay(name, seed=1)
            for hour in range(24):
                for channel in ("laf", "pm10", *profile.course):
                    value = day.value(channel, MIDNIGHT + 3600 * hour)
                    assert value is not None, (name, channel, hour)


@every_pack
def test_a_person_reads_of_its_kinds_in_both_languages(folder):
    with trying(folder) as pack:
        for id_ in pack.manifest.kind:
            name = domains.kind_name(id_)
            assert name.en
            assert re.search(r"[\u4e00-\u9fff]", name.zh)


def references(said):
    """Yield the documents that a rule follows to whom they name: kind, and the property that names."""
    if isinstance(said, dict):
        if isinstance(said.get("by"), str) and isinstance(said.get("of"), str):
            yield said["by"], said["of"]
        for one in said.values():
            yield from references(one)
    elif isinstance(said, (list, tuple)):
        for one in said:
            yield from references(one)


@every_pack
def test_a_property_that_rules_follow_is_declared_to_name_things(folder):
    """Else what the named thing becomes would change no verdict that rests on it."""
    with trying(folder) as pack:
        kinds = domains.thing_kinds()
        for rule in pack.rules.values():
            responsible = [(one.by, one.of) for one in rule.responsible.permits] if rule.responsible else []
            for by, of in [*references(rule.params), *responsible]:
                assert kinds[by].property[of].of in kinds, (rule.id, by, of)


def test_the_packs_that_come_with_it():
    assert [pack.id for pack in domains.packs()] == ["construction", "factory", "merchants", "muck", "sanitation"]
    assert list(domains.site_kinds()) == ["construction", "factory", "restaurant"]
    assert domains.families() == ("noise", "dust", "gas", "weather", "device", "stack", "kitchen", "bin")
    assert "fuel" in site_properties()


def test_no_python_names_a_pack():
    """Adding a pack touches one folder: no branch of the code asks which it is."""
    names = {folder.name for folder in SHIPPED}
    found = []
    for room in ("schemas", "hub", "firmware", "dashboards", "deploy", "sim", "edge"):
        for path in (ROOT / room).rglob("*.py"):
            found += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Constant) and node.value in names and not _is_of_a_channel(path)
            ]
    assert found == []


def _is_of_a_channel(path):
    """Codecs, servers and pages may name what they are for."""
    return path.parts[-3:-1] in {("hub", "wire"), ("hub", "intake"), ("hub", "console")}


def test_a_pack_is_one_folder(monkeypatch):
    monkeypatch.setenv(domains.VARIABLE, str(HARBOUR))
    assert "berth" in domains.site_kinds()
    assert load_quantities()["h2s"].family == "odour"
    assert "cargo" in site_properties()
    assert [limit.id for standard, limit in load_limits() if standard.id == "HARBOUR 1-2020"] == ["h2s-hour"]
    assert domains.rules()["no-night-lifts"].of in domains.thing_kinds()
    monkeypatch.delenv(domains.VARIABLE)
    assert "berth" not in domains.site_kinds()
    assert "h2s" not in load_quantities()


def test_a_folder_that_is_no_pack_is_refused(tmp_path, monkeypatch):
    with pytest.raises(CatalogueError, match=r"is no domain pack, there is no pack\.toml in it"):
        domains.use([tmp_path])
    (tmp_path / "factory").mkdir()
    (tmp_path / "factory" / "pack.toml").touch()
    with pytest.raises(CatalogueError, match="has that name already; rename one"):
        domains.use([tmp_path / "factory"])
    there = [pack.id for pack in domains.packs()]
    assert there == ["construction", "factory", "merchants", "muck", "sanitation"], "what was refused is not in use"


@pytest.fixture
def harbour(tmp_path):
    """A copy of the harbour that may be spoilt: `spoil(file, old, new)`."""
    folder = tmp_path / "harbour"
    shutil.copytree(HARBOUR, folder)

    def spoil(name, old, new):
        path = folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        return folder

    return spoil


@pytest.mark.parametrize(
    ("name", "old", "new", "field", "line", "told"),
    [
        ("pack.toml", 'id = "harbour"', 'id = "port"', "id", 1, ["'port'", "'harbour'", "name of its folder"]),
        ("pack.toml", 'one = "a berth"\n', "", "kind.berth.one", 5, ["is missing", "a text, in quotes"]),
        ("pack.toml", 'one = "a berth"', 'oen = "a berth"', "kind.berth.oen", 8, ["did you mean 'one'"]),
        ("pack.toml", "[kind.berth]", "[kind.factory]", "kind.factory", 5, ["the pack 'factory' declares it already"]),
        ("pack.toml", "[family.odour]", "[family.noise]", "family.noise", 10, ["a family that all share"]),
        ("pack.toml", "[family.odour]", "[family.verdict]", "family.verdict", 10, ["a measurement"]),
        ("pack.toml", "[family.odour]", '[family.odour]\nby = "load"', "family.odour.by", 11, ["'load'", "cargo"]),
        ("pack.toml", 'default = "bulk"', 'default = "blk"', "property.cargo.default", 17, ["did you mean 'bulk'"]),
        ("pack.toml", 'zh = "港口"', 'zh = ""', "zh", 3, ["'' does not belong here", "a text"]),
        ("pack.toml", 'en = "berth"', "en = berth", "", 6, ["is not valid TOML"]),
        ("quantities.toml", 'family = "odour"', 'family = "odor"', "h2s", 1, ["family = 'odor'", "odour"]),
        ("quantities.toml", "range = [0, 5000]", "range = [5000, 0]", "h2s", 1, ["range", "lowest, then the highest"]),
        (
            "quantities.toml",
            'aggregate = "mean"',
            'aggregate = "man"',
            "h2s.aggregate",
            10,
            ["'man'", "one of: energy_mean"],
        ),
        ("quantities.toml", "[h2s]", "[pm10]", "pm10", 1, ["there is such a quantity already"]),
        ("limits/harbour-1.toml", "value = 0.06", "value = -1", "limit[1]", 17, ["value = -1", "number above 0"]),
        ("limits/harbour-1.toml", 'quantity = "h2s"', 'quantity = "h2o"', "limit[1]", 17, ["'h2o'", "quantities.toml"]),
        ("limits/harbour-1.toml", '["berth"]', '["bert"]', "limit[1]", 17, ["site_kinds[0] = 'bert'", "berth"]),
        ("limits/harbour-1.toml", '["bulk"]', '["blk"]', "limit[1]", 17, ["cargo = 'blk'", "bulk, boxes"]),
        (
            "limits/harbour-1.toml",
            "in_force = 2020-01-01",
            'in_force = "soon"',
            "standard.in_force",
            9,
            ["a date such as"],
        ),
        (
            "things.toml",
            'type = "number"',
            'type = "nubmer"',
            "thing.crane.property.capacity.type",
            9,
            ["'nubmer'", "number"],
        ),
        (
            "things.toml",
            'type = "number"',
            'type = "choice"',
            "thing.crane.property.capacity.values",
            6,
            ["type choice"],
        ),
        ("things.toml", 'type = "number"', 'type = "text"', "thing.crane.property.capacity", 6, ["are for numbers"]),
        ("things.toml", "geometry", "placed = true\n#", "thing.crane.placed", 4, ["none is allowed"]),
        ("rules/work.toml", 'of = "crane"', 'of = "cran"', "rule[1].of", 9, ["did you mean 'crane'"]),
        ("rules/work.toml", 'verified = "U"', 'verified = "X"', "rule[1].verified", 7, ["'X'", "one of: P, S, U"]),
        ("rules/work.toml", 'of = "crane"', "ends = 2019-01-01", "rule[1].ends", 9, ["a day after in_force"]),
        ("sensors.toml", 'type = "modbus"', 'type = "modbsu"', "sensor.h2s", 1, ["modbsu"]),
        (
            "sensors.toml",
            'channel = "h2s"',
            'channel = "hs2"',
            "sensor.h2s",
            1,
            ["'hs2'", "expected one of", "h2s"],
        ),
        ("sensors.toml", "[sensor.h2s]", "[sensor.noise]", "sensor.noise", 1, ["choose another"]),
        ("panels.toml", 'draw = "strip"', 'draw = "stripe"', "panel[3].draw", 2, ["'stripe'", "strip"]),
        (
            "panels.toml",
            '["laeq", "lafmax"]',
            '["laeq", "pm10"]',
            "panel[2].quantities",
            2,
            ["several families or units"],
        ),
        ("panels.toml", '["h2s"]', '["h3s"]', "panel[1].quantities", 2, ["'h3s'", "add it there first"]),
        ("panels.toml", "height = 7", 'limits = ["laeq"], height = 7', "panel[3].limits", 2, ["does not read it"]),
        ("panels.toml", 'text = "odour"', 'text = "smell"', "panel[1].text", 2, ["'smell' has no title", "texts.toml"]),
        ("panels.toml", 'name = "berth"', 'name = "site"', "name", 1, ["another pack has a dashboard of that name"]),
        ("texts.toml", ', zh = "泊位" }', " }", "berth.title.zh", 2, ["is missing"]),
        ("scenario.toml", 'kind = "berth"', 'kind = "bert"', "profile.unloading.kind", 2, ["did you mean 'berth'"]),
        (
            "scenario.toml",
            'sensors = ["h2s"]',
            'sensors = ["hs"]',
            "profile.unloading.sensors",
            4,
            ["'hs' is not known"],
        ),
        ("scenario.toml", '["24:00", 5]', '["23:00", 5]', "profile.unloading.course.h2s.points", 8, ["00:00", "24:00"]),
        (
            "scenario.toml",
            'profile = "unloading"',
            'profile = "loading"',
            "site[1].profile",
            15,
            ["did you mean 'unloading'"],
        ),
        ("scenario.toml", '"sulphur-quay"', '"school"', "site[1].id", 11, ["'school' is there already"]),
    ],
)
def test_a_fault_is_told_with_file_line_field_and_remedy(harbour, name, old, new, field, line, told):
    folder = harbour(name, old, new)
    found = check(folder).found
    mine = [fault for fault in found if (fault.file, fault.field) == (folder / name, field)]
    assert mine, [fault.text().en for fault in found]
    assert mine[0].line == line
    assert all(part in mine[0].problem.en for part in told), mine[0].problem.en
    assert mine[0].problem.zh


def test_every_fault_is_told_at_once(harbour):
    harbour("pack.toml", 'default = "bulk"', 'default = "blk"')
    harbour("pack.toml", 'en = "odour"', "en = 5")
    harbour("quantities.toml", "resolution = 1", "resolution = 99")
    harbour("quantities.toml", 'unit = "ug/m3"\n', "")
    harbour("things.toml", "required = true", 'required = "yes"')
    folder = harbour("scenario.toml", "pm10 = 20", "pm10 = none_at_all".replace("none_at_all", '"much"'))
    (folder / "panel.toml").touch()
    found = {(fault.file.name, fault.field) for fault in check(folder).found}
    assert found >= {
        ("pack.toml", "family.odour.en"),
        ("things.toml", "thing.crane.property.capacity.required"),
        ("scenario.toml", "profile.unloading.activity[1].pm10"),
        ("panel.toml", ""),
    }
    harbour("pack.toml", "en = 5", 'en = "odour"')
    found = {(fault.file.name, fault.field) for fault in check(folder).found}
    assert found >= {
        ("pack.toml", "property.cargo.default"),
        ("quantities.toml", "h2s.resolution"),
        ("quantities.toml", "h2s.unit"),
    }


def test_a_broken_pack_is_refused_where_it_is_used(harbour, monkeypatch):
    folder = harbour("pack.toml", 'one = "a berth"\n', "")
    monkeypatch.setenv(domains.VARIABLE, str(folder))
    with pytest.raises(CatalogueError, match=r"pack\.toml:5: kind\.berth\.one: is missing; add it: expected a text"):
        domains.site_kinds()


def test_an_empty_folder_and_none_at_all_are_explained(tmp_path):
    assert "cannot be read" in check(tmp_path).found[0].problem.en
    assert "is no folder" in check(tmp_path / "gone").found[0].problem.en


def test_the_guide_names_every_file_of_a_pack():
    guide = (HERE / "README.md").read_text("utf-8")
    assert [name for name in FILES if name not in guide] == []
    assert Pack(HARBOUR).rules


PATROL = """
[thing.crane.patrol]
along = "{along}"
shown = ["{shown}"]
document = {{ by = "{by}", of = "{of}" }}
{score}
[thing.crane.patrol.duty.clean]
en = "Cleanliness"
zh = "包卫生"
codes = ["{code}"]
"""
SCORE = (
    "score = {{ days = 90, document = {0}, kept = 50, cases = 20, rules = 10, each_case = 5, each_breach = 2, "
    "bands = {{ a = {1} }} }}"
)


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({}, None, ""),
        ({"along": "bert"}, "thing.crane.patrol.along", "did you mean 'berth'"),
        ({"shown": "colour"}, "thing.crane.patrol.shown", "'colour' is not known"),
        ({"by": "licence"}, "thing.crane.patrol.document.by", "'licence' is not known"),
        ({"of": "ship"}, "thing.crane.patrol.document.of", "'ship' is not known"),
        ({"code": "5-04"}, "thing.crane.patrol.duty.clean.codes[1]", "four digits"),
        ({"score": SCORE.format(10, 0)}, "thing.crane.patrol.score", "add up to 90; expected 100"),
        ({"score": SCORE.format(20, 5)}, "thing.crane.patrol.score", "a band that begins at 0"),
    ],
)
def test_what_is_visited_by_patrols_names_what_there_is(harbour, given, field, told):
    good = {"along": "berth", "shown": "capacity", "by": "crane", "of": "berth", "code": "0504", "score": ""}
    patrol = PATROL.format(**good | given)
    more = '\n[thing.crane.property.berth]\nen = "berth"\nzh = "泊位"\ntype = "thing"\nof = "crane"\n'
    folder = harbour("things.toml", "[thing.crane]", "[thing.crane]")
    (folder / "things.toml").write_text((folder / "things.toml").read_text("utf-8") + more + patrol, "utf-8")
    found = [(fault.field, fault.problem.en) for fault in check(folder).found]
    assert [(one, told in text) for one, text in found] == ([] if field is None else [(field, True)]), found
