"""The catalogues load whole, or say which file, entry and field to mend."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from edge.quantities import QUANTITIES as ON_THE_BOARD
from schemas import CatalogueError, generate, load_limits, load_quantities

SCHEMAS = Path(__file__).parents[2] / "schemas"
QUANTITIES_TEXT = (SCHEMAS / "quantities.toml").read_text("utf-8")
LIMITS_TEXT = (SCHEMAS / "limits" / "gb12523-2025.toml").read_text("utf-8")


def refusal_of_quantities(folder, text):
    (folder / "quantities.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CatalogueError) as refused:
        load_quantities(folder / "quantities.toml")
    return str(refused.value)


def refusal_of_limits(folder, text):
    (folder / "noise.toml").write_text(text, "utf-8")
    with pytest.raises(CatalogueError) as refused:
        load_limits(folder)
    return str(refused.value)


def changed(text, old, new):
    """Return the text with the first `old` replaced, which must be there."""
    assert old in text
    return text.replace(old, new, 1)


def test_every_quantity_can_stand_in_a_message_and_has_its_names():
    telemetry = json.loads((SCHEMAS / "messages" / "telemetry.schema.json").read_text("utf-8"))
    pattern = telemetry["$defs"]["record"]["properties"]["v"]["propertyNames"]["pattern"]
    quantities = load_quantities()
    assert quantities["laeq"].aggregate == "energy_mean"
    for key, quantity in quantities.items():
        assert re.search(pattern, key)
        assert quantity.en
        assert quantity.zh
        assert quantity.label


def test_levels_in_db_are_never_averaged_arithmetically():
    for quantity in load_quantities().values():
        assert quantity.aggregate != "mean" or not quantity.unit.startswith("dB")


def test_the_limits_of_gb_12523_2025():
    limits = {limit.id: (standard, limit) for standard, limit in load_limits() if standard.id == "GB 12523-2025"}
    assert {id_: limit.value for id_, (_, limit) in limits.items()} == {
        "laeq-day": 70,
        "laeq-night": 55,
        "lafmax-night": 70,
    }
    standard, night = limits["laeq-night"]
    assert standard.in_force == dt.date(2026, 1, 1)
    assert (night.from_, night.to, night.window) == ("22:00", "06:00", 1200)


def test_the_boards_copy_of_the_catalogue_is_current():
    assert generate.main(["--check"]) == 0, "run `make generate`"
    quantities = load_quantities()
    assert set(ON_THE_BOARD) == set(quantities)
    for key, (channels, aggregate, decimals) in ON_THE_BOARD.items():
        assert channels == (quantities[key].samples or (key,))
        assert (aggregate, decimals) == (quantities[key].aggregate, quantities[key].resolution)


def test_a_copy_that_is_not_current_is_found_and_written_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "TARGET", tmp_path / "quantities.py")
    assert generate.main(["--check"]) == 1
    (tmp_path / "quantities.py").write_text("QUANTITIES = {}\n", "utf-8")
    assert generate.main(["--check"]) == 1
    assert "make generate" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("range = [20, 140]", "range = [140, 20]", "range"),
        ("range = [20, 140]", "range = [20, 20]", "range"),
        ("range = [20, 140]", "range = 20", "range"),
        ("range = [20, 140]", "rnage = [20, 140]", "rnage"),
        ('family = "noise"', 'family = "sound"', "family"),
        ("resolution = 1", 'resolution = "1"', "resolution"),
        ("resolution = 1", "resolution = 7", "resolution"),
        ('aggregate = "energy_mean"', 'aggregate = "average"', "aggregate"),
        ('label = "dB(A)"\n', "", "label"),
        ('samples = ["laeq", "laf", "la"]', 'samples = ["la", 5]', "samples"),
    ],
)
def test_a_wrong_quantity_is_refused_with_file_entry_and_field(tmp_path, old, new, field):
    refusal = refusal_of_quantities(tmp_path, changed(QUANTITIES_TEXT, old, new))
    assert str(tmp_path / "quantities.toml") in refusal
    assert field in refusal
    assert "laeq" in refusal


@pytest.mark.parametrize("range_", ["[nan, 140]", "[20, nan]"])
def test_a_range_without_an_end_is_refused(tmp_path, range_):
    """Nothing lies outside [20, nan] or inside [nan, 140]: every reading would be judged wrongly."""
    refusal = refusal_of_quantities(tmp_path, changed(QUANTITIES_TEXT, "[20, 140]", range_))
    assert "laeq" in refusal
    assert "range" in refusal


@pytest.mark.parametrize("key", ['"pm,1"', "PM1"])
def test_a_key_that_no_message_may_hold_is_refused(tmp_path, key):
    refusal = refusal_of_quantities(tmp_path, changed(QUANTITIES_TEXT, "[pm1]", f"[{key}]"))
    assert key.strip('"') in refusal


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (changed(QUANTITIES_TEXT, "[laeq]", "[laeq"), "not valid TOML"),
        (changed(QUANTITIES_TEXT, "[lafmax]", "[laeq]"), "laeq"),
        (QUANTITIES_TEXT.encode("gb18030"), "not valid TOML"),
    ],
    ids=["syntax", "key twice", "encoding"],
)
def test_what_is_not_toml_is_refused_with_the_file(tmp_path, text, told):
    refusal = refusal_of_quantities(tmp_path, text)
    assert str(tmp_path / "quantities.toml") in refusal
    assert told in refusal


def test_a_missing_catalogue_is_named(tmp_path):
    with pytest.raises(CatalogueError, match=re.escape(str(tmp_path / "quantities.toml"))):
        load_quantities(tmp_path / "quantities.toml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('quantity = "laeq"', 'quantity = "loudness"', ["laeq-day", "quantity", "loudness", "quantities.toml"]),
        ('statistic = "energy_mean"', 'statistic = "mean"', ["laeq-day", "statistic", "mean", "energy_mean"]),
        ('statistic = "energy_mean"', 'statistic = "median"', ["limit[0]", "statistic", "median"]),
        ('id = "laeq-night"', 'id = "laeq-day"', ["laeq-day", "twice", "id"]),
        ("window = 1200", "window = 1000", ["laeq-day", "window", "1000", "86400"]),
        ("window = 1200", "window = 0", ["limit[0]", "window"]),
        ("window = 1200", "window = 172800", ["limit[0]", "window"]),
        ("window = 1200", 'window = "20 min"', ["limit[0]", "window", "int"]),
        ("window = 1200", "windwo = 1200", ["limit[0]", "windwo"]),
        ("value = 70", 'value = "70 dB"', ["limit[0]", "value", "float"]),
        ("value = 70\n", "", ["limit[0]", "value", "missing"]),
        ('from = "06:00"', 'from = "6 h"', ["limit[0]", "from"]),
        ('to = "22:00"', 'to = "24:00"', ["limit[0]", "to"]),
        ("least_valid = 0.75", "least_valid = 75", ["limit[0]", "least_valid"]),
        ('site_kinds = ["construction"]', 'site_kinds = ["airport"]', ["limit[0]", "site_kinds", "airport"]),
        ("in_force = 2026-01-01", "in_force = 2026", ["standard", "in_force", "date"]),
        ("in_force = 2026-01-01\n", "", ["standard", "in_force", "missing"]),
        ('verified = "S"', 'verified = "?"', ["standard", "verified"]),
        ("[standard]", "[standard", ["not valid TOML", "line"]),
    ],
)
def test_a_wrong_limit_is_refused_with_file_entry_and_field(tmp_path, old, new, told):
    refusal = refusal_of_limits(tmp_path, changed(LIMITS_TEXT, old, new))
    for words in (str(tmp_path / "noise.toml"), *told):
        assert words in refusal


def test_a_limit_that_nothing_can_exceed_is_refused(tmp_path):
    refusal = refusal_of_limits(tmp_path, changed(LIMITS_TEXT, "value = 70", "value = nan"))
    assert "value" in refusal


def test_a_standard_may_not_stand_in_two_files(tmp_path):
    """Verdicts cite "standard limit": of two limits with the same name one would silently not be judged."""
    (tmp_path / "again.toml").write_text(changed(LIMITS_TEXT, "value = 70", "value = 65"), "utf-8")
    refusal = refusal_of_limits(tmp_path, LIMITS_TEXT)
    assert "GB 12523-2025" in refusal


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_hub_without_any_limit_does_not_start_in_silence(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogueError, match=re.escape(str(tmp_path / folder))):
        load_limits(tmp_path / folder)


def test_limits_come_in_the_order_of_their_files(tmp_path):
    for name, id_ in (("b", "Second"), ("a", "First")):
        (tmp_path / f"{name}.toml").write_text(changed(LIMITS_TEXT, 'id = "GB 12523-2025"', f'id = "{id_}"'), "utf-8")
    assert [standard.id for standard, _ in load_limits(tmp_path)] == ["First"] * 3 + ["Second"] * 3
