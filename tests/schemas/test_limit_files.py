"""A broken file of limits is refused with file, limit, field and remedy."""

import datetime as dt
import re
from pathlib import Path

import pytest

from schemas import CatalogueError, load_limits

TEXT = (Path(__file__).parents[2] / "schemas" / "limits" / "gb12523-2025.toml").read_text("utf-8")
FACTORY = (Path(__file__).parents[2] / "schemas" / "limits" / "gb12348-2008.toml").read_text("utf-8")
AIR = (Path(__file__).parents[2] / "schemas" / "limits" / "gb3095-2026.toml").read_text("utf-8")


def changed(text, old, new):
    """Return the text with the first `old` replaced, which must be there."""
    assert old in text
    return text.replace(old, new, 1)


def refusal(folder, text):
    (folder / "noise.toml").write_text(text, "utf-8")
    with pytest.raises(CatalogueError) as refused:
        load_limits(folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'quantity = "laeq"',
            'quantity = "loudness"',
            ["limit 'laeq-day'", "quantity", "'loudness'", "quantities.toml"],
        ),
        ('quantity = "laeq"', 'quantity = "pm10"', ["limit 'laeq-day'", "averaging", "energy_mean", "'mean'"]),
        ('averaging = "laeq"', 'averaging = "leq"', ["limit 'laeq-day'", "averaging = 'leq'", "laeq, lafmax"]),
        ('averaging = "laeq"\n', "", ["limit 'laeq-day'", "averaging is missing", "add it", "README"]),
        ('id = "laeq-night"', 'id = "laeq-day"', ["limit 'laeq-day'", "twice", "own id"]),
        ('id = "laeq-day"', 'id = "LAeq day"', ["limit 'LAeq day'", "id = 'LAeq day'", "small letters"]),
        ('id = "laeq-day"\n', "", ["limit 'without id'", "id is missing"]),
        ("value = 70", 'value = "70 dB"', ["limit 'laeq-day'", "value = '70 dB'", "expected a number"]),
        ("value = 70", "value = nan", ["limit 'laeq-day'", "value", "number above 0"]),
        ("value = 70", "value = -70", ["limit 'laeq-day'", "value = -70", "number above 0"]),
        ("value = 70", "valeu = 70", ["limit 'laeq-day'", "valeu", "did you mean 'value'"]),
        ("value = 70\n", "", ["limit 'laeq-day'", "value", "missing"]),
        ('from = "06:00"', 'from = "6 h"', ["limit 'laeq-day'", "from = '6 h'", "06:00"]),
        ('to = "22:00"', 'to = "24:00"', ["limit 'laeq-day'", "to = '24:00'", "midnight is 00:00"]),
        ('unit = "dB(A)"', 'unit = "mg/m3"', ["limit 'laeq-day'", "unit = 'mg/m3'", "dB(A)"]),
        (
            'site_kinds = ["construction"]',
            'site_kinds = ["airport"]',
            ["site_kinds[0] = 'airport'", "construction, factory"],
        ),
        ('window = "20 min"', 'window = "7 min"', ["averaging 'laeq'", "step 1", "window = '7 min'", "divide a day"]),
        ('window = "20 min"', 'window = "20 minutes"', ["averaging 'laeq'", "steps[0].window", "such as 20 min"]),
        (", least_valid = 0.75", "", ["averaging 'laeq'", "least_valid", "least"]),
        (", least_valid = 0.75", ", least = 3", ["averaging 'laeq'", "least = 3", "least_valid"]),
        (", least_valid = 0.75", ", least_valid = 75", ["averaging 'laeq'", "least_valid"]),
        (", least_valid = 0.75", ', least_valid = 0.75, slide = "9 min"', ["averaging 'laeq'", "slide = '9 min'"]),
        (
            ", least_valid = 0.75",
            ", least_valid = 0.75, within_day = true",
            ["averaging 'laeq'", "within_day", "slide"],
        ),
        (
            ", least_valid = 0.75",
            ", least_valid = 0.75, least_each_month = 5",
            ["averaging 'laeq'", "least_each_month"],
        ),
        (
            ", least_valid = 0.75",
            ", least_valid = 0.75, silde = 3",
            ["averaging 'laeq'", "steps[0]", "silde", "'slide'"],
        ),
        ('window = "20 min", ', "", ["averaging 'laeq'", "steps[0]", "window is missing"]),
        ("value = 70", "value = 70\nreference_o2 = 21", ["limit 'laeq-day'", "reference_o2 = 21", "below 21 %"]),
        ("value = 70", "value = 70\nvalues = { coal = 1 }", ["limit 'laeq-day'", "value", "by"]),
        ('"energy_mean"', '"median"', ["averaging 'laeq'", "statistic"]),
        ("in_force = 2026-01-01", "in_force = 2026", ["standard 'GB 12523-2025'", "in_force", "date"]),
        ("in_force = 2026-01-01\n", "", ["standard 'GB 12523-2025'", "in_force is missing"]),
        ("in_force = 2026-01-01", "in_force = 2026-01-01\nends = 2025-01-01", ["ends = 2025-01-01", "in_force"]),
        ('jurisdiction = "CN"', 'jurisdiction = "China"', ["standard 'GB 12523-2025'", "jurisdiction", "CN-SH"]),
        ('nature = "emission"', 'nature = "law"', ["standard 'GB 12523-2025'", "nature = 'law'", "'law'"]),
        ('verified = "S"', 'verified = "?"', ["standard 'GB 12523-2025'", "verified = '?'", "P, S or U"]),
        ("in_force = 2026-01-01", 'in_force = "soon"', ["in_force = 'soon'", "2026-01-01", "without quotes"]),
        ("value = 70", "value = 70\npermitted = 1", ["permitted = 1", "count = 1, per"]),
        ("value = 70", 'value = 70\npermitted = { count = 0, per = "day" }', ["permitted.count = 0", "at least 1"]),
        (
            "value = 70",
            'value = 70\npermitted = { count = 1, per = "week" }',
            ["permitted.per = 'week'", "day or year"],
        ),
        ("wind_below = 5.0", "wind_below = -5.0", ["weather.wind_below = -5.0", "a number > 0"]),
        ("[defaults]", "[default]", ["noise.toml: there is no field 'default'", "did you mean 'defaults'"]),
        ("[standard]", "[standard", ["not valid TOML", "line"]),
    ],
)
def test_a_wrong_entry_is_refused_with_file_limit_field_and_remedy(tmp_path, old, new, told):
    sentence = refusal(tmp_path, changed(TEXT, old, new))
    for words in (str(tmp_path / "noise.toml"), *told):
        assert words in sentence


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('by = "zone_class"', 'by = "zone"', ["limit 'laeq-day'", "'zone' is no property", "zone_class"]),
        ('"1" = 55', '"9" = 55', ["limit 'laeq-day'", "values", "zone_class = '9'", "4a"]),
        ("zone class {}", "zone class", ["limit 'laeq-day'", "en and zh", "{}"]),
        ('noise = ["steady"]', 'noise = ["loud"]', ["limit 'laeq-day'", "noise = 'loud'", "steady, varying"]),
        ('noise = ["steady"]', 'nosie = ["steady"]', ["limit 'laeq-day'", "'nosie'", "night_noise"]),
        ('by = "zone_class"\n', "", ["limit 'laeq-day'", "by", "values"]),
    ],
)
def test_a_wrong_table_of_values_is_refused(tmp_path, old, new, told):
    sentence = refusal(tmp_path, changed(FACTORY, old, new))
    for words in (str(tmp_path / "noise.toml"), *told):
        assert words in sentence


