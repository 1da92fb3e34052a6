"""The deployed Mosquitto configuration, with other paths and on a free port of this computer."""

import contextlib
import getpass
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from deploy.access import Place, access
from deploy.certificates import CLIENT, SERVER, Authority, Pair
from tests.ports import free_port

DEPLOY = Path(__file__).resolve().parent.parent / "deploy" / "mosquitto"
HUBS = {"hub": "+", "hub-north": "north"}
GRACE = 20  # s after which a missing answer is a failure


def certificates(folder, *clients):
    """Make an authority and certificates of the kinds that `fenceline deploy` makes: a broker's, and clients'."""
    authority = Authority(folder)
    authority.make()
    for name, side, hosts in (("broker", SERVER, ["127.0.0.1"]), *((client, CLIENT, ()) for client in clients)):
        pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
        if not pair.exists():
            authority.issue(pair, name, side, hosts)


def plugins(program):
    """Return the folder with the plugins that came with a mosquitto: unpacked beside it, or the system's."""
    for place in (program.parent.parent / "tree" / "usr" / "lib", Path("/usr/lib"), Path("/usr/local/lib")):
        for found in sorted(place.rglob("mosquitto_dynamic_security.so")):
            return found.parent
    raise AssertionError(f"{program} has come without mosquitto_dynamic_security.so")


class DeployedBroker:
    """Mosquitto with the very files of deploy/mosquitto, and certificates for HUBS, `health` and the boards.

    `boards` gives each board's "district/site". `made` is the folder of compose.yaml where `fenceline deploy init` has
    made certificates and access.json, if they are to be the broker's.
    """

    def __init__(self, program, folder, boards=None, made=None):
        boards = boards or {}
        self.certificates = made / "certs" if made else folder / "certs"
        self.access = made / "mosquitto" / "access.json" if made else folder / "access.json"
        if made is None:
            certificates(self.certificates, *HUBS, "health", *boards)
            places = {name: Place(*place.split("/")) for name, place in boards.items()}
            self.access.touch(0o600)
            self.access.write_text(access(places, HUBS))
        self.port = free_port()
        text = (DEPLOY / "mosquitto.conf").read_text()
        for deployed, here in (
            ("/mosquitto/certs", self.certificates),
            ("/mosquitto/config/access.json", self.access),
            ("/usr/lib/mosquitto_dynamic_security.so", plugins(program) / "mosquitto_dynamic_security.so"),
            ("/mosquitto/data", folder),
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
        ):
            assert deployed in text
            text = text.replace(deployed, str(here))
        # Started by root, Mosquitto would become a user who may not read the test's folder.
        (folder / "mosquitto.conf").write_text(f"{text}\nuser {getpass.getuser()}\n")
        self._log = folder / "log"
        self._command = [program, "-c", folder / "mosquitto.conf"]
        self.start()

    def start(self):
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)

    def wait(self):
        for _ in range(GRACE * 10):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)
        pytest.fail(self._log.read_text())

    @property
    def pid(self):
        return self._process.pid

    def memory(self):
        """Return how much memory the broker has in RAM, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def tls(self, name=None):
        """Return how a client connects; `name` is that of its certificate's files, and none shows no certificate."""
        context = ssl.create_default_context(cafile=self.certificates / "ca.crt")
        if name:
            context.load_cert_chain(self.certificates / f"{name}.crt", self.certificates / f"{name}.key")
        return context
