"""Passes on what the broker sends, in a process of its own: an MQTT client alone keeps a processor busy.

The hub starts it (`hub.intake.receiver`). It hands over what has come, in transfers, each board in its turn
(`hub.intake.fair_queue`), and is told which transfers are durable, whose messages it then acknowledges to the broker,
and what is to be published. It keeps nothing: when it is killed, the broker hands out again what was not acknowledged.
"""

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple, cast

import msgspec

from hub.config.files import Broker, Id
from hub.intake.broker import Incoming, Link, Problem
from hub.intake.fair_queue import FairQueue
from hub.process import logs
from hub.process.child import job_of_child
from hub.process.memory import freeze_heap

GROUP = 1000  # messages in one transfer, at most
TRANSFER = 3_000_000  # bytes in one transfer, about
HANDED = 5_000_000
"""Bytes that are handed over and not durable yet; beyond, what has come waits with the receiver."""
WAIT = 0.2  # s between two looks at how the connection is


class Job(NamedTuple):
    """What the process is told at its start."""

    broker: Broker
    districts: tuple[Id, ...]
    log_format: logs.Format
    boards: list[str]


class Report(msgspec.Struct, array_like=True, gc=False):
    """From the receiver: a transfer (none: number 0) of `size` bytes, how the connection is, what was let go of.

    `let_go`: messages by board; "" for all that nobody registered.
    """

    transfer: int
    messages: list[Incoming]
    size: int
    connected: bool
    sessions: int
    problem: Problem
    let_go: dict[str, int]


class Order(msgspec.Struct, array_like=True, gc=False):
    """To the receiver: these transfers are durable; these are to be published; the boards, if they are others now.

    `publish`: topic, payload, and whether the broker is to keep it for the topic.
    """

    done: list[int]
    publish: list[tuple[str, bytes, bool]]
    boards: list[str] | None = None


_encode = msgspec.msgpack.Encoder().encode
_order = msgspec.msgpack.Decoder(Order).decode


class Passing:
    """What the receiver's process does between the broker and the hub."""

    def __init__(self, link: Link, hub: Connection, boards: Iterable[str]) -> None:
        self._link = link
        self._hub = hub
        self._waiting = FairQueue(frozenset(boards))
        self._handed: dict[int, tuple[int, list[Incoming]]] = {}  # by number: size, messages
        self._size = 0  # of those
        self._number = 0
        self._let_go: Counter[str] = Counter()
        self._told: tuple[bool, int, Problem] | None = None

    def run(self) -> None:
        """Hand over what comes and do what is ordered, until the hub says that it is over."""
        waiting = self._waiting
        while True:
            if waiting.full():
                self._shed()
            if waiting.full():
                self._hub.poll(WAIT)
            else:
                waiting.add(self._link.receive(GROUP, WAIT, self._hub), time.monotonic())
            while waiting.size and self._size < HANDED:
                self._hand_over()
            if self._told != self._state():
                self._report(0, [], 0)
            while self._hub.poll():
                received = self._hub.recv_bytes()
                if not received:
                    return
                self._do(_order(received))

    def _shed(self) -> None:
        """Let go of what floods, so that the others are read: the broker is told that it came, the board is not."""
        for device, messages in self._waiting.let_go(time.monotonic()).items():
            self._let_go[device] += len(messages)
            self._link.done(messages)

    def _hand_over(self) -> None:
        self._number += 1
        before = self._waiting.size
        messages = self._waiting.take(GROUP, TRANSFER, time.monotonic())
        size = before - self._waiting.size
        self._handed[self._number] = size, messages
        self._size += size
        self._report(self._number, messages, size)

    def _report(self, transfer: int, messages: list[Incoming], size: int) -> None:
        self._told = self._state()
        self._hub.send_bytes(_encode(Report(transfer, messages, size, *self._told, self._let_go)))
        self._let_go = Counter()

    def _state(self) -> tuple[bool, int, Problem]:
        return self._link.connected, self._link.sessions, self._link.problem

    def _do(self, order: Order) -> None:
        for number in order.done:
            size, messages = self._handed.pop(number)
            self._size -= size
            self._link.done(messages)
        for topic, payload, retained in order.publish:
            self._link.publish(topic, payload, retained=retained)
        if order.boards is not None:
            self._waiting.use(frozenset(order.boards))


def pass_on(job: Job, hub: Connection) -> None:
    """Pass on until the hub says that it is over, or is gone."""
    link = Link(job.broker, job.districts)
    freeze_heap()
    with suppress(EOFError, OSError):  # the hub was killed
        Passing(link, hub, job.boards).run()
    link.close()


if __name__ == "__main__":
    with suppress(EOFError):
        connection, job = job_of_child()
        logs.configure(cast("Job", job).log_format)
        pass_on(cast("Job", job), connection)
