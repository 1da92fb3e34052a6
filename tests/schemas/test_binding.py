"""Which limits bind a site on a day, and why."""

import datetime as dt

import pytest

from schemas import binding, jurisdictions_of, load_limits

LIMITS = load_limits()
TODAY = dt.date(2026, 11, 22)


def found(day=TODAY, *, kind="construction", zone="2", place="CN", **properties):
    places = jurisdictions_of(place)
    return binding(LIMITS, kind=kind, zone=zone, jurisdictions=places, day=day, properties=properties)


def ids(bindings, *statuses, standard=""):
    statuses = statuses or ("binds", "informs")
    return {
        f"{one.standard.id} {one.limit.id}"
        for one in bindings
        if one.status in statuses and one.standard.id.startswith(standard)
    }


def reasons(bindings, standard):
    return {(one.status, one.reason) for one in bindings if one.standard.id == standard}


def test_every_limit_gets_an_answer_in_the_catalogues_order():
    assert [(one.standard, one.limit) for one in found()] == LIMITS


def test_a_construction_site_is_bound_by_its_noise_limits_and_informed_by_those_of_the_area():
    answer = found()
    assert ids(answer, "binds", standard="GB 12523") == {
        f"GB 12523-2025 {key}" for key in ("laeq-day", "laeq-night", "lafmax-night")
    }
    assert ids(answer, standard="GB 3096") == {f"GB 3096-2008 {key}-2" for key in ("ld", "ln", "lafmax-night")}
    assert not ids(answer, "binds", standard="GB 3")
    assert not ids(answer, "binds", standard="WHO")
    assert "WHO 2021 pm25-day-aqg" in ids(answer, "informs")
    assert not ids(answer, "binds", "informs", "open", standard="GB 12348")


@pytest.mark.parametrize(
    ("day", "limit"),
    [
        ("2025-12-31", "GB 12523-2011 laeq-night"),
        ("2026-01-01", "GB 12523-2025 laeq-night"),
        ("2026-02-28", "GB 3095-2012 pm10-day-2"),
        ("2026-03-01", "GB 3095-2026 pm10-day-transition-2"),
        ("2030-12-31", "GB 3095-2026 pm10-day-transition-2"),
        ("2031-01-01", "GB 3095-2026 pm10-day-final-2"),
    ],
)
def test_the_edition_is_chosen_by_the_day_of_the_observation(day, limit):
    series, key = limit.split("-")[0], limit.split(" ")[2].split("-")[0]
    chosen = {
        one for one in ids(found(dt.date.fromisoformat(day)), standard=series) if one.split(" ")[2].startswith(key)
    }
    chosen = {one for one in chosen if not any(part in one for part in ("year", "laeq-day", "-p95"))}
    assert chosen == {limit}


def test_before_its_first_edition_nothing_applies():
    answer = found(dt.date(2012, 6, 30))
    assert reasons(answer, "GB 12523-2011") == {("no", "not_yet")}
    assert reasons(found(dt.date(2012, 7, 1)), "GB 12523-2011") == {("binds", "binds")}


def test_a_standard_applied_in_stages_leaves_it_open_meanwhile():
    answer = found(dt.date(2014, 1, 1))
    assert ("open", "staged") in reasons(answer, "GB 3095-2012")
    told = next(one for one in answer if one.limit.id == "pm25-day-2" and one.standard.id == "GB 3095-2012")
    assert "2016-01-01" in told.why()
    assert ("informs", "ambient") in reasons(found(dt.date(2016, 1, 1)), "GB 3095-2012")
    assert reasons(found(dt.date(2012, 2, 28)), "GB 3095-2012") == {("no", "not_yet")}


@pytest.mark.parametrize(("zone", "day", "night"), [("0", 50, 40), ("3", 65, 55), ("4", 70, 55), ("4b", 70, 55)])
def test_a_factory_is_bound_by_the_limits_of_its_zone(zone, day, night):
    answer = found(kind="factory", zone=zone)
    values = {
        one.limit.id[:10]: one.limit.value
        for one in answer
        if one.standard.id == "GB 12348-2008" and one.status == "binds"
    }
    assert (values["laeq-day-" + zone[:1]], values["laeq-night"]) == (day, night)


def test_class_4_without_a_letter_is_read_as_4a():
    assert ids(found(zone="4"), standard="GB 3096") == ids(found(zone="4a"), standard="GB 3096")
    assert ids(found(zone="4b"), standard="GB 3096") == {
        f"GB 3096-2008 {key}-4b" for key in ("ld", "ln", "lafmax-night")
    }


def test_without_a_zone_class_the_limits_that_need_one_stay_open():
    answer = found(kind="factory", zone=None)
    assert ("open", "zone_unknown") in reasons(answer, "GB 12348-2008")
    assert not ids(answer, "binds", standard="GB 12348")
    (told,) = {one.why() for one in answer if one.reason == "zone_unknown" and one.standard.id == "GB 12348-2008"}
    assert "give the site its zone class" in told


def test_sudden_noise_at_night_is_occasional_unless_it_is_said_to_be_frequent():
    assert "GB 12348-2008 lafmax-night-occasional-3" in ids(found(kind="factory", zone="3"), "binds")
    frequent = ids(found(kind="factory", zone="3", night_noise="frequent"), "binds")
    assert "GB 12348-2008 lafmax-night-frequent-3" in frequent
    assert "GB 12348-2008 lafmax-night-occasional-3" not in frequent


