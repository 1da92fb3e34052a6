"""A board under orders: desired configuration, calibration, its relay's own rule; and all of it in the hub's log."""

import itertools
import json
import shutil
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion

from edge.outbox import KEPT, SEGMENT, parse, segments
from hub.wire.seal import seal
from sim.city.account import read_only
from tests.system.chain import ROOT, Chain, until

COMMAND = Draft202012Validator(json.loads((ROOT / "schemas" / "messages" / "command.schema.json").read_text("utf-8")))

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
        """Give a command, now and with a number made of the time; return `(ok, detail)` of the board's reply."""
        return self.deliver(self.written(do, **more))

    def written(self, do, **more):
        """Return the bytes of a command, which can be delivered more than once; they are as the schema says."""
        now = time.time()
        command = {"id": f"order-{next(self._numbers)}", "do": do, "t": int(now), "n": int(now * 1000), **more}
        payload = seal(json.dumps(command).encode(), self._key)
        if do != "dance":
            COMMAND.validate(json.loads(payload))
        return payload

    def deliver(self, payload):
        """Bring a command's bytes to the board; return `(ok, detail)` of the next reply."""
        id_ = json.loads(payload)["id"]
        before = len(self._replies.get(id_, ()))
        self._client.publish(self._topic + "command", payload, qos=1)
        until(lambda: len(self._replies.get(id_, ())) > before, f"a reply\n{self.chain.log(self.board)}", 30)
        time.sleep(0.3)
        assert len(self._replies[id_]) == before + 1, "answered twice"
        return self._replies[id_][-1]["ok"], self._replies[id_][-1]["detail"]

    def in_log(self, kind):
        """Return the board's messages of a kind in the hub's log, in order."""
        path = self.chain.folder / "data" / "log.db"
        if not self.chain.in_log():
            return []
        with read_only(path) as db:
            rows = db.execute("SELECT payload FROM message WHERE topic = ? ORDER BY offset", (self._topic + kind,))
            return [json.loads(payload) for (payload,) in rows]

    def events(self, event):
        """Return their details in the order in which they were: what the broker lost comes again a minute later."""
        told = sorted(self.in_log("event"), key=lambda message: message["t"])
        return [message["detail"] for message in told if message["event"] == event]

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
        self._replies.setdefault(reply["id"], []).append(reply)


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


def test_log_selftest_errands_and_a_command_that_is_unknown(desk):
    start(desk)
    assert desk.order("selftest") == (True, "dust N, noise N, tsp N")
    ok, diagnosis = desk.order("diagnose")
    told = json.loads(diagnosis)
    assert (ok, told["clock"], told["storage"]["problem"]) == (True, "ntp", "")
    assert told["outbox"]["records"] >= 0 < told["heap_free"]
    assert told["sensors"].keys() == {"dust", "noise", "tsp"}
    assert desk.order("time") == (True, "clock ntp, moved by 0 ms")
    assert desk.order("identify") == (
        False,
        "identify: this board has no light that it knows; its file names the pin as led_pin",
    )
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
    until(lambda: len(desk.events("relay")) >= 4, f"it is told\n{desk.chain.log(desk.board)}", 100)
    states = [detail["on"] for detail in desk.events("relay")]
    if moved[0] == "1" and not states[2]:
        states.insert(2, True)  # it was on its way when the broker was killed
    assert states == [i % 2 == 0 for i in range(len(states))]


