"""Boards by the thousand in one process: the agent's own outbox, courier, signer and MQTT client, without sensors.

`python -m tests.many_boards FOLDER RECORDS EVERY PORT...` reads FOLDER/boards.json (topic and key by id). Each board
makes a record each EVERY s, RECORDS in all, connects to the servers in turn, and sends until the hub has acknowledged
everything; then the process ends with 0. A board's outbox is FOLDER/ID, and keeps what was acknowledged.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from edge import message, outbox
from edge.agent import end
from edge.courier import Courier
from edge.mqtt import Client
from edge.outbox import Outbox
from edge.timeline import Timeline

KEEPALIVE = 30
VALUES = {"laeq": 61.2, "lafmax": 70.4, "pm10": 60.0}


class Clock:
    """What a timeline asks a board."""

    clock_quality = "ntp"

    def now_ms(self):
        return int(time.time() * 1000)

    def ticks_ms(self):
        return int(time.monotonic() * 1000)


class Board:
    """One board; `number` decides to which server it goes first, and when in the interval it makes its records."""

    def __init__(self, folder, name, topic, key, ports, number):
        (folder / name).mkdir()
        self.outbox = Outbox(str(folder / name), keep=True)
        self._topic, self._signer = topic, message.Signer(key)
        self._courier = Courier(self.outbox, Timeline(Clock(), str(folder / name)), self._publish, lambda *_: True)
        self._ports, self._tries, self._number = ports, number, number
        will = (f"{topic}status", self._signer.seal(message.status(False, int(time.time()))))
        self.client = Client(self._connect, name, KEEPALIVE, will, self._greet, self._hear)

    async def _connect(self):
        self._tries += 1
        return await asyncio.open_connection("127.0.0.1", self._ports[self._tries % len(self._ports)])

    async def _publish(self, kind, parts, retain=False):
        await self.client.publish(self._topic + kind, self._signer.seal_parts(parts), retain)

    async def _greet(self):
        self._courier.ready = False
        for kind in ("ack", "command", "config"):
            await self.client.subscribe(self._topic + kind)
        await self._publish("status", [message.status(True, int(time.time())).encode()], retain=True)
        self._courier.begin()

    def _hear(self, topic, payload):
        ack = message.acknowledged(self._signer.unseal(payload)) if topic.endswith("/ack") else None
        if ack:
            self._courier.acknowledged(*ack)

    async def live(self, boards, records, every):
        """Make the records, and return when the hub has all."""
        sending = [asyncio.create_task(self.client.run()), asyncio.create_task(self._courier.run())]
        await asyncio.sleep(every * self._number / boards)
        begin = int(time.time()) // 60 * 60 - 60 * records  # a minute each, the last one just over
        for n in range(records):
            text = message.record(begin + 60 * n, 60, dict(VALUES), {})
            kept = message.keep(0, "ntp", text)
            self._courier.made(self.outbox.append(kept), kept)
            await asyncio.sleep(every)
        while self.outbox.oldest < self.outbox.next:
            await asyncio.sleep(0.2)
        await end(sending)
        await asyncio.gather(*sending, return_exceptions=True)
        self.outbox.close()


async def main(folder, records, every, ports):
    """Let the boards live."""
    known = json.loads((folder / "boards.json").read_text())
    boards = [
        Board(folder, name, topic, bytes.fromhex(key), ports, number)
        for number, (name, (topic, key)) in enumerate(known.items())
    ]
    await asyncio.gather(*(board.live(len(boards), records, every) for board in boards))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # each board holds a socket and a file
    outbox.fsync = lambda _file: None  # no power is cut here, and a thousand boards share one disk
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), [int(port) for port in sys.argv[4:]]))
