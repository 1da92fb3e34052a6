"""Brings the records of a dying board to the hub, as that board and under its own key, by the board's own code.

Outbox, courier and MQTT client are those of `edge/`, so a record is as safe here as on a board: it counts as rescued
only when the hub has acknowledged it. The hub drops what it has already, so nothing is counted twice.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import message, outbox, secure
from edge.agent import end
from edge.board_host import Board
from edge.courier import Courier
from edge.mqtt import Client
from edge.timeline import Timeline
from firmware.provision.backup import Content
from firmware.provision.board import KEY, OUTBOX
from schemas.errors import UserError

PATIENCE_S = 30
"""Without progress for so long it is given up; what was acknowledged stays rescued."""


@dataclass(frozen=True)
class Rescued:
    """What became of a board's records."""

    board: str
    records: int
    """Whole ones in the outbox."""
    damaged: int
    acknowledged: int
    """By the hub: now, or before already."""
    without_clock: int
    """Made before the board's clock was ever set: placed as if the last of them were made now, and marked so."""
    problem: str = ""
    """Why not all were acknowledged."""


def rescue(content: Content, host: str, port: int, told: Callable[[int, int], None]) -> Rescued:
    """Publish the records in a backup and wait for the hub's acknowledgement.

    Args:
        content: the backup.
        host: of the broker.
        port: of the broker.
        told: is told how many records are acknowledged, and of how many.

    Raises:
        UserError: the backup has no configuration or key.
    """
    config = content.config
    key = content.files.get(KEY, b"").decode("ascii", "replace").strip()
    if len(key) != 64 or key.strip("0123456789abcdef"):
        raise UserError("the backup has no whole key: the hub would not believe these records")
    with tempfile.TemporaryDirectory(prefix="fenceline-rescue-") as folder:
        streams = _unpack(content, Path(folder), f"/{config.get('folder', OUTBOX)}/")
        tls = _tls(config, content, Path(folder))
        total = sum(_count(stream)[0] for stream in streams)
        with contextlib.redirect_stdout(sys.stderr):  # the board's code prints its log
            found = [
                asyncio.run(_Delivery(config, bytes.fromhex(key), stream, host, port, tls, told, total).run())
                for stream in streams
            ]
    return Rescued(
        board=str(config["device"]),
        records=total,
        damaged=sum(one.damaged for one in found),
        acknowledged=sum(one.acknowledged for one in found),
        without_clock=sum(one.without_clock for one in found),
        problem=next((one.problem for one in found if one.problem), ""),
    )


def _unpack(content: Content, folder: Path, inside: str) -> list[Path]:
    """Write the outbox into a folder for each stream: a board that lost its outbox once has begun another."""
    files = {path.removeprefix(inside): data for path, data in content.files.items() if path.startswith(inside)}
    names = sorted({name.split("-")[0] for name in files if name.endswith(outbox.SEGMENT)})
    for name in names:
        (folder / name).mkdir()
        for file, data in files.items():
            if file == "timelines" or (file.startswith(f"{name}-") and file.endswith(outbox.SEGMENT)):
                (folder / name / file).write_bytes(data)
    return [folder / name for name in names]


def _tls(config: dict[str, Any], content: Content, folder: Path) -> dict[str, str]:
    named = config["broker"].get("tls", {})
    for name in named.values():
        if f"/{name}" not in content.files:
            raise UserError(f"the backup has no {name}: the broker would not let this board in")
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content.files[f"/{name}"])
    return {part: str(folder / name) for part, name in named.items()}


def _count(folder: Path) -> tuple[int, int, int]:
    """Return how many records of a stream are whole, damaged, and made without a clock."""
    whole = damaged = unset = 0
    for _, _, path in outbox.segments(str(folder)):
        for line in Path(path).read_bytes().splitlines(keepends=True):
            entry = outbox.parse(line)
            whole += bool(entry)
            damaged += entry is None
            unset += bool(entry and entry[1].split(b" ", 2)[1].startswith(b"-"))
    return whole, damaged, unset


class _Delivery:
    """The records of one stream on their way."""

    def __init__(
        self,
        config: dict[str, Any],
        key: bytes,
        folder: Path,
        host: str,
        port: int,
        tls: dict[str, str],
        told: Callable[[int, int], None],
        total: int,
    ) -> None:
        self._records, self._damaged, self._unset = _count(folder)
        self._told, self._total = told, total
        self._outbox = outbox.Outbox(str(folder))
        self._first = self._outbox.oldest
        last = message.made(self._outbox.last) if self._outbox.last else None
        timeline = Timeline(Board({"folder": str(folder)}), str(folder), last)
        timeline.now()  # this computer has a clock: what was made without one gets its place
        self._signer = message.Signer(key)
        self._topic = "fenceline/1/{district}/{site}/{device}/".format(**config)
        self._courier = Courier(self._outbox, timeline, self._publish, lambda *_: True)
        secured = {"ssl": secure.context(**tls), "server_hostname": host} if tls else {}
        self._client = Client(
            lambda: asyncio.open_connection(host, port, **secured),
            f"{config['device']}-rescue",
            30,
            None,
            self._greet,
            self._hear,
        )

    async def run(self) -> Rescued:
        """Send until all is acknowledged, or nothing has moved for PATIENCE_S."""
        tasks = [asyncio.create_task(self._client.run()), asyncio.create_task(self._courier.run())]
        moved, before = time.monotonic(), self._outbox.oldest
        while self._outbox.oldest < self._outbox.next and time.monotonic() - moved < PATIENCE_S:
            await asyncio.sleep(0.05)
            if self._outbox.oldest != before:
                moved, before = time.monotonic(), self._outbox.oldest
                self._told(self._acknowledged(), self._total)
        done = self._outbox.oldest >= self._outbox.next
        problem = "" if done else self._client.problem if not self._client.connected else "the hub acknowledges nothing"
        await self._client.disconnect()
        await end(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._outbox.close()
        acknowledged = self._records if done else self._acknowledged()
        return Rescued("", self._records, self._damaged, acknowledged, self._unset, problem)

    def _acknowledged(self) -> int:
        return min(self._records, int(self._outbox.oldest - self._first))

    async def _publish(self, kind: str, parts: list[bytes]) -> None:
        await self._client.publish(self._topic + kind, self._signer.seal_parts(parts))

    async def _greet(self) -> None:
        await self._client.subscribe(self._topic + "ack")
        self._courier.begin()

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic != self._topic + "ack":
            return
        try:
            acknowledged = message.acknowledged(self._signer.unseal(payload))
        except ValueError:
            return
        if acknowledged:
            self._courier.acknowledged(*acknowledged)
