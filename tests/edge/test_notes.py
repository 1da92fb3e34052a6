"""What happened to a board is told in order, kept until the hub has it, and numbered so that it counts once."""

import asyncio
import json

from edge import notes as notes_module
from edge.notes import MOST, MOST_BYTES, Notes
from tests.edge.helpers import tmp_dir

T0 = 1794999990


class Broker:
    """Takes events into `heard`; fails at the calls numbered in `failures`; `meanwhile(call)` runs within each.

    The hub behind it answers each at once to `notes`, unless `answers` is false.
    """

    def __init__(self, failures=(), meanwhile=None, answers=True):
        self.heard = []
        self.answers = answers
        self.notes = None
        self._failures = failures
        self._meanwhile = meanwhile
        self._calls = 0

    async def publish(self, kind, parts):
        assert kind == "event"
        self._calls += 1
        await asyncio.sleep(0)
        if self._meanwhile:
            self._meanwhile(self._calls)
        if self._calls in self._failures:
            raise OSError("connection lost")
        event = json.loads(b"".join(parts).decode())
        self.heard.append(event)
        if self.answers:
            self.notes.acknowledged(event["n"])

    def numbers(self):
        return [event["detail"]["n"] for event in self.heard]


def notes_in(folder, stream="9f3a12c4"):
    return Notes(folder + "/events", lambda: T0, stream)


def add(notes, numbers):
    for number in numbers:
        notes.add("relay", {"n": number})


def send(notes, broker):
    """Send; return whether all was told."""
    broker.notes = notes
    try:
        asyncio.run(notes.send(broker.publish))
    except OSError:
        return False
    return True


def test_an_event_is_told_as_it_was_with_its_time():
    notes = notes_in(tmp_dir())
    notes.add("calibration", {"before": {"id": 0, "channels": {}}, "who": "Technician 4"})
    broker = Broker()
    assert send(notes, broker)
    detail = {"before": {"id": 0, "channels": {}}, "who": "Technician 4"}
    number = broker.heard[0]["n"]
    assert broker.heard == [{"n": number, "t": T0, "event": "calibration", "detail": detail}]
    assert 0 < number < 2**53
    assert number & 0xFFFFF == 1


def test_events_are_told_in_order_and_once():
    notes = notes_in(tmp_dir())
    add(notes, range(5))
    broker = Broker()
    assert send(notes, broker)
    assert send(notes, broker)
    add(notes, [5])
    assert send(notes, broker)
    assert broker.numbers() == [0, 1, 2, 3, 4, 5]


def test_events_survive_a_restart():
    folder = tmp_dir()
    add(notes_in(folder), range(3))
    add(notes_in(folder), range(3, 5))
    broker = Broker()
    assert send(notes_in(folder), broker)
    assert broker.numbers() == [0, 1, 2, 3, 4]
    assert send(notes_in(folder), broker)
    assert len(broker.heard) == 5


def test_a_failing_publish_keeps_what_is_left_and_tells_nothing_twice():
    folder = tmp_dir()
    add(notes_in(folder), range(4))
    broker = Broker(failures=(3,))
    assert not send(notes_in(folder), broker)
    assert broker.numbers() == [0, 1]
    assert send(notes_in(folder), broker)
    assert broker.numbers() == [0, 1, 2, 3]


def test_of_too_many_events_the_oldest_go():
    notes = notes_in(tmp_dir())
    add(notes, range(MOST + 7))
    broker = Broker()
    assert send(notes, broker)
    assert MOST == 50
    assert broker.numbers() == list(range(7, MOST + 7))


def test_an_event_that_happens_while_others_are_sent_is_told_once_too():
    for moment in (1, 2, 3):
        notes = notes_in(tmp_dir())
        add(notes, range(3))
        broker = Broker(meanwhile=lambda call: add(notes, [3]) if call == moment else None)  # noqa: B023
        assert send(notes, broker)
        assert send(notes, broker)
        assert broker.numbers() == [0, 1, 2, 3], moment


def test_events_that_push_out_older_ones_while_these_are_sent_are_not_lost():
    notes = notes_in(tmp_dir())
    add(notes, range(MOST))
    broker = Broker(meanwhile=lambda call: add(notes, [MOST, MOST + 1]) if call == 2 else None)
    assert send(notes, broker)
    assert send(notes, broker)
    told = broker.numbers()
    assert told[-2:] == [MOST, MOST + 1]
    assert told == sorted(set(told))


def test_two_who_send_at_once_tell_each_event_once():
    notes = notes_in(tmp_dir())
    add(notes, range(4))
    broker = Broker()

    broker.notes = notes

    async def both():
        await asyncio.gather(notes.send(broker.publish), notes.send(broker.publish))

    asyncio.run(both())
    assert broker.numbers() == [0, 1, 2, 3]