def test_a_period_needs_its_hours(tmp_path):
    text = changed(changed(TEXT, 'window = "20 min"', 'window = "period"'), 'from = "06:00"\nto = "22:00"\n', "")
    assert "name both" in refusal(tmp_path, text)


def test_a_limit_stays_within_its_standards_dates(tmp_path):
    assert "limit 'so2-year-transition'" in refusal(
        tmp_path, changed(AIR, "ends = 2031-01-01", "in_force = 2026-02-28\nends = 2031-01-01")
    )
    assert "not after" in refusal(tmp_path, changed(AIR, "ends = 2031-01-01", "ends = 2026-03-01"))


def test_levels_are_never_averaged_arithmetically(tmp_path):
    second = ', least_valid = 0.75 }, { window = "day", statistic = "mean", least = 3 }]'
    assert "energy_mean" in refusal(tmp_path, changed(TEXT, ", least_valid = 0.75 }]", second))


def test_a_standard_may_not_stand_in_two_files(tmp_path):
    """Verdicts cite "standard limit": of two limits with the same name one would silently not be judged."""
    (tmp_path / "again.toml").write_text(changed(TEXT, "value = 70", "value = 65"), "utf-8")
    sentence = refusal(tmp_path, TEXT)
    assert "GB 12523-2025" in sentence
    assert "again.toml" in sentence


