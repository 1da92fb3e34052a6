"""From the sensor's bytes to the store, through real parts that are killed on the way: every record exactly once."""

import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from dashboards import Lang, queries
from hub.wire.seal import authentic, seal
from schemas import load_quantities
from sim.city.account import stored_in
from tests.system.chain import Chain, until


def kill_everything_once(chain, broker):
    """Let the chain run, and kill hub, broker and boards in turn while messages are on their way."""
    chain.start_hub()
    for board in chain.boards:
        chain.start_board(board.id)
    until(lambda: chain.in_log() > 12, f"first messages in the log\n{chain.log('hub')}")

    chain.kill("hub")
    made = chain.made()
    until(lambda: chain.made() > made + 6, "boards go on measuring without a hub")
    chain.start_hub()
    logged = chain.in_log()
    until(lambda: chain.in_log() > logged + 3, f"the hub goes on after SIGKILL\n{chain.log('hub')}")

    broker.kill()
    made = chain.made()
    until(lambda: chain.made() > made + 6, "boards go on measuring without a broker")
    broker.start()

    victim = chain.boards[0].id
    chain.kill(victim)
    chain.kill("hub")
    chain.start_board(victim)
    chain.start_hub()
    logged = chain.in_log()
    until(lambda: chain.in_log() > logged + 9, f"all go on\n{chain.log('hub')}\n{chain.log(victim)}")
    chain.stop_boards()


def test_sqlite_holds_every_record_once_whatever_is_killed(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        kill_everything_once(chain, mosquitto)
        until(lambda: not chain.store_is_behind(), "the store has what the log has")
        assert chain.terminate_hub() == 0, chain.log("hub")
        made = chain.records_made()
        assert made.total() > 24
        assert stored_in(tmp_path / "data" / "series.db") == made
        assert chain.quarantine() == []


def test_influxdb_holds_every_record_once_whatever_is_killed(mosquitto, influxdb_v2, micropython, tmp_path):
    influxdb_v2.create_bucket("fenceline")
    environment = {
        "INFLUXDB_V2_URL": influxdb_v2.url,
        "INFLUXDB_V2_TOKEN": influxdb_v2.token,
        "INFLUXDB_V2_ORG": influxdb_v2.org,
    }
    with Chain(tmp_path, mosquitto.port, micropython, "influxdb", environment) as chain:
        kill_everything_once(chain, mosquitto)
        until(lambda: not chain.store_is_behind("influxdb"), f"the store has what the log has\n{chain.log('hub')}")
        assert chain.terminate_hub() == 0, chain.log("hub")
        made = chain.records_made()
        assert made.total() > 24
        assert in_influxdb(influxdb_v2) == made
        assert_dashboards_answer(influxdb_v2, made)


def in_influxdb(server):
    """Return the records in InfluxDB, each put together again from the points of its families."""
    records = defaultdict(dict)
    for family in {quantity.family for quantity in load_quantities().values()}:
        for row in server.query(f'SELECT * FROM "{family}"', "fenceline"):
            key = (row.pop("device"), row.pop("time"))
            records[key] |= {k: v for k, v in row.items() if k not in ("district", "site") and v is not None}
    for row in server.query('SELECT * FROM "flagged"', "fenceline"):
        values = records[row["device"], row["time"]]
        if row.get("value") is not None:
            values[row["quantity"]] = row["value"]
    return Counter((device, t, 1, tuple(sorted(values.items()))) for (device, t), values in records.items())


def assert_dashboards_answer(server, made):
    """Every query of every panel runs on the engine, and the noise panel shows what the board measured."""
    times = [t for device, t, _, _ in made if device == "pit-1"]
    shown = 0
    begin, end = (datetime.fromtimestamp(t, UTC) for t in (min(times), max(times) + 1))
    for query in queries(Lang.ZH, "nanhai", "pit", "pit-1", begin, end):
        rows = server.query(query.statement, "fenceline")
        shown += '"laeq"' in query.statement and len(rows) > 0
    assert shown
    assert server.query('SELECT last("heartbeat") FROM "hub"', "fenceline"), "the hub reports on itself"


def test_a_board_answers_a_command_with_its_key_and_no_other(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        board = chain.boards[0]
        key = bytes.fromhex(chain._keys[board.id])
        topic = f"fenceline/1/nanhai/pit/{board.id}/"
        heard = []
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
        client.connect("127.0.0.1", mosquitto.port)
        client.loop_start()
        client.subscribe([(topic + "reply", 1), (topic + "status", 1)])
        chain.start_board(board.id)
        until(lambda: heard, f"the board's first status\n{chain.log(board.id)}")
        for id_, by in (("forged", bytes(32)), ("right", key)):
            order = {"id": id_, "do": "ping", "t": int(time.time()), "n": int(time.time() * 1000)}
            client.publish(topic + "command", seal(json.dumps(order).encode(), by), qos=1)
        until(lambda: topic + "reply" in dict(heard), f"a reply\n{chain.log(board.id)}")
        replies = [payload for where, payload in heard if where == topic + "reply"]
        client.disconnect()
        client.loop_stop()
        assert len(replies) == 1
        assert authentic(replies[0], key)
        assert b'"id": "right"' in replies[0]
        assert b'"ok": true' in replies[0]
        assert "bad MAC" in chain.log(board.id)


def test_two_hubs_never_work_in_one_folder(chain_without_boards):
    chain, _ = chain_without_boards
    command = [Path(sys.executable).parent / "fenceline", "run", "--config", chain.folder / "fenceline.toml"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert "another hub works in this folder" in second.stderr


def publish(port, *messages):
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def chain_without_boards(mosquitto, tmp_path):
    with Chain(tmp_path, mosquitto.port, None) as chain:
        chain.start_hub()
        until(lambda: "connected" in chain.log("hub"), "the hub is connected")
        yield chain, mosquitto.port


def test_bad_messages_go_to_quarantine_with_their_reason_and_the_hub_goes_on(chain_without_boards):
    chain, port = chain_without_boards
    key = bytes.fromhex(chain._keys["pit-1"])
    topic = "fenceline/1/nanhai/pit/pit-1/telemetry"
    record = b'{"t":1794999990,"dt":10,"v":{"laeq":67.2}}'
    good = b'{"stream":"9f3a12c4","seq":1,"oldest":1,"cal":0,"records":[' + record + b'],"clock":"ntp"}'
    publish(
        port,
        (topic, b"not JSON"),
        (topic, seal(good.replace(b'"seq":1', b'"seq":0'), key)),
        (topic, seal(good, bytes(32))),
        ("fenceline/1/nanhai/pit/stranger/telemetry", seal(good, key)),
        (topic, seal(good, key)),
    )
    until(lambda: chain.in_log() == 1, f"the good message is in the log\n{chain.log('hub')}")
    until(lambda: len(chain.quarantine()) == 4, f"the others are in quarantine\n{chain.log('hub')}")
    refused = chain.quarantine()  # a board's own in order; what nobody registered has a turn of its own
    assert [one for one in refused if one[0] == "stranger"] == [("stranger", "unknown_board")]
    assert [one for one in refused if one[0] != "stranger"] == [
        ("pit-1", "not_json"),
        ("pit-1", "schema"),
        ("pit-1", "bad_mac"),
    ]
    assert chain.terminate_hub() == 0, chain.log("hub")
