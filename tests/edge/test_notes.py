"""What happened to a board is told, once and in order, however long it was alone and however often it was cut off."""

import asyncio
import json

from edge.notes import MOST, Notes
from tests.edge.helpers import tmp_dir

T0 = 1794999990


class Broker:
    """Takes events into `heard`; fails at the calls numbered in `failures`; `meanwhile(call)` runs within each."""

    def __init__(self, failures=(), meanwhile=None):
        self.heard = []
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
        self.heard.append(json.loads(b"".join(parts).decode()))

    def numbers(self):
        return [event["detail"]["n"] for event in self.heard]


def notes_in(folder):
    return Notes(folder + "/events", lambda: T0)


def add(notes, numbers):
    for number in numbers:
        notes.add("relay", {"n": number})


def send(notes, broker):
    """Send; return whether all was told."""
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
    assert broker.heard == [{"t": T0, "event": "calibration", "detail": detail}]


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
