"""A city from nothing, by the commands of deploy/README.md and with deploy's own files, on the real services.

Only what containers would give is put in otherwise: paths, ports, and the address of the broker.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client

from edge import message
from tests.conftest import InfluxDBv2, require
from tests.deployed_broker import DeployedBroker
from tests.system.chain import ROOT, until

FENCELINE = Path(sys.executable).parent / "fenceline"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "deploy"
    shutil.copytree(ROOT / "deploy", place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def fenceline(folder, *arguments, environment=None):
    """Run a command in the folder; return what it said."""
    line = [FENCELINE, *arguments]
    told = os.environ | {"FENCELINE_LANG": "en"} | (environment or {})
    done = subprocess.run(line, cwd=folder, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def put_in(file, *pairs):
    text = file.read_text()
    for deployed, here in pairs:
        assert deployed in text, deployed
        text = text.replace(deployed, here)
    file.write_text(text)


class Board:
    """A board at the fence with the three files that `board-certificate` made, and its key of the registry."""

    def __init__(self, folder, port, id_, key):
        own = folder / "certs" / "boards" / id_
        self._topic = f"fenceline/1/north/gate-7/{id_}"
        self._signer = message.Signer(bytes.fromhex(key))
        self._acknowledged = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=id_)
        self._client.tls_set(str(own / "ca.crt"), str(own / "board.crt"), str(own / "board.key"))
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._topic}/ack", qos=1)
        subscribed = queue.Queue()
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.on_message = lambda *arguments: self._acknowledged.put(json.loads(arguments[2].payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        subscribed.get(timeout=20)

    def report(self, t, **values):
        """Send a record, again and again as a board does, until the hub says that it has it; return what it says."""
        texts = [message.record(t, 10, values, {}).encode()]
        sealed = self._signer.seal(b"".join(message.telemetry("9f3a12c4", 1, 1, 0, "ntp", texts)).decode())
        for _ in range(60):
            self._client.publish(f"{self._topic}/telemetry", sealed, qos=1).wait_for_publish(20)
            with contextlib.suppress(queue.Empty):
                return self._acknowledged.get(timeout=0.5)
        raise AssertionError("the hub has not acknowledged it")

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def test_a_city_from_nothing_takes_a_reading_and_says_that_all_is_well(folder, influxdb_v2, free_port):
    fenceline(folder, "deploy", "init", "--host", "127.0.0.1")
    site = ("gate-7", "--district", "north", "--kind", "construction", "--en", "Gate 7", "--zh", "七号门")
    fenceline(folder, "registry", "add", "site", *site)
    fenceline(folder, "registry", "add", "board", "fence-0001", "--site", "gate-7")
    fenceline(folder, "registry", "key", "fence-0001", "--out", "key")
    fenceline(folder, "deploy", "board-certificate", "--registry")
    fenceline(folder, "deploy", "access")

    broker_folder = folder / "broker"
    broker_folder.mkdir()
    broker = DeployedBroker(require("mosquitto"), broker_folder, made=folder)
    put_in(
        folder / "fenceline.toml",
        ('host = "mosquitto"', 'host = "127.0.0.1"'),
        ("port = 8883", f"port = {broker.port}"),
        ('"/var/lib/fenceline"', '"data"'),
        ('host = "0.0.0.0"', 'host = "127.0.0.1"'),
        ("port = 8433", f"port = {free_port()}"),
    )
    token = folder / "token"
    token.write_text(InfluxDBv2.token)
    environment = {
        "INFLUXDB_V2_URL": influxdb_v2.url,
        "INFLUXDB_V2_ORG": InfluxDBv2.org,
        "INFLUXDB_V2_TOKEN_FILE": str(token),
        "APPRISE_URLS_FILE": str(folder / "secrets" / "apprise-urls"),
    }
    influxdb_v2.create_bucket("fenceline")
    log = (folder / "hub.log.log").open("ab")
    hub = None
    try:
        broker.wait()
        command = [FENCELINE, "run", "--config", folder / "fenceline.toml"]
        hub = subprocess.Popen(command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        board = Board(folder, broker.port, "fence-0001", (folder / "key").read_text().strip())
        now = int(time.time()) // 60 * 60 - 60
        assert board.report(now, laeq=61.5)["seq"] == 1
        until(lambda: influxdb_v2.query("SELECT laeq, site FROM noise", "fenceline"), "the reading is in InfluxDB", 30)
        (row,) = influxdb_v2.query("SELECT laeq, site FROM noise", "fenceline")
        assert (row["laeq"], row["site"], row["time"]) == (61.5, "gate-7", now)
        board.close()
        # What Grafana's alert rules look at, so that a hub that lives is not called silent.
        until(lambda: influxdb_v2.query("SELECT heartbeat, lag_s FROM hub", "fenceline"), "a heartbeat", 30)

        found = json.loads(fenceline(folder, "check", "--config", "fenceline.toml", "--json", environment=environment))
        assert found["ok"], found
        fenceline(folder, "backup", "data/backups", "--config", "fenceline.toml", environment=environment)
        hub.terminate()
        assert hub.wait(timeout=20) == 0, (folder / "hub.log.log").read_text()
        (archive,) = (folder / "data" / "backups").glob("fenceline-*.tar.gz")
        again = ("--config", "fenceline.toml", "--force", "--data-only")
        assert "before-restore" in fenceline(folder, "restore", archive, *again, environment=environment)
        assert archive.exists()
    finally:
        if hub is not None:
            hub.kill()
            hub.wait()
        log.close()
        broker.stop()