def test_orders_played_back_are_refused_and_one_repeated_is_answered_again_and_done_once(desk):
    start(desk)
    contact = desk.chain.outbox(desk.board) / "relay"
    month_ago = int(time.time()) - 30 * 86400
    for do, more in (
        ("flag", {"flag": "M"}),
        ("relay", {"on": True}),
        ("reboot", {}),
        ("update", {"url": "http://127.0.0.1:1/0.0.9", "sha256": "0" * 64}),
        ("calibrate", {"calibration": CALIBRATION, "who": "Li", "reference": "BAM 1020"}),
        ("ping", {}),
    ):
        ok, why = desk.deliver(desk.written(do, t=month_ago, n=month_ago * 1000, **more))
        assert not ok
        assert why.startswith(f"t: {month_ago} is ")
    assert contact.read_text() == "0"
    assert desk.chain.runs(desk.board)

    on = desk.written("relay", on=True, minutes=1)
    assert desk.deliver(on) == (True, "relay on")
    off = desk.written("relay", on=False, minutes=5)
    assert desk.deliver(off) == (True, "relay off")
    ok, why = desk.deliver(on)  # fresh, but from before
    assert (ok, why.endswith(f"is not above {json.loads(off)['n']}, the last one obeyed")) == (False, True)
    assert desk.deliver(off) == (True, "relay off")
    assert contact.read_text() == "0"
    desk.event("relay", 2)

    reboot = desk.written("reboot")
    assert desk.deliver(reboot) == (True, "starting again")
    until(lambda: not desk.chain.runs(desk.board), "the board resets", 30)
    restart(desk)
    assert desk.deliver(reboot) == (True, "starting again")
    assert desk.deliver(off)[0] is False
    seen = len(desk.intervals())
    until(lambda: len(desk.intervals()) > seen + 2, "it measures on", 30)
    assert desk.chain.runs(desk.board)
    assert contact.read_text() == "0"
    assert desk.order("ping") == (True, "pong")


def test_a_reset_in_the_middle_of_an_order_does_not_do_it_again(desk):
    start(desk)
    live = desk.written("live", minutes=5)
    desk._client.publish(desk._topic + "command", live, qos=1)
    time.sleep(1)
    desk.chain.kill(desk.board)
    restart(desk)
    ok, why = desk.deliver(live)
    assert not ok
    assert "started again while it was at it" in why


def test_a_board_put_back_to_an_earlier_day_loses_no_record_and_counts_none_twice(desk):
    """Its files of Monday stand on it again on Thursday: what it makes from then on has numbers of its own."""
    outbox = desk.chain.outbox(desk.board)
    start(desk)
    until(lambda: len(desk.intervals()) > 5, "records of Monday", 30)
    desk.chain.kill(desk.board)
    shutil.copytree(outbox, desk.chain.folder / "monday")
    restart(desk)
    monday = len(desk.intervals())
    until(lambda: len(desk.intervals()) > monday + 8, "records since", 30)
    desk.chain.kill(desk.board)
    before = told(desk)
    shutil.rmtree(outbox)
    shutil.copytree(desk.chain.folder / "monday", outbox)

    restart(desk)
    until(lambda: len(told(desk)) > len(before) + 8, f"records of Thursday\n{desk.chain.log(desk.board)}", 30)
    desk.chain.boards = [one for one in desk.chain.boards if one.id == desk.board]
    desk.chain.stop_boards()
    until(lambda: made(outbox).keys() <= told(desk).keys(), "every record is at the hub", 30)
    at_hub = told(desk)
    old, new = {stream for stream, _ in before}, {stream for stream, _ in at_hub.keys() - before.keys()}
    assert len(old) == len(new - old) == 1
    assert all(at_hub[number] == record for number, record in (before | made(outbox)).items())
    assert min(seq for stream, seq in at_hub if stream in new - old) == 1


def restart(desk):
    """Switch the board on again and wait until it measures."""
    seen = len(desk.intervals())
    desk.chain.start_board(desk.board)
    until(lambda: len(desk.intervals()) > seen + 2, f"it measures again\n{desk.chain.log(desk.board)}", 30)


def told(desk):
    """Return the records in the hub's log, by stream and number; none is there twice with another content."""
    found = {}
    for message in desk.in_log("telemetry"):
        for seq, record in enumerate(message["records"], message["seq"]):
            assert found.setdefault((message["stream"], seq), record) == record
    return found


def made(outbox):
    """Return the records on a board, by stream and number."""
    found = {}
    for suffix in (KEPT, SEGMENT):
        for _, stream, path in segments(str(outbox), suffix):
            for line in Path(path).read_bytes().splitlines(keepends=True):
                entry = parse(line)
                if entry:
                    found[stream, entry[0]] = json.loads(entry[1].split(b" ", 2)[2])
    return found
