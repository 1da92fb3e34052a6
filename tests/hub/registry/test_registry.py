"""The registry as the hub reads it: checked whole, small in memory, and read again when its files change."""

import datetime as dt
import logging
import os
import re
import sys

import msgspec
import pytest

from hub.config.files import ConfigError, load_config
from hub.limits.places import Places
from hub.registry.live import LiveRegistry, load_registry
from tests.hub.alerting import run
from tests.hub.registry_files import KEYS, REGISTRY, make

SHANGHAI = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def config(tmp_path):
    return load_config(make(tmp_path))


def test_everything_that_a_registry_may_hold_is_read(config):
    registry = load_registry(config)
    gate = registry.site_of("fence-1")
    assert (gate.zone_class, gate.position) == ("4a", (23.0288, 113.1427))
    assert [(c.role, c.name, c.phone, c.email) for c in gate.contacts] == [
        ("site manager", "Li", "+86 757 0000 0000", None),
        ("duty", None, None, "a@b.example"),
    ]
    board = registry.boards["fence-1"]
    assert board.sensors == ("plantower", "modbus")
    assert (board.installed, board.calibration_due) == (dt.date(2026, 1, 5), dt.date(2027, 1, 5))
    assert registry.cities["foshan"].zh == "佛山"
    assert registry.districts == ("nanhai",)
    assert [site.id for site in registry.sites_in("nanhai")] == ["gate-7", "mill"]
    assert [board.id for board in registry.boards_in("nanhai")] == ["fence-1", "stack-1"]
    assert list(registry.boards_in("tianhe")) == []


def test_a_board_counts_no_more_from_the_day_on_which_it_is_retired(config):
    registry = load_registry(config)
    assert not registry.is_retired("stack-1", dt.date(2026, 6, 29))
    assert registry.is_retired("stack-1", dt.date(2026, 6, 30))
    assert not registry.is_retired("fence-1", dt.date(2099, 1, 1))
    assert registry.keys["stack-1"] == b"\x2e" * 32


def test_a_permit_without_offset_is_in_the_registrys_own_time_and_its_end_is_not_in_it(config):
    gate = load_registry(config).sites["gate-7"]
    held = [
        gate.permit_at(dt.datetime(*when, tzinfo=SHANGHAI))
        for when in ((2026, 12, 1, 21, 59), (2026, 12, 1, 22), (2026, 12, 2, 5, 59), (2026, 12, 2, 6))
    ]
    assert [permit and permit.permit for permit in held] == [None, "2026-118", "2026-118", None]


def test_a_registry_from_before_these_fields_is_still_good(tmp_path):
    old = """timezone = "Asia/Shanghai"
[[site]]
id = "gate-7"
district = "north"
kind = "construction"
en = "North Gate"
zh = "北门"
[[board]]
id = "fence-1"
site = "gate-7"
"""
    registry = load_registry(load_config(make(tmp_path, old)))
    assert registry.districts == ("north",)
    assert not registry.is_retired("fence-1", dt.date(2026, 1, 1))


