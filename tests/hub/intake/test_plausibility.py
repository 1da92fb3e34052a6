"""Values that no instrument in order gives are flagged; what is right is left alone."""

import json
import tracemalloc

import pytest

from hub.intake.admission import Admission
from tests.hub.helpers import CITY, NOON, QUANTITIES, Speaker, record

START = NOON - 86_400


@pytest.fixture
def admission():
    return Admission(CITY, QUANTITIES, lambda: NOON)


@pytest.fixture
def board():
    return Speaker()


def findings(admission, message):
    return admission.judge(*message).findings


def every_minute(board, count, first=0, **values):
    """Say `count` records of a minute each, in messages of 60; the value may be a function of the minute."""
    for begin in range(0, count, 60):
        yield board.telemetry(
            *[
                record(START + 60 * (first + i), 60, **{k: v(i) if callable(v) else v for k, v in values.items()})
                for i in range(begin, min(count, begin + 60))
            ]
        )


def test_only_the_catalogues_quantities_are_remembered(admission, board):
    """Whoever has a key may make up others without end."""
    tracemalloc.start()
    findings(admission, board.telemetry(record(START, laeq=60.0, pm10=20.0)))
    before = tracemalloc.get_traced_memory()[0]
    for n in range(200):
        made_up = {f"q{n}_{i}": 1.0 for i in range(500)}
        text = json.dumps({"t": START + 10 * n, "dt": 10, "v": made_up})
        assert admission.judge(*board.telemetry(text)).reason == "unknown_quantity"
    assert tracemalloc.get_traced_memory()[0] - before < 200_000
    tracemalloc.stop()


def test_keys_are_looked_at_whatever_was_heard_before(admission, board):
    for _ in range(2):
        findings(admission, board.telemetry(record(START, laeq=60.0)))
        assert admission.judge(*board.telemetry(record(START, laeq=60.0).replace("laeq", "LAeq"))).reason == "schema"


def test_out_of_range(admission, board):
    assert findings(admission, board.telemetry(record(START, laeq=141.0, temperature=-60.0))) == [
        (0, "laeq", "T"),
        (0, "temperature", "D"),
    ]


def test_a_temperature_that_jumps_is_flagged_and_one_that_rises_as_weather_does_is_not(admission, board):
    assert findings(admission, board.telemetry(record(START, 60, temperature=20.0))) == []
    assert findings(admission, board.telemetry(record(START + 60, 60, temperature=29.9))) == []
    assert findings(admission, board.telemetry(record(START + 120, 60, temperature=40.0))) == [(0, "temperature", "D")]
    assert findings(admission, board.telemetry(record(START + 180, 60, temperature=40.5))) == [], "it has settled there"


def test_the_rate_is_taken_over_the_time_between(admission, board):
    findings(admission, board.telemetry(record(START, 10, temperature=20.0)))
    assert findings(admission, board.telemetry(record(START + 300, 10, temperature=45.0))) == [], "25 in 5 min"
    assert findings(admission, board.telemetry(record(START + 310, 10, temperature=48.0))) == [(0, "temperature", "D")]


def test_after_a_long_pause_nothing_is_known_of_the_rate(admission, board):
    findings(admission, board.telemetry(record(START, 60, temperature=5.0)))
    assert findings(admission, board.telemetry(record(START + 3600, 60, temperature=35.0))) == []


def test_a_level_that_stands_still_for_more_than_an_hour_is_stuck(admission, board):
    found = [findings(admission, message) for message in every_minute(board, 120, laeq=61.3)]
    assert found[0] == [], "an hour"
    assert found[1] == [(0, "laeq", f"D@{START}"), *((index, "laeq", "D") for index in range(1, 60))]
    assert findings(admission, board.telemetry(record(START + 7200, 60, laeq=61.4))) == []


def test_a_level_that_moves_now_and_then_is_not_stuck(admission, board):
    for message in every_minute(board, 240, laeq=lambda i: 61.3 if i % 50 else 61.4):
        assert findings(admission, message) == []


def test_zero_is_never_stuck_where_things_stand_still(admission, board):
    for message in every_minute(board, 1380, stack_nox=0, wind_speed=0, stack_so2=0):
        assert findings(admission, message) == []


