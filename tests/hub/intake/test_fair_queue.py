"""Each board's turn: nothing is lost or turned about, nobody waits for another's flood, and who is let go of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.intake import fair_queue
from hub.intake.broker import Incoming
from hub.intake.fair_queue import HELD, OVERHEAD, PATIENCE, QUANTUM, STANDSTILL, FairQueue, weight

BOARDS = [f"b{n}" for n in range(40)]
LARGE = 60_000


def message(device, number=0, kind="telemetry", size=300):
    return Incoming(f"fenceline/1/city/site/{device}/{kind}", b"%0*d" % (size, number), False, number, 1, 1)


def device_of(said):
    return said.topic.split("/")[4]


def fill(queue, device, now, share=1.0, kind="telemetry", size=300):
    """Let a board send so much of what may be held."""
    queue.add([message(device, n, kind, size) for n in range(int(share * HELD / (size + OVERHEAD)) + 1)], now)


@given(
    sent=st.lists(st.tuples(st.sampled_from([*BOARDS[:5], "made-up"]), st.sampled_from([10, 2000, LARGE]))),
    takes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 200_000))),
)
def test_all_comes_out_once_each_boards_in_order_and_never_much_more_than_asked(sent, takes):
    queue = FairQueue(BOARDS)
    messages = [message(device, n, size=size) for n, (device, size) in enumerate(sent)]
    queue.add(messages, 0)
    assert queue.size == sum(map(weight, messages))
    came = []
    for most, size in takes:
        part = queue.take(most, size, 0)
        assert len(part) <= most
        assert sum(map(weight, part[:-1])) < size
        came += part
    came += queue.take(10**6, 10**9, 0)
    assert sorted(m.mid for m in came) == list(range(len(sent)))
    for device in {device_of(m) for m in came}:
        assert [m for m in came if device_of(m) == device] == [m for m in messages if device_of(m) == device]
    assert queue.size == 0


@pytest.mark.parametrize("size", [300, LARGE])
def test_a_board_waits_for_one_turn_of_each_other_board_whatever_they_have_sent(size):
    queue = FairQueue(BOARDS)
    for device in BOARDS[1:10]:
        fill(queue, device, 0, 0.1, size=size)
    queue.add([message("b0")], 0)
    came = queue.take(10**6, 10**9, 0)
    before = came[: [device_of(m) for m in came].index("b0")]
    assert sum(map(weight, before)) <= 9 * (QUANTUM + size + OVERHEAD)


def test_what_comes_mixed_goes_on_nearly_as_it_came():
    queue = FairQueue(BOARDS)
    queue.add([message(device, 40 * n + i) for n in range(10) for i, device in enumerate(BOARDS)], 0)
    came = [m.mid for m in queue.take(10**6, 10**9, 0)]
    assert max(abs(place - number) for place, number in enumerate(came)) <= 2 * len(BOARDS)


def test_topics_and_boards_that_are_made_up_share_one_turn():
    queue = FairQueue(BOARDS)
    queue.add([message(f"made-up-{n}") for n in range(500)], 0)
    queue.add([Incoming("(not UTF-8)", b"", False, 1, 1, 1)] * 500, 0)
    queue.add([message("b0")], 0)
    assert "b0" in [device_of(m) for m in queue.take(4, 10**9, 0)]


def test_the_newest_telemetry_of_a_board_that_keeps_others_waiting_is_let_go_of():
    queue = FairQueue(BOARDS)
    queue.add([message("b1")], 0)
    queue.take(1, 10**9, 0)
    fill(queue, "b0", 0)
    queue.take(1, 10**9, 1)
    assert queue.let_go(1) == {}, "a burst is worked off"
    queue.add([message("b0", 10**6)], 2)
    (gone,) = queue.let_go(PATIENCE).values()
    assert not queue.full()
    rest = queue.take(10**6, 10**9, PATIENCE)
    assert sum(map(weight, rest)) == pytest.approx(fair_queue.GREEDY * HELD, rel=0.01)
    assert max(m.mid for m in rest) < min(m.mid for m in gone)


def test_a_flood_that_was_there_first_is_let_go_of_though_nobody_else_was_heard_yet():
    queue = FairQueue(BOARDS)
    fill(queue, "b0", 0, 1.1)
    queue.take(1, 1, PATIENCE)
    assert set(queue.let_go(PATIENCE)) == {"b0"}


def test_nothing_is_let_go_of_where_there_is_nobody_else():
    queue = FairQueue(["b0"])
    fill(queue, "b0", 0, 1.1)
    queue.take(1, 1, 1000)
    assert queue.full()
    assert queue.let_go(1000 + PATIENCE) == {}


def test_nothing_is_let_go_of_while_the_hub_takes_nothing():
    queue = FairQueue(BOARDS)
    queue.add([message("b1")], 0)
    fill(queue, "b0", 0)
    queue.take(1, 1, 1)
    assert queue.let_go(1 + STANDSTILL + 1) == {}
    queue.take(1, 1, 100)
    fill(queue, "b0", 100, 0.1)
    assert queue.let_go(100.1) == {}, "what has piled up meanwhile is worked off first"
    assert queue.let_go(100 + PATIENCE)


@pytest.mark.parametrize("seconds", [PATIENCE, 60, 3600])
def test_nothing_is_let_go_of_what_many_boards_send_alike_however_long_it_takes(seconds):
    queue = FairQueue(BOARDS)
    for device in BOARDS:
        fill(queue, device, 0, 1.1 / len(BOARDS))
    queue.take(1, 1, seconds)
    assert queue.full()
    assert queue.let_go(seconds) == {}


def test_the_longer_several_boards_flood_the_more_evenly_it_is_shared():
    queue = FairQueue(BOARDS)
    queue.add([message(device) for device in BOARDS], 0)
    for device in BOARDS[:8]:
        fill(queue, device, 0, 0.125)
    queue.take(10, 10**9, 10)
    assert queue.full()
    assert queue.let_go(10) == {}
    queue.take(1, 1, 100)
    fill(queue, "b0", 100, 0.01)
    for device in BOARDS[:8]:
        queue._lines[device].stood = 0  # the hub has taken all along
    assert set(queue.let_go(100)) == set(BOARDS[:8])


def test_events_are_never_let_go_of_and_stay_in_order():
    queue = FairQueue(BOARDS)
    queue.add([message("b1")], 0)
    fill(queue, "b0", 0, 0.7, "event", LARGE)
    fill(queue, "b0", 0, 0.5, "telemetry")
    queue.take(1, 1, PATIENCE)
    assert all(m.topic.endswith("/telemetry") for m in queue.let_go(PATIENCE)["b0"])
    fill(queue, "b0", 0, 0.5, "event", LARGE)
    queue.let_go(PATIENCE)
    assert queue.full(), "then nothing more is read"
    events = [m for m in queue.take(10**6, 10**9, PATIENCE) if m.topic.endswith("/event")]
    assert len(events) == int(0.7 * HELD / (LARGE + OVERHEAD)) + int(0.5 * HELD / (LARGE + OVERHEAD)) + 2
