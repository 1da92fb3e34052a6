"""Some thousand random and mutated messages, seeded: `make fuzz` sends as many as one likes."""

import pytest

from tests.conftest import require
from tests.fuzz.run import faults, fuzz

MESSAGES = 5000


def test_the_hub_accounts_for_every_message_whatever_it_is(tmp_path):
    require("mosquitto")
    figures, words = fuzz(tmp_path, MESSAGES, seed=4)
    # So short a run tells nothing of the memory in the long run, but much of what one message may do to it.
    assert not faults(figures), f"{figures}\n{words}"
    assert figures["sent"] == figures["accepted"] + figures["duplicate"] + figures["quarantined"] == MESSAGES
    assert min(figures["accepted"], figures["duplicate"], figures["quarantined"]) > MESSAGES / 50
    assert figures["authentic"] > MESSAGES / 50
    assert {"not_json", "bad_mac", "schema", "unknown_board", "wrong_topic"} <= set(figures["by_reason"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"missing": 1}, "missing"),
        ({"good_missing": 2}, "good_missing"),
        ({"authentic_missing": 1}, "authentic_missing"),
        ({"unacknowledged": 1}, "unacknowledged"),
        ({"hub_ended": True}, "hub_ended"),
        ({"tracebacks": 1}, "tracebacks"),
        ({"by_reason": {"internal": 1}}, "internal"),
        ({"rss_mb_end": 126.0}, "memory grew"),
    ],
)
def test_a_fault_is_found(change, fault):
    good = {
        "missing": 0,
        "good_missing": 0,
        "hub_ended": False,
        "tracebacks": 0,
        "by_reason": {"schema": 1},
        "rss_mb_begin": 100.0,
        "rss_mb_end": 124.0,
    }
    assert faults(good) == []
    assert faults(good | change) == [fault]