def test_a_line_torn_anywhere_is_ignored_and_costs_no_other_event():
    folder = tmp_dir()
    notes = notes_in(folder)
    notes.add("relay", {"n": 0})
    with open(folder + "/events", "rb") as file:
        begin = len(file.read())
    notes.add("calibration", {"n": 1, "after": {"id": 3, "channels": {}}, "who": "技术员4", "reference": "no. 7"})
    with open(folder + "/events", "rb") as file:
        content = file.read()
    wrong = []
    for cut in range(begin, len(content)):
        with open(folder + "/events", "wb") as file:
            file.write(content[:cut])
        broker = Broker()
        try:
            notes = notes_in(folder)
            notes.add("relay", {"n": 2})
            send(notes, broker)
            told = broker.numbers()
        except Exception as error:  # noqa: BLE001 - told below
            told = error.__class__.__name__
        # Cut just before the newline, the torn event may count as whole.
        if told != [0, 2] and not (cut == len(content) - 1 and told == [0, 1, 2]):
            wrong.append((cut - begin, told))
    assert wrong == []


def test_flash_that_takes_no_event_stops_nothing():
    # Called as the relay switches and from the recorder: the board must go on measuring.
    Notes(tmp_dir() + "/no such folder/events", lambda: T0).add("relay", {"on": True})


def test_an_event_is_kept_and_sent_again_until_the_hub_answers_with_its_number():
    folder = tmp_dir()
    notes = notes_in(folder)
    add(notes, range(3))
    broker = Broker(answers=False)
    assert send(notes, broker)
    assert send(notes, broker)
    assert broker.numbers() == [0, 1, 2]  # not again by the same connection, so soon
    notes.begin()
    assert send(notes, broker)
    assert send(notes_in(folder), broker)  # after a power cut
    assert broker.numbers() == [0, 1, 2] * 3
    assert broker.heard[:3] == broker.heard[3:6] == broker.heard[6:]  # byte for byte, but for the order of members
    notes = notes_in(folder)
    for number in (0, 1, broker.heard[0]["n"] - 1, broker.heard[2]["n"] + 1, 2**53):
        notes.acknowledged(number)
    notes.acknowledged(broker.heard[1]["n"])
    broker = Broker()
    assert send(notes, broker)
    assert broker.numbers() == [0, 2]
    assert send(notes_in(folder), broker)
    assert broker.numbers() == [0, 2]


def test_an_event_without_an_answer_is_sent_again_after_a_while():
    now = [5000]
    real = notes_module.ticks_ms, notes_module.ticks_diff
    notes_module.ticks_ms = lambda: now[0]
    notes_module.ticks_diff = lambda later, earlier: later - earlier
    try:
        notes = notes_in(tmp_dir())
        add(notes, [0])
        broker = Broker(answers=False)
        for _ in range(4):
            assert send(notes, broker)
            now[0] += 25000
        assert broker.numbers() == [0, 0]
    finally:
        notes_module.ticks_ms, notes_module.ticks_diff = real


def test_a_number_is_never_given_twice():
    folder = tmp_dir()
    broker = Broker()
    for count in range(4):  # each time all is answered, and the board starts again
        notes = notes_in(folder)
        add(notes, range(count))
        assert send(notes, broker)
    at_the_prompt = Notes(folder + "/events", lambda: T0)
    add(at_the_prompt, [9])
    assert send(notes_in(folder), broker)
    numbers = [event["n"] for event in broker.heard]
    assert [number - numbers[0] for number in numbers] == list(range(7))
    # Brought back from a backup: what waited keeps its number, what comes has others.
    add(notes_in(folder), [10])
    restored = notes_in(folder, "00c0ffee")
    add(restored, [11])
    assert send(restored, broker)
    assert broker.heard[7]["n"] == numbers[0] + 7
    assert broker.heard[8]["n"] >> 20 != numbers[0] >> 20
    # Its file is lost.
    fresh = notes_in(tmp_dir())
    add(fresh, [12])
    assert send(fresh, broker)
    assert len({event["n"] >> 20 for event in broker.heard}) == 3


def test_events_that_an_earlier_version_kept_are_numbered_and_told():
    folder = tmp_dir()
    with open(folder + "/events", "w") as file:
        file.write("".join(['{"t": %d, "event": "relay", "detail": {"n": %d}}\n' % (T0, n) for n in range(3)]))
    add(notes_in(folder), [3])
    broker = Broker()
    assert send(notes_in(folder), broker)
    assert broker.numbers() == [0, 1, 2, 3]
    first = broker.heard[0]["n"]
    assert [event["n"] - first for event in broker.heard] == [0, 1, 2, 3]


def test_what_waits_is_bounded_in_bytes_too():
    notes = notes_in(tmp_dir())
    for n in range(10):
        notes.add("calibration", {"n": n, "text": "x" * 3000})
    broker = Broker()
    assert send(notes, broker)
    assert broker.numbers() == [8, 9]
    assert MOST_BYTES == 8192


def test_a_loss_is_told_with_its_numbers_or_refused_where_flash_is():
    notes = notes_in(tmp_dir())
    assert notes.lose("9f3a12c4", 3, 7, "overflow")
    broker = Broker()
    assert send(notes, broker)
    told = {"t": T0, "event": "dropped", "stream": "9f3a12c4", "from": 3, "to": 7, "reason": "overflow"}
    told["n"] = broker.heard[0]["n"]
    assert broker.heard == [told]
    assert not Notes(tmp_dir() + "/no such folder/events", lambda: T0).lose("9f3a12c4", 3, 7, "overflow")
