"""A board under orders: desired configuration, calibration, its relay's own rule; and all of it in the hub's log."""

import itertools
import json

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hub.admission import seal
from sim.account import read_only
from tests.system.chain import Chain, until

CALIBRATION = {"id": 7, "channels": {"laf": {"points": [[94.6, 94.0]]}}}


class Desk:
    """Someone with the board's key at the broker: gives orders, hears replies, and reads the hub's log."""

    def __init__(self, chain, port):
        self.chain = chain
        self.board = chain.boards[0].id
        self._key = bytes.fromhex(chain._keys[self.board])
        self._topic = f"fenceline/1/nanhai/pit/{self.board}/"
        self._replies = {}
        self._numbers = itertools.count(1)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(self._topic + "reply", 1)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def configure(self, **desired):
        payload = seal(json.dumps(desired).encode(), self._key)
        self._client.publish(self._topic + "config", payload, qos=1, retain=True).wait_for_publish(10)

    def order(self, do, **more):
        """Give a command; return `(ok, detail)` of the board's reply."""
        id_ = f"order-{next(self._numbers)}"
        payload = seal(json.dumps({"id": id_, "do": do, **more}).encode(), self._key)
        self._client.publish(self._topic + "command", payload, qos=1)
        until(lambda: id_ in self._replies, f"a reply to {do}\n{self.chain.log(self.board)}", 30)
        return self._replies[id_]["ok"], self._replies[id_]["detail"]

    def in_log(self, kind):
        """Return the board's messages of a kind in the hub's log, in order."""
        path = self.chain.folder / "data" / "log.db"
        if not self.chain.in_log():
            return []
        with read_only(path) as db:
            rows = db.execute("SELECT payload FROM message WHERE topic = ? ORDER BY offset", (self._topic + kind,))
            return [json.loads(payload) for (payload,) in rows]

    def events(self, event):
        return [message["detail"] for message in self.in_log("event") if message["event"] == event]

    def event(self, event, count=1):
        """Wait until there are so many events of this name in the log; return the details of the last."""
        until(lambda: len(self.events(event)) >= count, f"event {event} in the log\n{self.chain.log('hub')}", 30)
        assert len(self.events(event)) == count
        return self.events(event)[-1]

    def intervals(self):
        return [record["dt"] for message in self.in_log("telemetry") for record in message["records"]]

    def until_records(self, condition, what):
        until(lambda: condition(self.in_log("telemetry")[-1:]), f"{what}\n{self.chain.log(self.board)}", 30)

    def _hear(self, _client, _data, message):
        reply = json.loads(message.payload)
        assert reply["id"] not in self._replies, "answered twice"
        self._replies[reply["id"]] = reply


@pytest.fixture
def desk(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        chain.start_hub()
        until(lambda: "connected" in chain.log("hub"), "the hub is connected")
        desk = Desk(chain, mosquitto.port)
        yield desk
        desk.close()
        assert chain.quarantine() == []


def start(desk):
    desk.chain.start_board(desk.board)
    until(desk.intervals, f"first records in the log\n{desk.chain.log(desk.board)}")


def test_a_retained_configuration_changes_the_interval_and_a_bad_one_is_refused_and_told(desk):
    desk.configure(revision=1, interval=2)
    start(desk)
    assert desk.event("config") == {"revision": 1}
    until(lambda: desk.intervals()[-3:] == [2, 2, 2], "records of 2 s in the log", 30)
    desk.configure(revision=2, interval=5, relay={"quantity": "pm10", "on": 1, "off": 2})
    assert desk.event("config", 2) == {"revision": 2, "problem": "relay: off must be below on"}
    seen = len(desk.intervals())
    until(lambda: len(desk.intervals()) > seen + 2, "more records", 30)
    assert set(desk.intervals()[seen:]) == {2}

    desk.chain.kill(desk.board)
    desk.configure(revision=3, interval=2)
    desk.chain.start_board(desk.board)
    assert desk.event("config", 3) == {"revision": 3}
    seen = len(desk.intervals())
    until(lambda: len(desk.intervals()) > seen + 1, "records after the restart", 30)
    assert set(desk.intervals()[seen:]) == {2}
    assert desk.order("ping") == (True, "pong")
    until(lambda: desk.in_log("status")[-1].get("config") == 3, "a status that names the configuration in force")


def test_a_calibration_is_told_with_who_and_against_what_and_later_records_carry_its_id(desk):
    start(desk)
    reference = "Nor1255 no. 125525311"
    assert desk.order("calibrate", calibration=CALIBRATION, who="技术员4", reference=reference) == (
        True,
        "calibration 7 in force",
    )
    told = desk.event("calibration")
    before = {"id": 0, "channels": {}}
    assert told == {"before": before, "after": CALIBRATION, "who": "技术员4", "reference": reference}
    desk.until_records(lambda last: last[0]["cal"] == 7, "records under calibration 7")

    assert desk.order("calibrate", calibration={"id": 8, "channels": {}}, reference=reference)[0] is False
    ok, why = desk.order("calibrate", calibration={"id": 8, "channels": 5}, who="技术员4", reference=reference)
    assert not ok
    assert "channels" in why
    seen = len(desk.in_log("telemetry"))
    until(lambda: len(desk.in_log("telemetry")) > seen + 1, "more records", 30)
    assert {message["cal"] for message in desk.in_log("telemetry")[seen:]} == {7}
    assert len(desk.events("calibration")) == 1


def test_dust_over_the_board_s_own_rule_switches_the_relay_and_an_order_goes_before_it(desk):
    start(desk)
    contact = desk.chain.outbox(desk.board) / "relay"
    # Never so little dust at a pit: PM10 is some 60 ug/m3 by the city's wind alone.
    desk.configure(revision=1, relay={"quantity": "pm10", "on": 2, "off": 1, "least": 0})
    told = desk.event("relay")
    assert told["on"] is True
    assert told["why"].endswith(", on at 2")
    assert contact.read_text() == "1"
    assert desk.order("relay", on=False, minutes=5) == (True, "relay off")
    assert desk.event("relay", 2) == {"on": False, "why": "ordered for 300 s"}
    seen = len(desk.intervals())
    until(lambda: len(desk.intervals()) > seen + 2, "more records", 30)
    assert contact.read_text() == "0"
    assert len(desk.events("relay")) == 2


def test_log_selftest_and_a_command_that_is_unknown(desk):
    start(desk)
    assert desk.order("selftest") == (True, "dust N, noise N")
    desk._client.publish(desk._topic + "command", seal(b'{"id":"forged","do":"reboot"}', bytes(32)), qos=1)
    ok, lines = desk.order("log", lines=1)
    assert ok
    assert "bad MAC" in lines
    assert desk.order("dance") == (False, "do: dance is not known here")


def test_an_order_given_while_the_board_cannot_tell_is_told_later(desk, mosquitto):
    start(desk)
    desk.configure(revision=1, relay={"quantity": "pm10", "on": 2, "off": 1, "least": 5, "most": 3})
    desk.event("config")
    assert desk.event("relay", 2)["on"] is False
    contact = desk.chain.outbox(desk.board) / "relay"
    mosquitto.kill()  # what it had taken and not handed on would be lost, so not while something is being told
    moved = [contact.read_text()]

    def moves():
        moved.append(contact.read_text())
        return "10" in "".join(moved)

    until(moves, "the relay is switched without a network", 30)
    mosquitto.start()
    until(lambda: len(desk.events("relay")) >= 4, f"it is told\n{desk.chain.log(desk.board)}", 60)
    states = [detail["on"] for detail in desk.events("relay")]
    assert states == [i % 2 == 0 for i in range(len(states))]