def test_what_is_assumed_of_a_site_is_told():
    def why(**said):
        answers = found(kind="factory", zone="3", **said)
        return next(one.why() for one in answers if (one.standard.id, one.limit.id) == ("GB 12348-2008", "laeq-day-3"))

    assert "assumed: noise = steady" in why()
    assert "assumed" not in why(noise="steady")


@pytest.mark.parametrize(
    ("place", "standard"),
    [("CN-SH", "DB31/964-2016"), ("CN-HE", "DB13/2934-2019"), ("CN-GD", "DB44/27-2001")],
)
def test_a_province_has_its_own_limits(place, standard):
    assert ids(found(place=place), "binds", standard=standard)
    assert reasons(found(place="CN-JX"), standard) == {("no", "elsewhere")}
    assert reasons(found(place="CN"), standard) == {("no", "elsewhere")}


def test_a_local_limit_displaces_the_national_one_for_its_quantity():
    boundary = "GB 16297-1996 boundary-pm"
    assert boundary in ids(found(place="CN-JX"), "binds")
    assert boundary not in ids(found(place="CN-SH"))
    assert ("no", "displaced") in reasons(found(place="CN-SH"), "GB 16297-1996")
    assert boundary in ids(found(place="CN-HE"), "binds"), "Hebei limits PM10, not TSP"


def test_a_local_limit_that_is_open_goes_before_the_national_one_too():
    answer = found(place="CN-SN")
    assert "GB 16297-1996 boundary-pm" not in ids(answer, "binds", "open")
    assert ids(answer, "open", standard="DB61") == {"DB61/1078-2017 tsp-earthworks", "DB61/1078-2017 tsp-structure"}
    assert {one.missing for one in answer if one.status == "open" and one.standard.id.startswith("DB61")} == {"phase"}
    dug = found(place="CN-SN", phase="earthworks")
    assert ids(dug, "binds", standard="DB61") == {"DB61/1078-2017 tsp-earthworks"}
    assert "GB 16297-1996 boundary-pm" not in ids(dug)


def test_a_national_standard_of_a_trade_goes_before_only_where_the_site_is_known_to_be_of_it():
    unsaid = found(kind="factory", place="CN-JX")
    assert "GB 16297-1996 boundary-pm" in ids(unsaid, "binds")
    cement = found(kind="factory", place="CN-JX", plant="cement")
    assert "GB 4915-2013 boundary-pm" in ids(cement, "open")
    assert "GB 16297-1996 boundary-pm" not in ids(cement, "binds", "open")


def test_a_value_that_is_not_known_is_said_in_both_languages():
    (one,) = [
        one
        for one in found(kind="factory", place="Wuxi", plant="other")
        if one.status == "open" and one.limit.id == "stack-nox"
    ]
    assert (one.missing, one.reason) == ("value", "value_unknown")
    assert "look it up in DB32/4041-2021" in one.why()
    assert "请查阅DB32/4041-2021" in one.why("zh")


def test_a_limit_of_a_city_holds_in_no_other():
    boiler = {"kind": "factory", "plant": "boiler", "fuel": "gas", "boiler": "new"}
    assert "DB44/765-2019 nox-foshan-new" in ids(found(place="Foshan", **boiler), "binds")
    assert "DB44/765-2019 nox-guangzhou-new" in ids(found(place="Guangzhou", **boiler), "binds")
    assert ids(found(place="Guangdong", **boiler), "open", standard="DB44/765") == {
        f"DB44/765-2019 {item}-other" for item in ("pm", "so2", "nox")
    }


def test_the_stack_of_a_gas_boiler():
    answer = found(kind="factory", zone="3", plant="boiler", fuel="gas", boiler="new")
    assert ids(answer, "binds", standard="GB 13271") == {
        f"GB 13271-2014 {item}-new-gas" for item in ("pm", "so2", "nox")
    }
    assert not ids(answer, standard="GB 13223")
    assert not any("stack" in key for key in ids(answer, standard="GB 16297"))


def test_in_europe_no_chinese_limit_applies():
    answer = found(place="EU")
    assert not ids(answer, standard="GB")
    assert "EU 2008/50 pm10-day" in ids(answer)
    assert "EU 2024/2881 pm10-day" in ids(found(dt.date(2030, 1, 1), place="EU"))


def test_every_reason_is_told_in_both_languages():
    answers = [
        *found(place="CN-SH"),
        *found(kind="factory", zone=None),
        *found(dt.date(2014, 1, 1)),
        *found(place="CN-SH", zone=None),
    ]
    told = {one.reason for one in answers}
    assert told >= {"binds", "ambient", "guideline", "elsewhere", "not_yet", "over", "kind", "zone", "property"}
    assert told >= {"zone_unknown", "property_unknown", "staged", "displaced"}
    for one in answers:
        assert one.why("en").isascii(), one.why("en")
        assert any("一" <= letter <= "鿿" for letter in one.why("zh"))
        assert "{" not in one.why("en") + one.why("zh")


@pytest.mark.parametrize("name", ["CN-SH", "cn-sh", "Shanghai", "上海", " shanghai "])
def test_a_place_is_named_by_code_or_name(name):
    assert jurisdictions_of(name) == ("CN-SH", "CN", "WHO")


def test_the_world_and_europe():
    assert jurisdictions_of("WHO") == ("WHO",)
    assert jurisdictions_of("EU") == ("EU", "WHO")


def test_an_unknown_place_is_refused_with_the_nearest():
    with pytest.raises(LookupError, match=r"Shangai.*CN-SH"):
        jurisdictions_of("Shangai")
    with pytest.raises(LookupError, match="a code such as"):
        jurisdictions_of("42")