GATE = "site 'gate-7': "
FENCE = "board 'fence-1': "


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'kind = "construction"',
            'kind = "konstruktion"',
            GATE + "kind = 'konstruktion': expected construction, factory or",
        ),
        ('kind = "construction"', "kind = 7", GATE + "kind = 7: expected construction, factory or restaurant"),
        ('kind = "construction"\n', "", GATE + "kind is missing; expected construction, factory or restaurant"),
        ('"4a"', '"5"', GATE + "zone_class = '5': expected one of 0, 1, 2, 3, 4, 4a and 4b, in quotes"),
        ('"4a"', "3", GATE + "zone_class = 3: expected one of 0, 1, 2, 3, 4, 4a and 4b, in quotes"),
        ("zone_class", "zone_klass", GATE + "there is no field 'zone_klass'; did you mean 'zone_class'?"),
        ('en = "North Gate, lot 7"', 'en = ""', GATE + "en = '': expected a name, in quotes"),
        ("[23.0288, 113.1427]", "[113.1427, 23.0288]", GATE + "position = [113.1427, 23.0288] looks swapped"),
        ("[23.0288, 113.1427]", "[230.288, 113.1427]", GATE + "position = [230.288, 113.1427] is not on Earth"),
        ("[23.0288, 113.1427]", "[nan, 113.1427]", GATE + "position = [nan, 113.1427] is not on Earth"),
        ("[23.0288, 113.1427]", "[0, 0]", GATE + "position = [0.0, 0.0] is what a receiver without a fix gives"),
        ("[23.0288, 113.1427]", "[23.0288]", GATE + "position = [23.0288]: expected [latitude, longitude] in d"),
        ("[23.0288, 113.1427]", '["23", 113.1]', GATE + "position[0] = '23': expected [latitude, longitude]"),
        ('email = "a@b.example"', 'name = "Wu"', GATE + "contacts: 'duty' has neither phone nor email"),
        ('role = "duty", ', "", GATE + "contacts[1].role is missing; expected what the contact is for the site"),
        ('role = "duty"', 'rule = "duty"', GATE + "there is no field 'contacts[1].rule'; did you mean 'role'?"),
        ("from = 2026-12-01T22", "from = 2026-12-03T22", GATE + "night_work: permit '2026-118' ends before it begins"),
        ('"2026-12-02T06:00+08:00"', '"tomorrow"', GATE + "night_work[0].to = 'tomorrow': expected a date and time"),
        ('permit = "2026-118"', "permit = 118", GATE + "night_work[0].permit = 118: expected the permit's number"),
        ('["plantower", "modbus"]', '"plantower"', FENCE + "sensors = 'plantower': expected a list of driver names"),
        ('["plantower", "modbus"]', '["Plan Tower"]', FENCE + "sensors[0] = 'Plan Tower': expected a list of driver"),
        ("2027-01-05", '"soon"', FENCE + "calibration_due = 'soon': expected a date such as 2026-12-01"),
        ("2027-01-05", "2027-01-05T10:00:00", FENCE + "calibration_due = 2027-01-05 10:00:00: expected a date"),
        ('site = "gate-7"', 'site = "gate-8"', FENCE + "there is no site 'gate-8'; add it or mend the name"),
        ('site = "gate-7"', "", FENCE + "site is missing; expected 1 to 32 of a-z, 0-9 and -"),
        ('id = "fence-1"', 'id = "hub"', "board 'hub': 'hub' is a name of the deployment's own"),
        ('id = "fence-1"', "", "board number 1: id is missing; expected 1 to 32 of a-z, 0-9 and -"),
        ('id = "fence-1"', "id = 3", "board '3': id = 3: expected 1 to 32 of a-z, 0-9 and -"),
        ('id = "stack-1"', 'id = "fence-1"', FENCE + "stands there twice; give each board an id of its own"),
        ('id = "nanhai"', 'id = "shunde"', GATE + "there is no district 'nanhai'; add it or mend the name"),
        ('city = "foshan"', 'city = "fosan"', "district 'nanhai': there is no city 'fosan'; add it or mend the name"),
        ("[[district]]", "[[distrikt]]", "there is no table or key 'distrikt' here; did you mean 'district'?"),
        ("[[city]]", "[city]", "city: Expected `array`, got `object`; expected [[city]] tables"),
        ("Asia/Shanghai", "Asia/Peking", "timezone = 'Asia/Peking' is not an IANA zone such as Asia/Shanghai"),
    ],
)
def test_a_mistake_is_told_by_the_entrys_name_the_value_and_what_was_expected(tmp_path, old, new, sentence):
    assert old in REGISTRY
    config = load_config(make(tmp_path, REGISTRY.replace(old, new, 1)))
    with pytest.raises(ConfigError) as refused:
        load_registry(config)
    told = str(refused.value)
    file, line, said = re.fullmatch(r"(.+?\.toml)(?::(\d+))?: (.+)", told).groups()
    assert (file, said.startswith(sentence)) == (str(tmp_path / "registry.toml"), True), told
    kind = re.match(r"(site|board|district) ", sentence)
    assert line or not kind
    assert len(told.splitlines()) == 1


