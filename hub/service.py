"""Puts the hub together: link -> admission -> log -> acknowledgement, and the log's consumers beside it."""

import fcntl
import json
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hub.admission import PREFIX, Admission, Admitted, Refused, seal
from hub.compliance import Compliance
from hub.config import Config, ConfigError, Registry, load_registry
from hub.consumer import Consumer, StoreSink
from hub.link import Incoming, Link
from hub.log import Log
from hub.notify import Notifier
from hub.stores import InfluxStore, SqliteStore, Store
from schemas import Quantity, load_limits, load_quantities

INBOX = 10_000  # messages in memory; beyond, the broker keeps them
GROUP = 1000  # messages in one commit

log = logging.getLogger("hub")


class Hub:
    """One hub. `clock` gives Unix time in s; only a simulation gives another than the system's."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._registry = load_registry(config)
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)
        data = config.data
        self._claim = claim(data)
        self._log = Log(data / "log.db")
        self._inbox: queue.Queue[Incoming] = queue.Queue(INBOX)
        self._link = Link(config.broker, self._inbox)
        self._store = open_store(config, quantities)
        self._compliance = Compliance(data / "compliance.db", self._registry, limits, quantities, clock)
        self._readers = [Log(data / "log.db"), Log(data / "log.db")]
        self._consumers = [
            Consumer("store", self._readers[0], StoreSink(self._store)),
            Consumer("compliance", self._readers[1], self._compliance),
        ]
        self._notifier = Notifier(data / "compliance.db")
        self._ingest = Ingest(
            self._inbox,
            self._link,
            Admission(self._registry, quantities, clock),
            self._log,
            Acknowledgements(self._link, self._registry, config.acknowledge_every),
            self._wake,
        )

    def start(self) -> None:
        """Start every part; returns at once."""
        for thread in (*self._consumers, self._notifier, self._ingest):
            thread.start()
        self._link.start()

    def stop(self) -> None:
        """Stop in the order of the flow; what is not committed yet, the broker and the boards still have."""
        self._link.stop()
        threads: list[Ingest | Consumer | Notifier] = [self._ingest, *self._consumers, self._notifier]
        for thread in threads:
            thread.stop()
            thread.join()
        self._store.close()
        self._compliance.close()
        for part in (self._log, *self._readers):
            part.close()
        self._claim.close()

    def _wake(self) -> None:
        for consumer in self._consumers:
            consumer.wake()


def claim(folder: Path) -> IO[str]:
    """Take a data folder for this process until the returned file is closed, or the process ends however it ends.

    Raises:
        ConfigError: another hub works there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigError(f"data = {folder}: another hub works in this folder; stop it, or name another") from None
    except OSError as error:
        raise ConfigError(f"data = {folder}: cannot be written ({error.strerror}); mend it, or name another") from error
    return file


def open_store(config: Config, quantities: dict[str, Quantity]) -> Store:
    """Return the series store that the configuration names.

    Raises:
        ConfigError: InfluxDB's address or token is not in the environment.
    """
    if config.store.kind == "sqlite":
        return SqliteStore(config.data / "series.db")
    for name in ("INFLUXDB_V2_URL", "INFLUXDB_V2_TOKEN", "INFLUXDB_V2_ORG"):
        if not os.environ.get(name):
            raise ConfigError(f'store: kind = "influxdb" needs the environment variable {name}; set it and start again')
    return InfluxStore(config.store.bucket, Log(config.data / "log.db"), quantities)


class Acknowledgements:
    """Tells boards what they may forget: cumulative, and at most every `every` seconds for each board."""

    def __init__(self, link: Link, registry: Registry, every: float) -> None:
        self._link = link
        self._registry = registry
        self._every = every
        self._due: dict[tuple[str, str], int] = {}
        self._sent: dict[str, float] = {}

    def owe(self, complete: dict[tuple[str, str], int]) -> None:
        """Note, by (device, stream), the number up to which everything is committed."""
        self._due.update(complete)

    def pay(self) -> None:
        """Send what is due now."""
        now = time.monotonic()
        for (device, stream), seq in list(self._due.items()):
            if now - self._sent.get(device, -self._every) < self._every:
                continue
            del self._due[device, stream]
            self._sent[device] = now
            site = self._registry.site_of(device)
            body = json.dumps({"stream": stream, "seq": seq}, separators=(",", ":")).encode()
            topic = f"{PREFIX}{site.district}/{site.id}/{device}/ack"
            self._link.publish(topic, seal(body, self._registry.keys[device]))


class Ingest(threading.Thread):
    """Judges and commits messages in groups: durable first, then acknowledged to the broker, then to the boards."""

    def __init__(
        self,
        inbox: "queue.Queue[Incoming]",
        link: Link,
        admission: Admission,
        log_: Log,
        acknowledgements: Acknowledgements,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(name="ingest", daemon=True)
        self._inbox = inbox
        self._link = link
        self._admission = admission
        self._log = log_
        self._acknowledgements = acknowledgements
        self._wake = wake
        self._stop_asked = threading.Event()
        self._statuses: dict[str, bytes] = {}

    def stop(self) -> None:
        """Ask it to end after the group it is committing."""
        self._stop_asked.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stop_asked.is_set():
            group = self._next_group()
            if group and self._commit(group):
                for message in group:
                    self._link.done(message)
                self._wake()
            self._acknowledgements.pay()

    def _next_group(self) -> list[Incoming]:
        group: list[Incoming] = []
        try:
            group.append(self._inbox.get(timeout=0.2))
            while len(group) < GROUP:
                group.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return group

    def _commit(self, group: list[Incoming]) -> bool:
        outcomes = [self._judge(m) for m in group if not self._known_status(m)]
        while not self._stop_asked.is_set():
            try:
                self._acknowledgements.owe(self._log.commit(outcomes, time.time()))
            except sqlite3.Error as error:
                log.error("the log cannot be written (%s): nothing is acknowledged until it can", error)  # noqa: TRY400
                self._stop_asked.wait(2)
            else:
                return True
        return False

    def _judge(self, message: Incoming) -> Admitted | Refused:
        try:
            return self._admission.judge(message.topic, message.payload)
        except Exception as error:
            # One message that shows a mistake of ours must not keep all the others from being heard.
            log.exception("a message on %s could not be judged; it is in quarantine", message.topic)
            return Refused(message.topic, message.payload, None, "internal", repr(error))

    def _known_status(self, message: Incoming) -> bool:
        """Tell whether it is a retained status that has been seen: the broker repeats them at each connection."""
        known = message.retained and self._statuses.get(message.topic) == message.payload
        if message.topic.endswith("/status"):
            self._statuses[message.topic] = message.payload
        return known
