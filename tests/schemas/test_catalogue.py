"""The catalogue of quantities loads whole, or says which file, entry and field to mend."""

import json
import re
from pathlib import Path

import pytest

from edge.quantities import QUANTITIES as ON_THE_BOARD
from edge.ranges import RANGES
from schemas import CatalogueError, generate, load_quantities

SCHEMAS = Path(__file__).parents[2] / "schemas"
QUANTITIES_TEXT = (SCHEMAS / "quantities.toml").read_text("utf-8")


def refusal_of_quantities(folder, text):
    (folder / "quantities.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CatalogueError) as refused:
        load_quantities(folder / "quantities.toml")
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


def test_the_boards_copy_of_the_catalogue_is_current():
    assert generate.main(["--check"]) == 0, "run `make generate`"
    quantities = load_quantities()
    assert set(ON_THE_BOARD) == {key for key, quantity in quantities.items() if quantity.board}
    for key, (channels, aggregate, decimals) in ON_THE_BOARD.items():
        assert channels == (quantities[key].samples or (key,))
        assert (aggregate, decimals) == (quantities[key].aggregate, quantities[key].resolution)
        for channel in channels:
            low, high = RANGES[channel]
            assert low <= quantities[key].range[0]
            assert quantities[key].range[1] <= high


@pytest.mark.parametrize(
    ("key", "value", "flag"),
    [
        *[("pm10", value, "") for value in (-12.5, -0.1, 0, 0.3, 999, 1000, 9998, 10000)],
        *[("pm10", value, "D") for value in (-15.1, -999, 999.9, 1999.9, 6553.5, 9999)],
        *[("pm10", value, "T") for value in (10001, 65535, 99999)],
        *[("humidity", value, "") for value in (-1, 0, 100, 102.5)],
        *[("humidity", value, "T") for value in (106, 6553.5)],
        *[("laeq", value, "D") for value in (0, 19.9)],
        ("pressure", 999.9, ""),
    ],
)
def test_what_no_instrument_in_order_gives_is_flagged(key, value, flag):
    assert load_quantities()[key].flag(value) == flag


def test_a_sentinel_outside_the_range_is_refused(tmp_path):
    text = changed(QUANTITIES_TEXT, "sentinels = [999.9,", "sentinels = [10001,")
    refusal = refusal_of_quantities(tmp_path, text)
    assert "pm1" in refusal
    assert "10001" in refusal


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