def test_a_hundred_thousand_boards_are_loaded_in_less_than_400_bytes_each(tmp_path):
    boards = 100_000
    text = "".join(
        f'[[site]]\nid = "site-{n}"\ndistrict = "north"\nkind = "factory"\nen = "a"\nzh = "b"\n' for n in range(100)
    )
    text += "".join(
        f'[[board]]\nid = "fence-{n:06d}"\nsite = "site-{n % 100}"\nsensors = ["plantower", "modbus"]\n'
        f"installed = 2026-01-05\ncalibration_due = 2027-01-05\n"
        for n in range(boards)
    )
    config = load_config(make(tmp_path, text))
    config.keys.write_text("".join(f'fence-{n:06d} = "{n:064x}"\n' for n in range(boards)), "utf-8")
    registry = load_registry(config)
    assert len(registry.boards) == boards
    assert registry.keys["fence-000255"] == bytes(31) + b"\xff"
    assert size_of(registry, set()) / boards < 400


def size_of(thing, seen):
    """Return how many bytes a thing and all that it holds take; what is held twice counts once."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    parts = ()
    if isinstance(thing, dict):
        parts = (*thing, *thing.values())
    elif isinstance(thing, tuple):
        parts = thing
    elif isinstance(thing, msgspec.Struct):
        parts = tuple(getattr(thing, field) for field in thing.__struct_fields__)
    return sys.getsizeof(thing) + sum(size_of(part, seen) for part in parts)


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 2
        return self.now


@pytest.fixture
def live(config):
    return LiveRegistry(config, Clock())


def rewrite(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_a_changed_registry_is_read_again_and_an_unchanged_one_is_not(tmp_path, live):
    before = live.current
    assert not live.refresh()
    assert live.current is before
    rewrite(tmp_path / "registry.toml", "North Gate", "Northern Gate")
    assert live.refresh()
    assert live.current.sites["gate-7"].en == "Northern Gate, lot 7"
    assert before.sites["gate-7"].en == "North Gate, lot 7"
    assert not live.refresh()


def test_a_changed_key_is_taken_up(tmp_path, live):
    rewrite(tmp_path / "keys.toml", KEYS["fence-1"], "3d" * 32)
    assert live.refresh()
    assert live.current.keys["fence-1"] == b"\x3d" * 32


def test_a_file_that_was_replaced_by_one_of_the_same_size_and_time_is_seen(tmp_path, live):
    path = tmp_path / "registry.toml"
    was = path.stat()
    new = tmp_path / "new"
    new.write_text(path.read_text("utf-8").replace("North Gate", "South Gate"), "utf-8")
    os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
    new.replace(path)
    assert path.stat().st_size == was.st_size
    assert live.refresh()
    assert live.current.sites["gate-7"].en.startswith("South")


def test_the_files_are_looked_at_no_more_often_than_every_two_seconds(tmp_path, config):
    now = [0.0]
    live = LiveRegistry(config, lambda: now[0])
    rewrite(tmp_path / "registry.toml", "North Gate", "Northern Gate")
    now[0] = 1.9
    assert not live.refresh()
    now[0] = 2.0
    assert live.refresh()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: rewrite(folder / "registry.toml", "factory", "airport"),
        lambda folder: (folder / "registry.toml").unlink(),
        lambda folder: (folder / "keys.toml").chmod(0o644),
        lambda folder: rewrite(folder / "keys.toml", "2e2e", "2e"),
    ],
)
def test_files_that_cannot_be_used_are_reported_once_and_the_last_good_registry_stays(tmp_path, live, caplog, spoil):
    good = live.current
    spoil(tmp_path)
    for _ in range(3):
        assert not live.refresh()
        os.utime(tmp_path / "keys.toml")
    assert live.current is good
    (reported,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert live.problem in reported.getMessage()
    assert str(tmp_path) in live.problem
    assert not any(key in caplog.text for key in ("2e" * 16, *KEYS.values()))
    make(tmp_path)
    (tmp_path / "keys.toml").chmod(0o600)
    assert live.refresh()
    assert live.problem is None


def test_another_mistake_in_the_same_file_is_reported_too(tmp_path, live, caplog):
    rewrite(tmp_path / "registry.toml", "factory", "airport")
    live.refresh()
    rewrite(tmp_path / "registry.toml", "airport", "seaport")
    live.refresh()
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 2
    assert "seaport" in live.problem


def test_a_live_registry_does_not_start_with_files_that_cannot_be_used(tmp_path, config):
    (tmp_path / "keys.toml").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        LiveRegistry(config)


MEASURED = '{level = 52.4, from = "2026-11-20T12:00", to = 2026-11-20T12:20:00, confirmed = "officer-2"}'


def test_a_background_is_in_the_registrys_own_time_and_a_reference_is_a_board(tmp_path):
    text = REGISTRY.replace("# closes in 2027", f'background = [{MEASURED}]\nreference = "stack-1"')
    registry = load_registry(load_config(make(tmp_path, text)))
    (level,) = registry.sites["gate-7"].background
    assert (level.level, level.confirmed, level.until) == (52.4, "officer-2", None)
    assert level.from_ == dt.datetime(2026, 11, 20, 12, tzinfo=SHANGHAI)
    places = Places(registry)
    (told,) = places.backgrounds("fence-1")
    assert (told.level, told.measured, told.since) == (52.4, level.from_.timestamp(), level.from_.timestamp())
    assert (places.reference("fence-1"), places.referring("stack-1")) == ("stack-1", ("fence-1",))
    assert (places.reference("stack-1"), places.backgrounds("stack-1")) == (None, ())


def test_a_background_may_be_measured_by_a_board_of_another_site(tmp_path):
    quiet = 'background = [{board = "stack-1", confirmed = "officer-2", since = 2026-11-20T00:00:00}]'
    places = Places(load_registry(load_config(make(tmp_path, REGISTRY.replace("# closes in 2027", quiet)))))
    (told,) = places.backgrounds("fence-1")
    since = int(dt.datetime(2026, 11, 20, tzinfo=SHANGHAI).timestamp())
    assert (told.board, told.level, told.since) == ("stack-1", None, since)
    assert (places.referring("stack-1"), places.reference("fence-1")) == (("fence-1",), None)


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        ("fence-1", "background: board 'fence-1' stands at the site itself and hears it; name one elsewhere"),
        ("fence-9", "background: there is no board 'fence-9'; add it or mend the name"),
    ],
)
def test_a_board_that_hears_the_site_measures_no_background_of_it(tmp_path, board, sentence):
    quiet = f'background = [{{board = "{board}", confirmed = "officer-2"}}]'
    with pytest.raises(ConfigError) as refused:
        load_registry(load_config(make(tmp_path, REGISTRY.replace("# closes in 2027", quiet))))
    assert GATE + sentence in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("level = 52.4", "level = -3", "background: level = -3: expected a level in dB(A)"),
        ("level = 52.4, ", "", "background: level is missing; expected a level in dB(A), or board = the id of a board"),
        ('from = "2026-11-20T12:00", ', "", "background: from is missing; expected a date and time"),
        ("level = 52.4", 'board = "stack-1"', "background: board = 'stack-1' measures it all the time; leave out"),
        ("T12:20:00", "T11:00:00", "background: to = 2026-11-20 11:00:00+08:00: expected a time later than from"),
        ('confirmed = "officer-2"', "confirmed = 2", "background[0].confirmed = 2: expected who confirms"),
        ('"2026-11-20T12:00"', '"noon"', "background[0].from = 'noon': expected a date and time"),
        ("}", ", until = 2020-01-01T00:00:00}", "background: until = 2020-01-01 00:00:00+08:00: expected a time later"),
    ],
)
def test_a_wrong_background_is_refused(tmp_path, old, new, sentence):
    assert old in MEASURED
    text = REGISTRY.replace("# closes in 2027", f"background = [{MEASURED.replace(old, new)}]")
    with pytest.raises(ConfigError) as refused:
        load_registry(load_config(make(tmp_path, text)))
    assert GATE + sentence in str(refused.value)


def test_a_reference_that_is_no_board_is_refused(tmp_path):
    text = REGISTRY.replace("# closes in 2027", 'reference = "station-9"')
    with pytest.raises(ConfigError, match="site 'gate-7': there is no board 'station-9'"):
        load_registry(load_config(make(tmp_path, text)))


OWN = ("health", "broker", "ca", "grafana", "hub", "hub-nanhai", "fenceline-hub", "before-restore-2026")


@pytest.mark.parametrize("name", OWN)
def test_a_name_of_the_deployments_own_is_refused_wherever_it_is_named(tmp_path, name):
    for kind, old in (("board", 'id = "stack-1"'), ("site", 'id = "mill"'), ("district", 'id = "nanhai"')):
        assert old in REGISTRY
        config = load_config(make(tmp_path, REGISTRY.replace(old, f'id = "{name}"', 1)))
        with pytest.raises(ConfigError) as refused:
            load_registry(config)
        assert f"{kind} {name!r}: {name!r} is a name of the deployment's own; choose another" in str(refused.value)
    bare = f'[[site]]\nid = "a"\ndistrict = "{name}"\nkind = "factory"\nen = "a"\nzh = "b"\n'
    with pytest.raises(ConfigError, match=r"site 'a': .* is a name of the deployment's own"):
        load_registry(load_config(make(tmp_path, bare)))
    make(tmp_path)
    for arguments in (
        ("board", name, "--site", "mill"),
        ("site", name, "--district", "nanhai", "--kind", "factory", "--en", "a", "--zh", "b"),
        ("district", name, "--city", "foshan", "--en", "a", "--zh", "b"),
    ):
        ended = run(tmp_path, "registry", "add", *arguments)
        assert ended.code == 2
        assert "is a name of the deployment's own" in ended.err
    (tmp_path / "boards.csv").write_text(f"id,site\n{name},mill\n")
    ended = run(tmp_path, "registry", "import", tmp_path / "boards.csv")
    assert ended.code == 2
    assert "is a name of the deployment's own" in ended.err
    assert "hub" not in load_registry(load_config(tmp_path / "fenceline.toml")).boards


@pytest.mark.parametrize("name", ["hubert", "health-1", "cafe", "broker2", "grafana-east", "the-hub"])
def test_a_name_that_only_resembles_one_of_those_is_taken(tmp_path, name):
    config = load_config(make(tmp_path, REGISTRY.replace('id = "stack-1"', f'id = "{name}"', 1)))
    with pytest.raises(ConfigError, match="has no key"):
        load_registry(config)


def test_a_board_and_the_hub_are_not_called_the_same_at_the_broker(tmp_path):
    path = make(tmp_path)
    path.write_text(path.read_text() + '[broker]\nclient_id = "fence-1"\n')
    with pytest.raises(ConfigError, match=r"board 'fence-1': has the name that \[broker\] client_id gives the hub"):
        load_registry(load_config(path))
    path.write_text(path.read_text().replace('"fence-1"', '"health"'))
    with pytest.raises(ConfigError, match="client_id = 'health' is the name of another part"):
        load_config(path)
