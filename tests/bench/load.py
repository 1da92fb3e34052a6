"""A fleet of boards for measurements: its configuration, its sealed messages, and a publisher that costs little.

The messages are made and sealed before any clock starts. The publisher runs in a process of its own and writes ready
packets to one socket, because receiver, broker and publisher share this machine's processors.
"""

import pickle
import random
import secrets
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from edge import message
from hub.wire.seal import seal

ROOT = Path(__file__).resolve().parent.parent.parent
AT_EACH_SITE = 10
INTERVAL_S = 10
VALUES = {
    "laeq": 61.0,
    "lafmax": 70.0,
    "lafmin": 51.0,
    "l10": 64.0,
    "l50": 60.0,
    "l90": 54.0,
    "pm25": 35.0,
    "pm10": 60.0,
    "tsp": 110.0,
    "temperature": 21.0,
    "humidity": 55.0,
}
WINDOW = 5000  # packets of the publisher that the broker has not acknowledged yet


class Fleet:
    """Registered boards `b0`, `b1`, ... with their keys; ten at each site."""

    def __init__(self, boards: int) -> None:
        self.keys = {f"b{n}": secrets.token_bytes(32) for n in range(boards)}

    def topic(self, device: str, kind: str = "telemetry") -> str:
        return f"fenceline/1/city/s{int(device[1:]) // AT_EACH_SITE}/{device}/{kind}"

    def write(self, folder: Path, port: int, more: str = "") -> Path:
        """Write what `fenceline run` needs into `folder`; return the configuration. `more`: further lines of it."""
        config = folder / "fenceline.toml"
        config.write_text(
            f'registry = "registry.toml"\nkeys = "keys.toml"\n[http]\nport = 0\n[broker]\nport = {port}\n{more}'
        )
        sites = (len(self.keys) - 1) // AT_EACH_SITE + 1
        site = '[[site]]\nid = "s{0}"\ndistrict = "city"\nkind = "construction"\nen = "Site {0}"\nzh = "工地 {0}"\n'
        (folder / "registry.toml").write_text(
            "".join(site.format(n) for n in range(sites))
            + "".join(f'[[board]]\nid = "{id_}"\nsite = "s{int(id_[1:]) // AT_EACH_SITE}"\n' for id_ in self.keys),
            "utf-8",
        )
        keys = folder / "keys.toml"
        keys.touch(mode=0o600)
        keys.write_text("".join(f'{id_} = "{key.hex()}"\n' for id_, key in self.keys.items()))
        return config

    def messages(self, count: int) -> list[tuple[str, bytes]]:
        """Return (topic, payload) of `count` messages of 11 values, the boards in turn; the last one is of now."""
        rounds = (count - 1) // len(self.keys) + 1
        begin = int(time.time()) // INTERVAL_S * INTERVAL_S - rounds * INTERVAL_S
        dice = random.Random(1)
        devices = list(self.keys)
        made = []
        for n in range(count):
            device, seq = devices[n % len(devices)], n // len(devices) + 1
            values = {key: value + dice.uniform(-2, 2) for key, value in VALUES.items()}
            record = message.record(begin + seq * INTERVAL_S, INTERVAL_S, values, {})
            parts = message.telemetry(f"{n % len(devices):08x}", seq, 1, 0, "ntp", [record.encode()])
            made.append((self.topic(device), seal(b"".join(parts), self.keys[device])))
        return made


def publish_packet(topic: bytes, payload: bytes, number: int, retain: bool = False) -> bytes:
    """Return the PUBLISH packet of QoS 1 (MQTT 3.1.1, section 3.3); its identifier is made of `number`."""
    rest = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number % 0xFFFF + 1) + payload
    size, length = len(rest), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes((0x32 | retain,)) + bytes(length) + rest


class Publisher:
    """A connection to the broker on 127.0.0.1 that publishes ready packets and counts what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged = self.sent = 0
        self._rest = b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"load"
        connect = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name  # clean session, no keep-alive
        self._socket.sendall(bytes((0x10, len(connect))) + connect)
        if self._receive(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker refuses the publisher")

    def send(self, packets: list[bytes]) -> None:
        """Write packets as they are; first wait until the broker has acknowledged all but a window's worth."""
        while self.sent - self.acknowledged + len(packets) > max(WINDOW, len(packets)):
            self.collect()
        self._socket.sendall(b"".join(packets))
        self.sent += len(packets)

    def collect(self) -> None:
        """Wait for acknowledgements and count them: four bytes each (section 3.4)."""
        received = self._rest + self._socket.recv(1 << 16)
        if len(received) <= len(self._rest):
            raise ConnectionError("the broker ended the publisher's connection")
        count, over = divmod(len(received), 4)
        self._rest = received[len(received) - over :]
        self.acknowledged += count

    def finish(self) -> None:
        """Wait until everything is acknowledged, and disconnect."""
        while self.acknowledged < self.sent:
            self.collect()
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()

    def _receive(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            more = self._socket.recv(count - len(received))
            if not more:
                break
            received += more
        return received


def publish_all(port: int, packets: list[bytes]) -> None:
    """Publish as quickly as the broker takes it."""
    publisher = Publisher(port)
    for n in range(0, len(packets), 200):
        publisher.send(packets[n : n + 200])
    publisher.finish()


def publish_paced(port: int, packets: list[bytes], rate: float) -> list[float]:
    """Publish `rate` packets a second, those due each 2 ms together; return when each was written (Unix s)."""
    publisher = Publisher(port)
    written: list[float] = []
    begin = time.monotonic()
    while len(written) < len(packets):
        due = packets[len(written) : int((time.monotonic() - begin) * rate) + 1]
        if due:
            written += [time.time()] * len(due)
            publisher.send(due)
        time.sleep(0.002)
    publisher.finish()
    return written


def start(folder: Path, port: int, packets: list[bytes], rate: float = 0) -> "subprocess.Popen[bytes]":
    """Publish packets from another process; with a rate it leaves the times of writing in `folder`/written."""
    (folder / "packets").write_bytes(pickle.dumps(packets))
    return subprocess.Popen([sys.executable, "-m", "tests.bench.load", folder, str(port), str(rate)], cwd=ROOT)


def main() -> None:
    """Publish what `start` left in the folder."""
    folder, port, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    packets = pickle.loads((folder / "packets").read_bytes())
    if rate:
        (folder / "written").write_bytes(pickle.dumps(publish_paced(port, packets, rate)))
    else:
        publish_all(port, packets)


if __name__ == "__main__":
    main()
