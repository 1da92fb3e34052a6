"""The engine and the hub against the slow reference: gaps, flags, late data, edition changes, backgrounds, kills."""

import os
from collections import defaultdict
from itertools import count

import msgspec
import pytest

from hub.registry.live import City, District, Instrument
from schemas import load_limits
from tests.hub.helpers import CITY, Hub, Speaker, record
from tests.hub.judge import slow_reference
from tests.hub.judge.slow_reference import DAY, HOUR, MINUTE

EACH = int(os.environ.get("FENCELINE_WINDOWS", "10000")) // 4


@pytest.mark.parametrize("part", range(4))
def test_engine_and_reference_agree_on_every_window(part):
    seen, seed = 0, count(part * 1000)
    while seen < EACH:
        windows, wrong = slow_reference.differences(next(seed))
        assert wrong == []
        seen += windows


def test_the_reference_can_disagree():
    minutes, pieces, place, first, background, reference, meter, dice = slow_reference.a_story(1)
    given = slow_reference.by_the_engine(pieces, place, first, background, reference, meter, dice)
    key = next(key for key in minutes.said if key == "laeq")
    for t in minutes.said[key]:
        minutes.said[key][t] = 90.0
    assert any(given.get(key) != one for key, one in slow_reference.judge(minutes, place, background, None).items())


def measured_by(city, meter):
    """Return the city with what a meter states in the registry."""
    stated = [
        Instrument(of=family, class_=meter.kind, uncertainty=uncertainty, source="certificate 17")
        for family, uncertainty in (
            ("noise", meter.decibels),
            *((family, f"{float(meter.share) * 100:g} %") for family in ("dust", "gas")),
        )
    ]
    board = msgspec.structs.replace(city.boards["fence-1"], instruments=tuple(stated))
    site = city.sites[board.site]
    return msgspec.structs.replace(
        city,
        boards=city.boards | {"fence-1": board},
        cities={"home": City(id="home", en="Home", zh="本市", decision=meter.rule)},
        named_districts={site.district: District(id=site.district, city="home", en="North", zh="北区")},
    )


@pytest.mark.parametrize(("seed", "meter"), [(5, slow_reference.STATED[2]), (8, slow_reference.STATED[6])])
def test_a_hub_that_is_killed_between_late_messages_says_what_the_reference_says(tmp_path, seed, meter):
    """Each message is 30 min of one quantity, in any order; after some the hub forgets all that is in memory."""
    minutes, pieces, _, _, _, _, _, dice = slow_reference.a_story(seed, days=1)
    pieces = [piece for piece in pieces if piece[0] in ("laeq", "lafmax", "wind b", "so2", "pm10")]
    minutes.said = defaultdict(dict, {key: minutes.said[key] for key, _ in pieces})
    end = max(t for _, values in pieces for t, _ in values) + MINUTE
    limits = [
        (s, n) for s, n in load_limits() if s.id in ("GB 12523-2011", "GB 12523-2025", "GB 3095-2012", "GB 3095-2026")
    ]
    background = tuple(msgspec.structs.replace(one, level=66.5) for one in CITY.sites["tower"].background)
    tower = msgspec.structs.replace(CITY.sites["tower"], background=background, zone_class="2")
    city = measured_by(msgspec.structs.replace(CITY, sites=CITY.sites | {"tower": tower}), meter)
    boards = {"wind b": Speaker("fence-2")}
    own, numbers = Speaker("fence-1"), {"fence-1": 1, "fence-2": 1}
    with Hub(tmp_path, limits, city) as hub:
        hub.now = end
        for key, values in pieces:
            board = boards.get(key, own)
            quantity = key.partition(" ")[0].replace("wind", "wind_speed")
            records = [
                record(t, MINUTE, {quantity: "D"} if value is None else None, **{quantity: value or 50.0})
                for t, value in values
            ]
            hub.hear(board.telemetry(*records, seq=numbers[board.device]))
            numbers[board.device] += len(records)
            hub.now += dice.randrange(300)
            hub.judge()
            if dice.random() < 0.1:
                hub.open()  # nothing is closed first: as after kill -9
        hub.now += 3 * DAY
        hub.judge()
        hub.now += HOUR
        hub.judge()
        found = {
            (v["rule"], v["start"]): (v["outcome"], v["value"], slow_reference.grade_of(v))
            for v in hub.verdicts()
            if v["device"] == "fence-1"
        }
    expected = slow_reference.judge(minutes, "CN", 66.5, None, meter)
    wrong = [
        (key, expected.get(key), found.get(key))
        for key in expected.keys() | {key for key in found if not slow_reference.elsewhere(key[0])}
        if not slow_reference.same(expected.get(key), found.get(key))
    ]
    assert wrong == []
    assert {outcome for outcome, _, _ in found.values()} >= {"compliant", "exceeded", "invalid"}
    assert {grade for _, _, grade in found.values()} >= {"", "suspicion"}