@pytest.mark.parametrize(("quantity", "hours"), [("pm25", 6), ("pm10", 6), ("tsp", 6), ("humidity", 1), ("co", 12)])
def test_zero_for_hours_is_a_dead_instrument_from_its_first_zero_on(admission, board, quantity, hours):
    found = [findings(admission, message) for message in every_minute(board, 60 * hours + 60, **{quantity: 0})]
    assert found[:hours] == [[]] * hours
    assert found[hours] == [(0, quantity, f"D@{START}"), *((index, quantity, "D") for index in range(1, 60))]


def test_clean_air_is_no_dead_instrument(admission, board):
    for message in every_minute(board, 600, pm10=lambda i: (0, 0, 1)[i % 3], tsp=lambda i: -2.5 if i % 2 else 0):
        assert findings(admission, message) == []


def test_an_instrument_that_lives_again_and_dies_again_is_told_again(admission, board):
    found = []
    for message in every_minute(board, 900, pm10=lambda i: 7 if i == 400 else 0):
        found += [flag for _, _, flag in findings(admission, message) if len(flag) > 1]
    assert found == [f"D@{START}", f"D@{START + 401 * 60}"]


@pytest.mark.parametrize("floor", [25.0, 30.0, 35.4, 40.0, 40.5])
def test_the_lower_end_of_a_scale_is_not_stuck(admission, board, floor):
    for message in every_minute(board, 480, laeq=floor):
        assert findings(admission, message) == []


def test_what_loggers_write_for_no_value_is_flagged(admission, board):
    assert findings(admission, board.telemetry(record(START, pm10=9999, pm25=999.9, so2=9999.0, tsp=-9999))) == [
        (0, "pm10", "D"),
        (0, "so2", "T"),
        (0, "tsp", "D"),
    ], "PM2.5 is rounded to 1000 by the board"


def test_a_zero_that_drifts_and_fog_are_in_order(admission, board):
    assert (
        findings(admission, board.telemetry(record(START, pm10=-12.5, humidity=102.3, co=-0.8, wind_speed=-0.5))) == []
    )


def test_the_boards_own_flag_comes_first(admission, board):
    findings(admission, board.telemetry(record(START, 60, temperature=20.0)))
    flagged = board.telemetry(record(START + 60, 60, {"temperature": "C"}, temperature=90.0))
    assert findings(admission, flagged) == [(0, "temperature", "T")], "out of range it is, but no jump"


def test_what_comes_out_of_turn_is_not_compared(admission, board):
    """A board that is back says its newest first: between it and what follows lie records that are still to come."""
    findings(admission, board.telemetry(record(START, 60, temperature=20.0)))
    newest = board.telemetry(record(START + 540, 60, temperature=45.0), seq=10)
    assert findings(admission, newest) == []
    assert findings(admission, board.telemetry(record(START + 60, 60, temperature=20.1), seq=2)) == []
    assert findings(admission, board.telemetry(record(START + 120, 60, temperature=45.0), seq=3)) == [
        (0, "temperature", "D")
    ], "the run goes on where it was"


def test_a_jump_over_records_that_were_dropped_begins_a_new_run(admission, board):
    findings(admission, board.telemetry(record(START, 60, temperature=20.0)))
    assert findings(admission, board.telemetry(record(START + 540, 60, temperature=60.0), seq=10, oldest=10)) == []
    assert findings(admission, board.telemetry(record(START + 600, 60, temperature=20.0), seq=11, oldest=10)) == [
        (0, "temperature", "D")
    ]


def test_a_new_stream_begins_a_new_run(admission, board):
    findings(admission, board.telemetry(record(START, 60, temperature=20.0)))
    assert findings(admission, Speaker(stream="00000001").telemetry(record(START + 60, 60, temperature=60.0))) == []


def test_the_same_message_again_changes_nothing(admission, board):
    first = board.telemetry(record(START, 60, temperature=20.0))
    findings(admission, first)
    second = board.telemetry(record(START + 60, 60, temperature=40.0))
    assert findings(admission, second) == [(0, "temperature", "D")]
    findings(admission, second)
    assert findings(admission, board.telemetry(record(START + 120, 60, temperature=40.1))) == []


def test_boards_are_told_apart(admission, board):
    other = Speaker("fence-2")
    findings(admission, board.telemetry(record(START, 60, temperature=5.0)))
    findings(admission, other.telemetry(record(START, 60, temperature=35.0)))
    assert findings(admission, board.telemetry(record(START + 60, 60, temperature=5.1))) == []