OLD = changed(TEXT, 'id = "GB 12523-2025"', 'id = "GB 12523-2011"')
OLD = changed(OLD, 'replaces = "GB 12523-2011"\n', "")
OLD = changed(changed(OLD, "issued = 2025-10-31\n", ""), "in_force = 2026-01-01", "in_force = 2012-07-01")


def test_the_end_of_an_edition_follows_from_its_successor(tmp_path):
    (tmp_path / "old.toml").write_text(OLD, "utf-8")
    (tmp_path / "new.toml").write_text(TEXT, "utf-8")
    ends = {standard.id: (standard.ends, limit.ends) for standard, limit in load_limits(tmp_path)}
    assert ends == {"GB 12523-2011": (dt.date(2026, 1, 1),) * 2, "GB 12523-2025": (None, None)}


@pytest.mark.parametrize("end", ["2025-12-31", "2026-01-02"])
def test_an_end_that_contradicts_the_successor_is_refused(tmp_path, end):
    old = changed(OLD, "in_force = 2012-07-01", f"in_force = 2012-07-01\nends = {end}")
    (tmp_path / "old.toml").write_text(old, "utf-8")
    sentence = refusal(tmp_path, TEXT)
    for words in ("old.toml", "noise.toml", "GB 12523-2011", "GB 12523-2025", end, "leave ends out"):
        assert words in sentence


def test_editions_in_force_together_are_refused_naming_both(tmp_path):
    (tmp_path / "old.toml").write_text(OLD, "utf-8")
    sentence = refusal(tmp_path, changed(TEXT, 'replaces = "GB 12523-2011"\n', ""))
    for words in ("old.toml", "noise.toml", "GB 12523-2011", "GB 12523-2025", "2026-01-01", "replaces"):
        assert words in sentence


def test_an_edition_that_has_ended_needs_no_successor(tmp_path):
    (tmp_path / "old.toml").write_text(changed(OLD, "2012-07-01", "2012-07-01\nends = 2026-01-01"), "utf-8")
    (tmp_path / "new.toml").write_text(changed(TEXT, 'replaces = "GB 12523-2011"\n', ""), "utf-8")
    assert len(load_limits(tmp_path)) == 6


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_hub_without_any_limit_does_not_start_in_silence(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogueError, match=re.escape(str(tmp_path / folder))):
        load_limits(tmp_path / folder)


def test_limits_come_in_the_order_of_their_files(tmp_path):
    for name, id_ in (("b", "Second"), ("a", "First")):
        (tmp_path / f"{name}.toml").write_text(changed(TEXT, 'id = "GB 12523-2025"', f'id = "{id_}"'), "utf-8")
    assert [standard.id for standard, _ in load_limits(tmp_path)] == ["First"] * 3 + ["Second"] * 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('minus = { "3" = 3', 'minus = { "three" = 3', ["GB 12523-2025", "background.minus", '"3" = 3']),
        ("value = 70", "unknown = true\nvalue = 70", ["limit 'laeq-day'", "unknown = true", "leave out value"]),
        ("value = 70", 'value = 70\nplaces = ["CN-XX"]', ["limit 'laeq-day'", "places = 'CN-XX'", "CN-GD-4406"]),
        ("value = 70", "value = 70\nbackground_cap = 5", ["limit 'laeq-day'", "above_background = true"]),
        ("decimals = 0", "decimals = -1", ["decimals", "-1"]),
    ],
)
def test_what_decides_how_a_value_is_compared_is_checked(tmp_path, old, new, told):
    sentence = refusal(tmp_path, changed(TEXT, old, new))
    for words in told:
        assert words in sentence


def test_a_percentile_is_one_of_a_year(tmp_path):
    text = changed(AIR, '{ window = "year", statistic = "p98"', '{ window = "day", statistic = "p98"')
    text = text.replace("least = 324, least_each_month = 27, least_february = 25 },\n]", "least = 20 },\n]")
    assert "a percentile is one of a quarter or year" in refusal(tmp_path, text)


def test_a_rounding_that_is_not_verified_is_shown_and_not_applied(tmp_path):
    text = changed(TEXT, 'clause = "HJ 706-2014, 5.4"\nverified = "S"', 'clause = "HJ 706-2014, 5.4"\nverified = "U"')
    (tmp_path / "noise.toml").write_text(text, "utf-8")
    day = load_limits(tmp_path)[0][1]
    assert (day.decimals, day.rounding) == (None, "U")
