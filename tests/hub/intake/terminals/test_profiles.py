"""Profiles of terminals: what vendors' bits and items mean, as data."""

import pytest

from hub.config.files import ConfigError
from hub.intake.terminals.profiles import Profiles
from hub.wire.jt808 import Item, Position
from hub.wire.terminal import Head, Meaning, moment_of

FIX = Position(0, 3, 23_000_000, 113_000_000, 12, 356, 90, "261128080000")
WEIGHT = """
en = "Load cell"
zh = "称重"
utc = 0
radius = 30

[[state]]
name = "weight"
from = "E8"
offset = 1
size = 2
width = 0
factor = 0.01

[[state]]
name = "cover"
from = "status"
bit = 22
width = 2
values = ["closed", "open", ""]
fault = 29

[[state]]
name = "overspeed"
from = "alarm"
bit = 1
"""


def said(head, **changes):
    """Return what a fix says with these changes."""
    return moment_of(FIX._replace(**changes), head)


def test_a_profile_of_the_citys_own_is_read_and_goes_first(tmp_path):
    (tmp_path / "cell.toml").write_text(WEIGHT, "utf-8")
    profiles = Profiles(tmp_path)
    assert {"standard", "trwy", "cell"} == {*profiles}
    head = profiles.head("cell")
    one = said(head, items=(Item(0xE8, b"\x01\x0b\xb8\xff"),), alarm=2)
    assert (one.t, one.radius) == (1_795_852_800, 30)
    assert one.states == {"weight": 30.0, "cover": "closed", "overspeed": True}
    (tmp_path / "standard.toml").write_text('en = "x"\nzh = "x"\n', "utf-8")
    assert Profiles(tmp_path).head(None).states == ()
    assert Profiles(tmp_path).head("nobody") is None


@pytest.mark.parametrize(
    ("changes", "weight", "cover"),
    [
        ({}, None, "closed"),
        ({"items": (Item(0xE8, b"\x01\x0b"),)}, None, "closed"),
        ({"items": (Item(0xE8, b"\0\0\1"),) * 2}, None, "closed"),
        ({"status": 3 | 1 << 22}, None, "open"),
        ({"status": 3 | 2 << 22}, None, None),
        ({"status": 3 | 3 << 22}, None, None),
        ({"status": 3 | 1 << 22 | 1 << 29}, None, None),
    ],
)
def test_what_cannot_be_known_is_not_guessed(tmp_path, changes, weight, cover):
    (tmp_path / "cell.toml").write_text(WEIGHT, "utf-8")
    states = said(Profiles(tmp_path).head("cell"), **changes).states
    assert (states["weight"], states["cover"]) == (weight, cover)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('from = "E8"', 'from = "e8x"'), "from = 'e8x': expected status, alarm"),
        (('name = "overspeed"', 'name = "cover"'), "'cover' stands there twice"),
        (("width = 2", "width = 1"), "has 3 values"),
        (("bit = 22", "bit = 64"), "bit: 64 does not belong here; expected a whole number, at least 0, at most 63"),
        (("utc = 0", "utx = 0"), "utx: there is no such field; did you mean 'utc'"),
    ],
)
def test_a_mistake_in_a_profile_is_told(tmp_path, change, says):
    (tmp_path / "cell.toml").write_text(WEIGHT.replace(*change), "utf-8")
    with pytest.raises(ConfigError, match=says):
        Profiles(tmp_path)


@pytest.mark.parametrize("status", [0, 2, 3 | 1 << 5])
def test_a_place_counts_only_where_the_terminal_stands_behind_it(status):
    one = said(Head((Meaning("acc", "status"),)), status=status)
    assert (one.lat is None, one.lon is None) == ((status & 0x22) != 2,) * 2
    assert one.states == {"acc": bool(status & 1)}
