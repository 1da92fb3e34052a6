"""What the registry states of instruments: checked, shown, exported, imported, and what judging makes of it."""

import pytest

from hub.config.files import ConfigError, load_config
from hub.judge import Instrument
from hub.limits.places import Places
from hub.registry.live import load_entries, load_registry
from tests.hub.registry_files import CONFIG, REGISTRY, make, run

STATED = """
[[board]]
id = "fence-9"
site = "gate-7"
instruments = [
    {of = "noise", class = "class_1", uncertainty = "1.4", source = "certificate 2026-118"},
    {of = "lafmax", class = "class_2"},
    {of = "dust", class = "indicative", uncertainty = "50 %", source = "collocation of 2026-11"},
]

[[station]]
id = "mill-cems"
site = "mill"
mn = "010000A8900016F000169DC0"
instruments = [{of = "stack_nox", class = "type_approved", uncertainty = "8 %", source = "type approval 17"}]
"""
GUARDED = REGISTRY.replace('zh = "佛山"', 'zh = "佛山"\ndecision = "guarded_rejection"')


@pytest.fixture
def city(tmp_path):
    folder = make(tmp_path, GUARDED + STATED).parent
    with (folder / "keys.toml").open("a") as keys:
        keys.write(f'fence-9 = "{"9" * 64}"\n')
    return folder


def test_a_quantity_is_looked_up_by_its_own_name_and_then_by_its_family(city):
    places = Places(load_registry(load_config(city / "fenceline.toml")))
    rule = "guarded_rejection"
    assert places.instrument("fence-9", "laeq") == Instrument("class_1", 1.4, relative=False, rule=rule)
    assert places.instrument("fence-9", "lafmax") == Instrument("class_2", None, rule=rule)
    assert places.instrument("fence-9", "pm10") == Instrument("indicative", 0.5, relative=True, rule=rule)
    assert places.instrument("fence-9", "co") == Instrument(rule=rule)
    assert places.instrument("mill-cems", "stack_nox") == Instrument("type_approved", 0.08, relative=True, rule=rule)
    assert places.instrument("fence-1", "laeq") == Instrument(rule=rule)
    assert places.instrument("nobody", "laeq") == Instrument()


def test_it_goes_through_csv_and_comes_back_equal(city, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "fenceline.toml").write_text(CONFIG, "utf-8")
    for kind in ("sites", "boards", "stations"):
        out = run(city, "export", "--format", "csv", "--kind", kind).out
        (tmp_path / f"{kind}.csv").write_text(out, "utf-8")
        ended = run(other, "import", str(tmp_path / f"{kind}.csv"), "--kind", kind)
        assert ended.code == 0, ended.err
    assert "noise|class_1|1.4|certificate 2026-118;lafmax|class_2;dust|indicative|50 %|" in (
        tmp_path / "boards.csv"
    ).read_text("utf-8")
    for kind in ("board", "station"):
        found, wanted = (load_entries(load_config(one / "fenceline.toml")).plain()[kind] for one in (other, city))
        assert found == wanted


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('{of = "nois", class = "class_1"}', "of = 'nois': expected a quantity such as pm10, or one of: noise"),
        ('{of = "noise", class = "class_3"}', "expected type_approved, class_1, class_2 or indicative"),
        ('{of = "noise"}', "class is missing; expected type_approved"),
        ('{of = "noise", class = "class_1"}, {of = "noise", class = "class_2"}', "of = 'noise' stands there twice"),
        ('{of = "noise", class = "class_1", uncertainty = "1.4"}', "source is missing"),
        ('{of = "noise", class = "class_1", uncertainty = "10 %", source = "x"}', "of a level it is stated in dB"),
        ('{of = "pm10", class = "class_1", uncertainty = "-3", source = "x"}', "expected a number such as"),
        ('{of = "pm10", class = "class_1", uncertainty = "0", source = "x"}', "expected a number such as"),
        ('{of = "pm10", class = "class_1", uncertainty = "nan", source = "x"}', "expected a number such as"),
        ('{of = "pm10", class = "class_1", sorce = "x"}', "did you mean 'source'?"),
    ],
)
def test_what_is_wrong_is_told_with_what_was_expected(tmp_path, entry, told):
    config = make(tmp_path, REGISTRY + f'[[board]]\nid = "x"\nsite = "mill"\ninstruments = [{entry}]\n')
    with pytest.raises(ConfigError) as raised:
        load_registry(load_config(config))
    assert "board 'x'" in str(raised.value)
    assert told in str(raised.value)


def test_a_decision_rule_that_nobody_knows_is_refused(tmp_path):
    config = make(tmp_path, GUARDED.replace("guarded_rejection", "lenient"))
    with pytest.raises(ConfigError, match="expected simple, guarded_acceptance or guarded_rejection"):
        load_registry(load_config(config))


def test_show_and_check_say_how_good_the_instruments_are(city):
    shown = run(city, "show", "fence-9").out
    assert "noise, class 1, 1.4, certificate 2026-118" in shown
    assert "class not stated" in run(city, "show", "fence-1").out


OPERATION = """operation = [
    {state = "starting", from = 2026-12-01T05:00:00, to = 2026-12-01T09:00:00, confirmed = "officer-2", note = "cold"},
    {state = "stopping", from = "2026-12-05T22:00+08:00", to = "2026-12-06T01:00+08:00", confirmed = "officer-2"},
]
"""


def declared(folder):
    return Places(load_registry(load_config(folder / "fenceline.toml"))).starting("stack-1")


def test_declared_starts_are_local_times_and_go_through_csv(tmp_path):
    text = REGISTRY.replace('zh = "老面粉厂"\n', f'zh = "老面粉厂"\n{OPERATION}')
    city = make(tmp_path, text).parent
    assert declared(city) == ((1796072400, 1796086800), (1796479200, 1796490000))
    out = run(city, "export", "--format", "csv", "--kind", "sites").out
    (tmp_path / "sites.csv").write_text(out, "utf-8")
    (city / "registry.toml").write_text(REGISTRY, "utf-8")
    assert declared(city) == ()
    assert run(city, "import", str(tmp_path / "sites.csv")).code == 0
    assert declared(city) == ((1796072400, 1796086800), (1796479200, 1796490000))
    assert "starting" in run(city, "show", "mill").out


def test_a_start_that_ends_before_it_begins_is_refused(tmp_path):
    wrong = OPERATION.replace("T09:00:00", "T04:00:00")
    with pytest.raises(ConfigError, match=r"site 'mill': operation: to = .* expected a time later than from"):
        load_registry(load_config(make(tmp_path, REGISTRY.replace('zh = "老面粉厂"\n', f'zh = "老面粉厂"\n{wrong}'))))
