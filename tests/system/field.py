"""A city for the technician: the deployed broker with TLS, the real hub with its HTTP API, a bare virtual board."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from sim.city.account import read_only
from tests.board_process import BoardProcess, fenceline
from tests.conftest import require
from tests.deployed_broker import DeployedBroker
from tests.system.chain import until

REGISTRY = """\
timezone = "Asia/Shanghai"

[[site]]
id = "station-pit"
district = "nanhai"
kind = "construction"
en = "Station pit"
zh = "车站基坑"
"""
REFERENCE = ("--instrument", "Calibrator class 1", "--serial", "35021", "--certificate", "L2026-118")
REFERENCE += ("--expires", "2099-03-31")


def transcript(page: Path) -> list[tuple[list[str], list[str]]]:
    """Return the commands that a page shows behind `$`, split as a shell does, each with the lines it prints there."""
    found: list[tuple[list[str], list[str]]] = []
    block = False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("    $ "):
            found.append((shlex.split(line[6:]), []))
            block = True
        elif block and line.startswith("    "):
            found[-1][1].append(line.strip())
        else:
            block = False
    return found


def alike(text: str) -> str:
    """Return a text with every number as 0 and every space as one, to compare what differs each time."""
    return " ".join(re.sub(r"[+-]?\d+(\.\d+)?", "0", text).split())


class FieldCity:
    """Use it in a `with` statement. `folder` holds broker, hub, board and laptop; `options` are the board's."""

    def __init__(self, folder: Path, free_port: int, *options: str) -> None:
        self.folder = folder
        self.http = free_port
        self.laptop = folder / "laptop"
        self.board = BoardProcess(folder / "board", "--sensors", "dust,noise", *options)
        place = folder / "mosquitto"
        place.mkdir()
        self.broker = DeployedBroker(require("mosquitto"), place, {"station-pit-1": "nanhai/station-pit"})
        self.certificates = self.broker.certificates
        self._hub: subprocess.Popen[bytes] | None = None
        paths = {"ca": "ca.crt", "certificate": "hub.crt", "key": "hub.key"}
        lines = [f"{name} = {json.dumps(str(self.certificates / file))}" for name, file in paths.items()]
        (folder / "fenceline.toml").write_text(
            'registry = "registry.toml"\nkeys = "keys.toml"\ndata = "data"\nacknowledge_every = 0.5\n\n'
            f'[broker]\nport = {self.broker.port}\nclient_id = "hub"\n' + "\n".join(lines) + "\n\n"
            f"[http]\nport = {self.http}\n",
            "utf-8",
        )
        (folder / "registry.toml").write_text(REGISTRY, "utf-8")

    def __enter__(self):
        self.broker.wait()
        self.board.__enter__()
        config = str(self.folder / "fenceline.toml")
        made = fenceline("access", "add", "officer-2", "--role", "technician", "--config", config)
        assert made.returncode == 0, made.stderr
        self.token = self.folder / "token"
        self.token.touch(mode=0o600)
        self.token.write_text(made.stdout)
        return self

    def __exit__(self, *_):
        self.board.stop()
        self.stop_hub()
        self.broker.stop()

    @property
    def hub(self):
        """The options that name the hub."""
        return ("--hub", f"http://127.0.0.1:{self.http}", "--token-file", str(self.token))

    def start_hub(self):
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", self.folder / "fenceline.toml"]
        with (self.folder / "hub.log.log").open("ab") as log:
            self._hub = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: "http:" in (self.folder / "hub.log.log").read_text(), "the hub's HTTP interface")

    def stop_hub(self):
        if self._hub:
            self._hub.terminate()
            self._hub.wait(20)
            self._hub = None

    def run(self, *arguments, stdin=None, port=True):
        """Run `fenceline board ...` as the technician does."""
        os.environ["FENCELINE_HOME"] = str(self.laptop)
        if port:
            return self.board.run(*arguments, stdin=stdin)
        return fenceline("board", *arguments, stdin=stdin)

    def hold(self, **values):
        """Hold values to the board's sensors, as a calibrator does."""
        new = self.board.folder / "held.new"
        new.write_text(json.dumps(values))
        new.replace(self.board.folder / "held.json")

    def provision(self, *more):
        """Provision the board as station-pit-1, with a certificate made on the spot."""
        return self.run(
            "provision",
            *("--site", "station-pit", "--district", "nanhai", "--board", "station-pit-1"),
            *("--sensor", "plantower,warmup=0", "--sensor", "noise-f", "--interval", "1"),
            *("--broker", f"127.0.0.1:{self.broker.port}"),
            *("--authority", str(self.certificates)),
            *more,
        )

    def in_log(self, kind):
        """Return the messages of a kind in the hub's log."""
        path = self.folder / "data" / "log.db"
        if not path.exists():
            return []
        topic = f"fenceline/1/nanhai/station-pit/station-pit-1/{kind}"
        with read_only(path) as db:
            rows = db.execute("SELECT payload FROM message WHERE topic = ? ORDER BY offset", (topic,)).fetchall()
        return [json.loads(payload) for (payload,) in rows]

    def records(self):
        """Return the records of the board in the hub's log, each once, by stream and number."""
        return {
            (message["stream"], message["seq"] + number): record
            for message in self.in_log("telemetry")
            for number, record in enumerate(message["records"])
        }
