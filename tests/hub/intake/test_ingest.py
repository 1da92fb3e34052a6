"""What boards are told: cumulative acknowledgements, later while messages pile up, and never too many at a time."""

import json
from types import SimpleNamespace

import pytest

from hub.intake.acknowledgements import Acknowledgements
from hub.log.streams import Stream
from hub.registry.live import Board, Registry
from hub.wire.seal import authentic
from tests.hub.helpers import CITY

STREAMS = [Stream("fence-1", "9f3a12c4", []), Stream("fence-2", "00000001", [])]


class Said(list):
    """Keeps what is published."""

    def publish(self, topic, payload):
        self.append((topic, payload))


@pytest.fixture
def now(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("hub.intake.acknowledgements.time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def test_boards_are_told_together_and_not_more_often_than_asked(now):
    said = Said()
    acknowledgements = Acknowledgements(said, CITY, 2.0)
    acknowledgements.owe({STREAMS[0]: 3})
    assert not acknowledgements.pay(busy=False)
    (topic, payload) = said.pop()
    assert topic == "fenceline/1/north/tower/fence-1/ack"
    assert {"stream": "9f3a12c4", "seq": 3}.items() <= json.loads(payload).items()
    assert authentic(payload, CITY.keys["fence-1"])

    acknowledgements.owe({STREAMS[0]: 4})
    now[0] += 1.9
    acknowledgements.owe({STREAMS[0]: 9, STREAMS[1]: 2})
    acknowledgements.pay(busy=False)
    assert said == []
    now[0] += 0.2
    acknowledgements.pay(busy=False)
    assert [json.loads(payload)["seq"] for _, payload in said] == [9, 2]


def test_a_board_that_speaks_from_where_it_does_not_belong_is_told_there_too(now):
    """It was moved in the registry and listens where it was: what it said there is done with, and it must know."""
    said = Said()
    acknowledgements = Acknowledgements(said, CITY, 2.0)
    acknowledgements.owe({STREAMS[0]: 3}, {STREAMS[0]: "fenceline/1/south/mill/fence-1/telemetry"})
    acknowledgements.pay(busy=False)
    assert [topic for topic, _ in said] == [
        "fenceline/1/north/tower/fence-1/ack",
        "fenceline/1/south/mill/fence-1/ack",
    ]
    assert said[0][1] == said[1][1]
    now[0] += 10
    for strange in ("fenceline/1/地铁/mill/fence-1/telemetry", "fenceline/1//mill/fence-1/telemetry"):
        acknowledgements.owe({STREAMS[0]: 4}, {STREAMS[0]: strange})
    acknowledgements.pay(busy=False)
    assert len(said) == 3


def test_a_board_that_makes_up_streams_is_not_owed_more_than_a_few(now):
    said = Said()
    acknowledgements = Acknowledgements(said, CITY, 2.0)
    for n in range(1000):
        acknowledgements.owe({Stream("fence-1", f"{n:08x}", []): 1, STREAMS[1]: n})
    acknowledgements.pay(busy=False)
    assert len(said) == Acknowledgements.STREAMS + 1


def test_while_messages_pile_up_boards_are_told_later_and_yet_before_they_send_again(now):
    said = Said()
    acknowledgements = Acknowledgements(said, CITY, 2.0)
    acknowledgements.owe({STREAMS[0]: 3})
    acknowledgements.pay(busy=False)
    said.clear()
    for seq in range(4, 20):
        now[0] += 0.5
        acknowledgements.owe({STREAMS[0]: seq})
        acknowledgements.pay(busy=True)
    assert [json.loads(payload)["seq"] for _, payload in said] == [19]
    assert now[0] - 100.0 <= 8.0


def test_many_boards_are_told_in_pieces(now):
    boards = {f"b{n}": Board(f"b{n}", "tower") for n in range(1200)}
    city = Registry(CITY.sites, boards, dict.fromkeys(boards, bytes(32)), CITY.zone)
    said = Said()
    acknowledgements = Acknowledgements(said, city, 2.0)
    acknowledgements.owe({Stream(device, "00000001", []): 1 for device in boards})
    acknowledgements.owe({Stream("gone", "00000001", []): 1})
    assert acknowledgements.pay(busy=False)
    assert len(said) == 500
    assert acknowledgements.pay(busy=False)
    assert not acknowledgements.pay(busy=False)
    assert len(said) == 1200


def test_each_event_is_answered_for_itself_and_where_its_board_listens(now):
    said = Said()
    acknowledgements = Acknowledgements(said, CITY, 2.0)
    here, there = "fenceline/1/north/tower/fence-1/event", "fenceline/1/south/mill/fence-1/event"
    acknowledgements.owe_events([("fence-1", 7, here), ("fence-1", 9, here), ("fence-1", 7, here)])
    assert not acknowledgements.pay(busy=False)
    assert [(topic.split("/")[4], json.loads(payload)["events"]) for topic, payload in said] == [
        ("fence-1", 7),
        ("fence-1", 9),
    ]
    _, payload = said[0]
    assert set(json.loads(payload)) == {"events", "mac"}
    assert authentic(payload, CITY.keys["fence-1"])
    said.clear()
    now[0] += 10
    acknowledgements.owe_events([("fence-1", 8, there), ("nobody", 1, here)])
    acknowledgements.pay(busy=False)
    assert [topic for topic, _ in said] == ["fenceline/1/north/tower/fence-1/ack", "fenceline/1/south/mill/fence-1/ack"]
    said.clear()
    now[0] += 10
    acknowledgements.owe_events([("fence-1", number, here) for number in range(1, 1000)])
    acknowledgements.pay(busy=False)
    assert len(said) == Acknowledgements.EVENTS
