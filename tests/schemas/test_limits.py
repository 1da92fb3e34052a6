"""The catalogue of limits says what the standards say, typed here a second time from the tables of the sources."""

import datetime as dt
import tomllib
from pathlib import Path

import pytest

from schemas import JURISDICTIONS, Permitted, load_limits, load_quantities, site_properties

LIMITS = load_limits()
STANDARDS = {standard.id: standard for standard, _ in LIMITS}
FILES = sorted((Path(__file__).parents[2] / "schemas" / "limits").glob("*.toml"))
WANTED = {
    *("GB 12523-2011", "GB 12523-2025", "GB 12348-2008", "GB 3096-2008"),
    *("GB 3095-2012", "GB 3095-2026", "GB 16297-1996", "DB31/964-2016"),
    *("DB61/1078-2017", "DB13/2934-2019", "DB21/2642-2016", "DB44/27-2001"),
    *("GB 13271-2014", "GB 13223-2011", "WHO 2021", "EU 2008/50"),
    *("EU 2024/2881", "GB 4915-2013", "GB 9078-1996", "DB44/765-2019", "DB44/2367-2022"),
    *("DB32/4041-2021", "DB32/4437-2022", "DB61/1226-2018", "DB61/941-2018"),
    *("DB36/1101-2019", "DB52/1700-2022", "GB 18483-2001", "GB 22337-2008"),
}


def limits_of(id_):
    return {limit.id: limit for standard, limit in LIMITS if standard.id == id_}


def values_of(id_):
    return {key: limit.value for key, limit in limits_of(id_).items()}


