"""Each fixture is the real thing; read these as examples of how to use them."""

import json
import queue
import subprocess
import sys
import time
import urllib.request

import paho.mqtt.client as mqtt
import pytest
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import require
from tests.wrong_clock import WrongClock, clean_up

TIMEOUT_S = 10


class Client(mqtt.Client):
    """A paho client with a persistent session that puts what it receives into a queue."""

    def __init__(self, port, name, *, subscribe=None, manual_ack=False):
        super().__init__(CallbackAPIVersion.VERSION2, name, clean_session=False, manual_ack=manual_ack)
        self.received, ready = queue.Queue(), queue.Queue()
        self.on_message = lambda _client, _data, message: self.received.put(message.payload)
        self.on_subscribe = lambda *_: ready.put(True)
        self.on_connect = lambda *_: self.subscribe(subscribe, qos=1) if subscribe else ready.put(True)
        self.connect("127.0.0.1", port)
        self.loop_start()
        ready.get(timeout=TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()
        self.loop_stop()

    def send(self, topic, payload):
        self.publish(topic, payload, qos=1).wait_for_publish(TIMEOUT_S)

    def take(self, count=1):
        return [self.received.get(timeout=TIMEOUT_S) for _ in range(count)]


def test_the_broker_carries_a_message(mosquitto):
    with Client(mosquitto.port, "hub", subscribe="a/#") as hub, Client(mosquitto.port, "board") as board:
        board.send("a/b", b"67.2 dB")
        assert hub.take() == [b"67.2 dB"]


def test_a_restarted_broker_still_has_what_an_absent_subscriber_should_get(mosquitto):
    with Client(mosquitto.port, "hub", subscribe="a/#"):
        pass
    with Client(mosquitto.port, "board") as board:
        board.send("a/b", b"while you were away")
    mosquitto.stop()
    mosquitto.start()
    with Client(mosquitto.port, "hub") as hub:
        assert hub.take() == [b"while you were away"]


def test_the_broker_does_not_wait_for_acknowledgements(mosquitto):
    """Mosquitto's own limit of 20 messages in flight would hide how the hub behaves with thousands."""
    with (
        Client(mosquitto.port, "hub", subscribe="a", manual_ack=True) as hub,
        Client(mosquitto.port, "board") as board,
    ):
        sent = [str(number).encode() for number in range(2000)]
        for payload in sent:
            board.publish("a", payload, qos=1)
        assert hub.take(2000) == sent


def test_a_write_through_the_v2_api_is_read_by_influxql(influxdb_v2):
    influxdb_v2.create_bucket("city")
    with InfluxDBClient(influxdb_v2.url, influxdb_v2.token, org=influxdb_v2.org, enable_gzip=True) as client:
        assert client.ping()
        client.write_api(SYNCHRONOUS).write("city", record="noise,site=s1 laeq=67.2 1794999990", write_precision="s")
    assert influxdb_v2.query("SELECT laeq FROM noise GROUP BY site", "city") == [
        {"time": 1794999990, "site": "s1", "laeq": 67.2}
    ]


@pytest.mark.parametrize(
    ("token", "org", "bucket", "record", "status"),
    [
        (None, None, "city", "noise laeq=1", 204),
        ("wrong", None, "city", "noise laeq=1", 401),
        (None, "wrong", "city", "noise laeq=1", 404),
        (None, None, "elsewhere", "noise laeq=1", 404),
        (None, None, "city", "noise laeq=", 400),
    ],
)
def test_the_v2_api_refuses_as_the_real_one_does(influxdb_v2, token, org, bucket, record, status):
    influxdb_v2.create_bucket("city")
    with InfluxDBClient(influxdb_v2.url, token or influxdb_v2.token, org=org or influxdb_v2.org) as client:
        write = client.write_api(SYNCHRONOUS).write
        if status == 204:
            write(bucket, record=record)
        else:
            with pytest.raises(ApiException) as refused:
                write(bucket, record=record)
            assert refused.value.status == status
    rows = influxdb_v2.query("SELECT * FROM noise", "city")
    assert len(rows) == (1 if status == 204 else 0)


def test_a_restarted_database_keeps_its_data_and_a_stopped_one_is_unavailable(influxdb_v2):
    influxdb_v2.create_bucket("city")
    with InfluxDBClient(influxdb_v2.url, influxdb_v2.token, org=influxdb_v2.org) as client:
        write = client.write_api(SYNCHRONOUS).write
        write("city", record="noise laeq=1 1", write_precision="s")
        influxdb_v2.engine.kill()
        with pytest.raises(ApiException) as refused:
            write("city", record="noise laeq=2 2", write_precision="s")
        assert refused.value.status == 503
        influxdb_v2.engine.start()
        assert influxdb_v2.query("SELECT laeq FROM noise", "city") == [{"time": 1, "laeq": 1}]


def test_a_query_that_influxdb_refuses_says_so(influxdb):
    with pytest.raises(ValueError, match="database not found"):
        influxdb.query("SELECT * FROM noise", "nowhere")


def test_micropython_is_a_32_bit_machine(micropython):
    code = "import sys, json; print(json.dumps([sys.implementation.name, sys.maxsize]))"
    answer = subprocess.run([micropython, "-c", code], capture_output=True, check=True)
    name, largest = json.loads(answer.stdout)
    assert name == "micropython"
    if largest > 2147483647:
        pytest.skip("only a 64-bit MicroPython can be had here")
    assert largest == 2147483647


def test_two_free_ports_differ_and_nobody_answers(free_port):
    first, second = free_port(), free_port()
    assert first != second
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{first}")


def test_the_wall_clock_of_a_process_is_set_wrong_and_right_again_while_it_runs(tmp_path):
    """Only what it takes for the time of day is wrong: it waits as long as it should, and so does what it starts."""
    clock = WrongClock(require("faketime"), tmp_path)
    code = (
        "import sys, threading, time\n"
        "for _ in sys.stdin:\n"
        "    before = time.monotonic()\n"
        "    threading.Event().wait(0.1)\n"
        "    print(time.time(), time.monotonic() - before, flush=True)\n"
    )
    # What a process starts sees the same clock: the hub has further processes.
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"]
    with subprocess.Popen(
        command, env=clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for offset in (0, -86_400, 9 * 86_400, 500 * 86_400, 0):
            clock.set(offset)
            process.stdin.write("\n")
            process.stdin.flush()
            seen, waited = map(float, process.stdout.readline().split())
            assert seen - time.time() == pytest.approx(offset, abs=5)
            assert 0.1 <= waited < 5
        process.stdin.close()
    clean_up(process.pid)
    assert process.returncode == 0