def test_every_standard_that_is_promised_is_there():
    assert set(STANDARDS) == WANTED
    assert len(FILES) == len(WANTED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_explains_itself(path):
    text = path.read_text("utf-8")
    assert text.startswith("# "), "its first lines say what it holds and what was left out"
    assert tomllib.loads(text)["standard"]["source"]


def test_every_limit_has_names_a_known_quantity_and_a_letter():
    quantities = load_quantities()
    for standard, limit in LIMITS:
        where = f"{standard.id} {limit.id}"
        assert limit.en, where
        assert any("一" <= letter <= "鿿" for letter in limit.zh), where
        assert "{}" not in limit.en + limit.zh, where
        assert limit.quantity in quantities, where
        assert limit.verified in "PSU", where
        assert standard.jurisdiction in JURISDICTIONS, where
        assert all(set(values) <= set(site_properties()[name].values) for name, values in limit.where.items()), where


@pytest.mark.parametrize("edition", ["2011", "2025"])
def test_gb_12523(edition):
    limits = limits_of(f"GB 12523-{edition}")
    assert {key: (n.value, n.quantity, n.from_, n.to, n.window) for key, n in limits.items()} == {
        "laeq-day": (70, "laeq", "06:00", "22:00", 1200),
        "laeq-night": (55, "laeq", "22:00", "06:00", 1200),
        "lafmax-night": (55 + 15, "lafmax", "22:00", "06:00", 1200),
    }
    for limit in limits.values():
        assert limit.site_kinds == ("construction",)
        assert (limit.verified, limit.averaging.verified, limit.weakest) == ("S", "U", "U")
        assert limit.judged_simply
        assert limit.where == {"sensitive": ("near",), "works": ("planned",)}
        assert (limit.decimals, limit.rounding) == ((0, "S") if limit.quantity == "laeq" else (None, "U"))
        assert bool(limit.correction) == (limit.quantity == "laeq")
    weather = STANDARDS[f"GB 12523-{edition}"].weather
    assert (weather.wind_below, weather.dry, weather.clause, weather.verified) == (5, True, "5.4.2", "S")


def test_gb_12348_2008():
    day, night = (50, 55, 60, 65, 70), (40, 45, 50, 55, 55)
    expected = {}
    for zone in range(5):
        expected |= {f"laeq-day-{zone}": day[zone], f"laeq-night-{zone}": night[zone]}
        expected |= {f"lafmax-night-frequent-{zone}": night[zone] + 10}
        expected |= {f"lafmax-night-occasional-{zone}": night[zone] + 15}
    assert values_of("GB 12348-2008") == expected
    limits = limits_of("GB 12348-2008")
    assert all(limit.site_kinds == ("factory",) for limit in limits.values())
    assert limits["laeq-day-4"].zone_classes == ("4", "4a", "4b")
    assert limits["laeq-day-2"].zone_classes == ("2",)
    assert limits["lafmax-night-frequent-2"].where == {"night_noise": ("frequent",)}


def test_gb_22337_2008():
    day, night = (50, 55, 60, 65, 70), (40, 45, 50, 55, 55)
    expected = {}
    for zone in range(5):
        expected |= {f"laeq-day-{zone}": day[zone], f"laeq-night-{zone}": night[zone]}
    assert values_of("GB 22337-2008") == expected
    for key, limit in limits_of("GB 22337-2008").items():
        assert (limit.site_kinds, limit.verified, limit.decimals) == (("restaurant",), "S", 0)
        assert (limit.from_, limit.to) == (("06:00", "22:00") if "day" in key else ("22:00", "06:00"))


def test_gb_18483_2001():
    (limit,) = limits_of("GB 18483-2001").values()
    assert (limit.value, limit.quantity, limit.site_kinds) == (2.0, "fume", ("restaurant",))
    assert [(step.window, step.least) for step in limit.steps] == [("10 min", None), ("1 h", 3)]
    assert limit.screening, "no sensor in a duct measures by the standard's method"


def test_gb_3096_2008():
    zones = ("0", "1", "2", "3", "4a", "4b")
    day, night = (50, 55, 60, 65, 70, 70), (40, 45, 50, 55, 55, 60)
    expected = {}
    for zone, ld, ln in zip(zones, day, night, strict=True):
        expected |= {f"ld-{zone}": ld, f"ln-{zone}": ln, f"lafmax-night-{zone}": ln + 15}
    assert values_of("GB 3096-2008") == expected
    for limit in limits_of("GB 3096-2008").values():
        assert [step.window for step in limit.steps] == ["20 min", "period"]
        assert (limit.verified, limit.decimals, limit.correction) == ("U", None, None)


@pytest.mark.parametrize("id_", ["GB 12523-2011", "GB 12523-2025", "GB 12348-2008", "GB 22337-2008"])
def test_the_background_is_taken_off_as_hj_706_has_it(id_):
    """Table 1: 3 dB of difference 3 dB, 4 and 5 dB 2 dB, 6 to 10 dB 1 dB; above nothing, below it cannot be judged."""
    correction = STANDARDS[id_].background
    table = {2: None, 3: 3, 4: 2, 5: 2, 6: 1, 7: 1, 8: 1, 9: 1, 10: 1, 11: 0, 40: 0, -1: None}
    assert {difference: correction.of(difference) for difference in table} == table


PERCENTILES = {"so2": 98, "no2": 98, "pm10": 95, "pm25": 95, "co": 95, "o3": 90}


def percentiles(daily, column):
    """Return the limits on percentiles, which are those of the days; `daily`: rows of values by key."""
    keys = {quantity: "o3-8h" if quantity == "o3" else f"{quantity}-day" for quantity in PERCENTILES}
    return {
        f"{quantity}-p{n}-{zone}": daily[keys[quantity]][column(zone)]
        for quantity, n in PERCENTILES.items()
        for zone in (1, 2)
    }


def test_gb_3095_2012():
    table = {
        "so2-year": (20, 60),
        "so2-day": (50, 150),
        "so2-hour": (150, 500),
        "no2-year": (40, 40),
        "no2-day": (80, 80),
        "no2-hour": (200, 200),
        "co-day": (4, 4),
        "co-hour": (10, 10),
        "o3-8h": (100, 160),
        "o3-hour": (160, 200),
        "pm10-year": (40, 70),
        "pm10-day": (50, 150),
        "pm25-year": (15, 35),
        "pm25-day": (35, 75),
        "tsp-year": (80, 200),
        "tsp-day": (120, 300),
        "nox-year": (50, 50),
        "nox-day": (100, 100),
        "nox-hour": (250, 250),
        "pb-year": (0.5, 0.5),
        "pb-quarter": (1, 1),
    }
    expected = {f"{key}-{n}": pair[n - 1] for key, pair in table.items() for n in (1, 2)}
    assert values_of("GB 3095-2012") == expected | percentiles(table, lambda zone: zone - 1)
    assert {limit.verified for limit in limits_of("GB 3095-2012").values()} == {"S"}


def in_force_in(year):
    """Return the values of GB 3095-2026 in a year, without the name of the stage."""
    day = dt.date(year, 6, 1)
    limits = limits_of("GB 3095-2026").values()
    chosen = [limit for limit in limits if limit.in_force <= day and (limit.ends is None or day < limit.ends)]
    names = [limit.id.replace("-transition", "").replace("-final", "") for limit in chosen]
    assert len(names) == len(set(names))
    return dict(zip(names, (limit.value for limit in chosen), strict=True))


def test_gb_3095_2026_in_transition_and_at_last():
    table = {
        "so2-year": (20, 60, 20, 20),
        "so2-day": (50, 150, 50, 50),
        "so2-hour": (150, 500, 150, 150),
        "no2-year": (40, 40, 30, 30),
        "no2-day": (80, 80, 50, 50),
        "no2-hour": (200, 200, 200, 200),
        "co-day": (4, 4, 4, 4),
        "co-hour": (10, 10, 10, 10),
        "o3-8h": (100, 160, 100, 160),
        "o3-hour": (160, 200, 160, 200),
        "pm10-year": (40, 60, 20, 50),
        "pm10-day": (50, 120, 50, 100),
        "pm25-year": (15, 30, 10, 25),
        "pm25-day": (35, 60, 25, 50),
        "tsp-year": (80, 200, 80, 200),
        "tsp-day": (120, 300, 120, 300),
        "nox-year": (50, 50, 40, 40),
        "nox-day": (100, 100, 70, 70),
        "nox-hour": (250, 250, 250, 250),
        "pb-year": (0.5, 0.5, 0.5, 0.5),
        "pb-quarter": (1, 1, 1, 1),
    }
    for year, column in ((2027, lambda zone: zone - 1), (2031, lambda zone: zone + 1)):
        expected = {f"{key}-{n}": row[column(n)] for key, row in table.items() for n in (1, 2)}
        assert in_force_in(year) == expected | percentiles(table, column)
    letters = {("-p9" in key, limit.verified) for key, limit in limits_of("GB 3095-2026").items()}
    assert letters == {(False, "P"), (True, "S")}


@pytest.mark.parametrize("id_", ["GB 3095-2012", "GB 3095-2026"])
def test_the_air_is_rounded_to_whole_micrograms_and_co_to_tenths_of_a_milligram(id_):
    for limit in limits_of(id_).values():
        expected = {"co": (1, "S"), "pb": (None, "U")}.get(limit.quantity, (0, "S"))
        assert (limit.decimals, limit.rounding) == expected


def test_there_is_no_hourly_limit_for_particulates_in_ambient_air():
    for standard, limit in LIMITS:
        if standard.nature == "ambient" and limit.quantity in ("pm25", "pm10", "tsp"):
            assert limit.steps[-1].window in ("day", "year"), f"{standard.id} {limit.id}"


def test_the_steps_of_the_averagings_of_gb_3095_2026():
    limits = limits_of("GB 3095-2026")

    def steps(key):
        return [(s.window, s.statistic, s.least_valid or s.least) for s in limits[key].steps]

    hour = ("1 h", "mean", 45 / 60)
    assert steps("so2-hour-final-2") == [hour]
    assert steps("pm10-day-final-2") == [hour, ("day", "mean", 20)]
    assert steps("tsp-day-2") == [hour, ("day", "mean", 24)]
    assert steps("pm10-year-final-2") == [hour, ("day", "mean", 20), ("year", "mean", 324)]
    assert steps("o3-8h-2") == [hour, ("8 h", "mean", 6), ("day", "max", 14)]
    year, running = limits["pm10-year-final-2"].steps[2], limits["o3-8h-2"].steps[1]
    assert (year.least_each_month, year.least_february) == (27, 25)
    assert (running.slide, running.within_day, running.seconds) == ("1 h", True, 8 * 3600)


def test_dust_of_construction_sites_in_the_provinces():
    def told(id_):
        return {key: (n.value, n.stated, n.steps[0].window) for key, n in limits_of(id_).items()}

    assert told("DB31/964-2016") == {
        "pm-high": (2000, "2 mg/m³", "15 min"),
        "pm-low": (1000, "1 mg/m³", "15 min"),
    }
    shanghai = limits_of("DB31/964-2016")
    assert shanghai["pm-high"].permitted == Permitted(1, "day")
    assert shanghai["pm-low"].permitted == Permitted(6, "day")
    assert told("DB61/1078-2017") == {
        "tsp-earthworks": (800, "0.8 mg/m³", "1 h"),
        "tsp-structure": (700, "0.7 mg/m³", "1 h"),
    }
    assert told("DB21/2642-2016") == {"tsp-urban": (800, "0.8 mg/m³", "5 min"), "tsp-rural": (1000, "1 mg/m³", "5 min")}
    assert told("DB13/2934-2019") == {"pm10": (80, "80 µg/m³", "1 h")}
    hebei = limits_of("DB13/2934-2019")["pm10"]
    assert hebei.above_background
    assert hebei.permitted == Permitted(2, "day")
    assert hebei.background_cap == 150
    assert STANDARDS["DB13/2934-2019"].in_force == dt.date(2019, 4, 1)
    assert told("DB32/4437-2022") == {"tsp": (500, "500 µg/m³", "15 min"), "pm10": (80, "80 µg/m³", "1 h")}
    assert not hebei.judged_simply


@pytest.mark.parametrize("id_", ["GB 16297-1996", "DB44/27-2001"])
def test_fugitive_emissions_are_told_in_the_quantitys_own_unit(id_):
    values = {key: value for key, value in values_of(id_).items() if key.startswith("boundary")}
    assert values == {"boundary-pm": 1000, "boundary-so2": 400, "boundary-nox": 120, "boundary-nmhc": 4}


def test_stacks():
    stacks = {key: value for key, value in values_of("GB 16297-1996").items() if key.startswith("stack")}
    assert stacks == {"stack-pm": 120, "stack-so2": 550, "stack-nox": 240, "stack-nmhc": 120}
    assert {key: value for key, value in values_of("DB44/27-2001").items() if key.startswith("stack")} == {
        "stack-pm": 120,
        "stack-so2": 500,
        "stack-nox": 120,
        "stack-nmhc": 120,
    }
    assert values_of("DB44/2367-2022") == {"stack-nmhc": 80}
    guangdong = limits_of("DB44/765-2019")
    for quantity, value in (("pm", 10), ("so2", 35), ("nox", 50)):
        special = [limit for key, limit in guangdong.items() if key.startswith(quantity) and limit.value is not None]
        assert [(limit.value, limit.reference_o2) for limit in special] == [(value, 3.5)] * 4
        assert guangdong[f"{quantity}-other"].value is None
    boilers = limits_of("GB 13271-2014")
    tables = {
        "in-use": {"pm": (80, 60, 30), "so2": (400, 300, 100), "nox": (400, 400, 400)},
        "new": {"pm": (50, 30, 20), "so2": (300, 200, 50), "nox": (300, 250, 200)},
        "special": {"pm": (30, 30, 20), "so2": (200, 100, 50), "nox": (200, 200, 150)},
    }
    expected = {
        f"{item}-{table}-{fuel}": (value, 9 if fuel == "coal" else 3.5)
        for table, items in tables.items()
        for item, row in items.items()
        for fuel, value in zip(("coal", "oil", "gas"), row, strict=True)
    }
    assert {key: (n.value, n.reference_o2) for key, n in boilers.items()} == expected
    power = {key: (n.value, n.reference_o2) for key, n in limits_of("GB 13223-2011").items()}
    assert [power[key] for key in ("coal-pm-new", "coal-so2-new", "coal-nox-new")] == [(30, 6), (100, 6), (100, 6)]
    assert power["turbine-nox"] == (50, 15)
    assert power["gas-nox"] == (100, 3)
    assert [power[key] for key in ("coal-pm-in-use", "gas-pm", "turbine-pm")] == [(30, 6), (5, 3), (5, 15)]
    for id_ in ("GB 13271-2014", "GB 13223-2011", "DB44/765-2019"):
        assert (STANDARDS[id_].oxygen.void_from, STANDARDS[id_].oxygen.verified) == (19, "U")


@pytest.mark.parametrize(
    "id_",
    [
        *("DB61/1226-2018", "DB61/941-2018", "DB36/1101-2019", "DB52/1700-2022"),
        *("GB 9078-1996", "GB 4915-2013", "DB32/4041-2021"),
    ],
)
def test_what_was_not_found_stands_there_without_a_value(id_):
    unknown = {key for key, limit in limits_of(id_).items() if limit.value is None}
    assert unknown == limits_of(id_).keys() - ({"boundary-pm"} if id_.startswith("DB32") else set())
    assert all("?" in limits_of(id_)[key].stated for key in unknown)


def test_who_and_eu():
    who = values_of("WHO 2021")
    assert [who[f"pm25-year-{level}"] for level in ("aqg", "it1", "it2", "it3", "it4")] == [5, 35, 25, 15, 10]
    assert [who[f"pm25-day-{level}"] for level in ("aqg", "it1", "it2", "it3", "it4")] == [15, 75, 50, 37.5, 25]
    assert [who[f"pm10-year-{level}"] for level in ("aqg", "it1", "it2", "it3", "it4")] == [15, 70, 50, 30, 20]
    assert [who[f"pm10-day-{level}"] for level in ("aqg", "it1", "it2", "it3", "it4")] == [45, 150, 100, 75, 50]
    assert [who[key] for key in ("no2-year-aqg", "no2-day-aqg", "no2-hour-aqg")] == [10, 25, 200]
    assert [who[key] for key in ("o3-8h-aqg", "so2-day-aqg", "co-day-aqg")] == [100, 40, 4]
    assert STANDARDS["WHO 2021"].nature == "guideline"
    # The recast keeps the values of the old directive until the end of 2029.
    kept = {key.removesuffix("-until-2029"): n for key, n in limits_of("EU 2024/2881").items() if "until" in key}
    before = limits_of("EU 2008/50")
    assert {key: (n.value, n.permitted) for key, n in kept.items()} == {
        key: (n.value, n.permitted) for key, n in before.items()
    }
    assert {(n.in_force, n.ends) for n in kept.values()} == {(dt.date(2026, 12, 12), dt.date(2030, 1, 1))}
    assert (before["so2-hour"].value, before["so2-hour"].permitted) == (350, Permitted(24, "year"))
    assert {limit.steps[-1].least_valid for limit in before.values() if limit.steps[-1].window == "year"} == {0.9}
    old, new = limits_of("EU 2008/50"), limits_of("EU 2024/2881")
    assert (old["pb-year"].value, old["pb-year"].verified, new["pb-year"].verified) == (0.5, "S", "U")
    assert (old["pm10-day"].value, old["pm10-day"].permitted) == (50, Permitted(35, "year"))
    assert (old["no2-hour"].value, old["no2-hour"].permitted) == (200, Permitted(18, "year"))
    assert [old[key].value for key in ("pm25-year", "pm10-year", "no2-year", "o3-8h")] == [25, 40, 40, 120]
    assert (new["pm10-day"].value, new["pm10-day"].permitted) == (45, Permitted(18, "year"))
    assert [new[key].value for key in ("pm25-year", "pm25-day", "pm10-year", "no2-year", "no2-day")] == [
        10,
        25,
        20,
        20,
        50,
    ]


def test_a_replaced_edition_ends_on_the_day_its_successor_begins():
    ends = {id_: standard.ends for id_, standard in STANDARDS.items()}
    assert ends["GB 12523-2011"] == STANDARDS["GB 12523-2025"].in_force == dt.date(2026, 1, 1)
    assert ends["GB 3095-2012"] == STANDARDS["GB 3095-2026"].in_force == dt.date(2026, 3, 1)
    assert ends["EU 2008/50"] == STANDARDS["EU 2024/2881"].in_force == dt.date(2026, 12, 12)
    assert ends["GB 12523-2025"] is None
    assert all(limit.ends == dt.date(2026, 3, 1) for limit in limits_of("GB 3095-2012").values())


@pytest.mark.parametrize(
    ("time", "applying"),
    [
        ("00:00", {"laeq-night", "lafmax-night"}),
        ("05:59:59", {"laeq-night", "lafmax-night"}),
        ("06:00", {"laeq-day"}),
        ("21:59:59", {"laeq-day"}),
        ("22:00", {"laeq-night", "lafmax-night"}),
    ],
)
def test_day_and_night_begin_sharp(time, applying):
    limits = limits_of("GB 12523-2025").values()
    assert {limit.id for limit in limits if limit.applies_at(dt.time.fromisoformat(time))} == applying
    assert limits_of("GB 3095-2026")["tsp-day-2"].applies_at(dt.time.fromisoformat(time))
