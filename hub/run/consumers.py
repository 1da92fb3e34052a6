"""Runs the log's consumers: what this process computes never delays the taking of messages.

The hub starts it (`hub.run.downstream`) and says whenever the log has grown what it holds to be the time
(`hub.process.clock.Held`). Twice a second the process tells how far each consumer is.
"""

import contextlib
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

import msgspec

from hub.cases.news import CaseNews
from hub.cases.reminding import Reminders
from hub.compliance.consumer import Compliance
from hub.compliance.emissions.consumer import Emissions
from hub.compliance.rulings import Rulings
from hub.config.files import Config, ConfigError
from hub.intake.stations.profiles import Profiles
from hub.log.consumer import Consumer
from hub.log.feed import Feed
from hub.notify.sender import Notifier
from hub.process import logs
from hub.process.child import job_of_child
from hub.process.clock import Clock, Held
from hub.process.memory import freeze_heap
from hub.process.turns import Turns
from hub.registry.live import LiveRegistry
from hub.reports import Law, Reports
from hub.series import InfluxStore
from hub.series.opening import open_store
from hub.series.rollups import Rollups
from hub.series.sink import StoreSink
from hub.storage.claims import claim_consumers
from hub.storage.compliance_file import COMPLIANCE
from hub.storage.database import DatabaseError
from hub.storage.trouble import explain
from hub.uplink.collector import Collector
from hub.uplink.sender import Uplinks
from hub.uplink.tables import FILE as UPLINK
from hub.watch.consumer import Watch
from hub.watch.stations import StationWatch
from schemas import domains, load_limits, load_quantities

NICE = 5
"""How much the consumers leave to the taking of messages: of a busy processor they still have a third of its share."""
TELL_EVERY = 0.5
"""Between two reports of how far each consumer is [s]."""

log = logging.getLogger("hub.downstream")


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is told at its start; `clock` gives Unix time in s."""

    config: Config
    clock: Callable[[], float]
    log_format: logs.Format
    rate: float = 1.0
    """How many seconds of `clock` go by in one."""
    held: Held | None = None
    """What the hub held to be the time when the process was started."""


class ConsumerState(msgspec.Struct, frozen=True):
    """How a consumer is: the offset up to which it is done, and why its last attempt failed (empty: it did not)."""

    position: int
    problem: str


class Consumers:
    """Everything that reads the log (store, rollups, compliance, watch, reports), and the notifier behind it."""

    def __init__(self, job: Job) -> None:
        config = job.config
        quantities = load_quantities()
        limits = load_limits(quantities=quantities)
        clock = self._clock = Clock(job.clock, job.rate, job.held)
        self._registry = LiveRegistry(config)
        self._districts = config.districts
        # Of the boards of other hubs' districts this one hears nothing: it must not call them silent.
        owned = self._registry.current.owned(self._districts)
        self._store = open_store(config, quantities)
        levels = max((recipient.level for recipient in config.recipients), default=0)
        self._compliance = Compliance(
            config.data / COMPLIANCE,
            self._registry.current,
            limits,
            quantities,
            clock.now,
            config.alerts,
            levels,
        )
        self._rulings = Rulings(
            config.data / COMPLIANCE,
            self._registry.current,
            domains.rules(),
            clock.now,
            config.alerts,
            levels,
        )
        self._emissions = Emissions(config.data / COMPLIANCE, self._registry.current, limits, quantities, clock.now)
        self._rollups = Rollups(
            config.data / "rollups.db", self._store, quantities, self._registry.current.zone, clock.now
        )
        turns = Turns()
        storing = None if isinstance(self._store, InfluxStore) else turns  # rollups are written there, too
        self._feed = Feed(config.data / "log.db", turns)
        self._watch = Watch(
            config.data,
            owned,
            clock.now,
            config.alerts,
            self._progress,
            levels,
            lambda: clock.held,
            config.broker,
            StationWatch(quantities, Profiles(quantities, config.hj212.profiles).faults_of),
        )
        self._consumers = [
            Consumer("store", self._feed.reader(), StoreSink(self._store), config.data, turns=storing),
            Consumer("rollups", self._feed.reader(), self._rollups, config.data, turns=storing),
            Consumer(
                "compliance",
                self._feed.reader(),
                self._compliance,
                config.data,
                waits=lambda: clock.doubt is not None,
                turns=turns,
            ),
            Consumer(
                "rules",
                self._feed.reader(),
                self._rulings,
                config.data,
                waits=lambda: clock.doubt is not None,
                turns=turns,
            ),
            Consumer(
                "emissions",
                self._feed.reader(),
                self._emissions,
                config.data,
                waits=lambda: clock.doubt is not None,
                turns=turns,
            ),
            Consumer("watch", self._feed.reader(), self._watch, config.data, turns=turns),
        ]
        self._reports: Reports | None = None
        if isinstance(self._store, InfluxStore):
            law = Law(config.data / COMPLIANCE, owned, limits, quantities, domains.rules())
            self._reports = Reports(
                config.data,
                self._store,
                law,
                owned,
                clock.now,
                config.broker.client_id,
                60 * config.alerts.silent_minutes,
                self._progress,
            )
            self._consumers.append(Consumer("reports", self._feed.reader(), self._reports, config.data))
        self._notifier = Notifier(
            config,
            lambda: self._registry.current,
            clock.now,
            CaseNews(config, lambda: self._registry.current),
            calls=False if config.badges.port else None,  # with badges, `hub.run.calling` sends them
        )
        self._reminders = Reminders(config, lambda: self._registry.current, clock.now, lambda: clock.doubt is not None)
        self._collector: Collector | None = None
        self._uplinks: Uplinks | None = None
        if config.uplinks:
            zone, path = self._registry.current.zone, config.data / UPLINK
            self._collector = Collector(path, config.uplinks, quantities, zone, clock.now, config.data / "log.db")
            self._consumers.append(Consumer("uplink", self._feed.reader(), self._collector, config.data, turns=turns))
            try:
                self._uplinks = Uplinks(path, config.uplinks, quantities, zone, clock.now)
            except ConfigError as error:  # it could be used when the hub was started; judging goes on without it
                log.error("%s; platforms hear nothing until the hub is started again", error)  # noqa: TRY400

    def start(self) -> None:
        """Start every thread."""
        for thread in (*self._consumers, self._notifier, self._reminders, *([self._uplinks] if self._uplinks else ())):
            thread.start()

    def hear(self, held: Held) -> None:
        """Take what the hub says: the log has grown, and this is the time."""
        self._clock.use(held)
        if self._registry.refresh():
            self._compliance.use(self._registry.current)
            self._rulings.use(self._registry.current)
            self._emissions.use(self._registry.current)
            owned = self._registry.current.owned(self._districts)
            self._watch.use(owned)
            if self._reports:
                self._reports.use(owned)
        for consumer in self._consumers:
            consumer.wake()

    def stop(self) -> None:
        """Let every thread end after what it is doing now."""
        threads: list[Consumer | Notifier | Reminders] = [*self._consumers, self._notifier, self._reminders]
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join()
        if self._uplinks:
            self._uplinks.stop()
        self._rollups.close()
        self._store.close()
        self._compliance.close()
        self._rulings.close()
        self._emissions.close()
        self._watch.close()
        if self._reports:
            self._reports.close()
        if self._collector:
            self._collector.close()
        self._feed.close()

    def states(self) -> dict[str, ConsumerState]:
        """Return how each consumer is; nothing of one that has not begun."""
        return {
            consumer.name: ConsumerState(consumer.position, consumer.failing or "")
            for consumer in self._consumers
            if consumer.position is not None
        }

    def _progress(self) -> dict[str, int]:
        """Return how far the consumers are that people's knowledge depends on."""
        return {
            consumer.name: consumer.position
            for consumer in self._consumers
            if consumer.name != "watch" and consumer.position is not None
        }


def consume(job: Job, hub: Connection) -> None:
    """Consume until the hub says that it is over, or is gone."""
    with claim_consumers(job.config.data):
        try:
            consumers = Consumers(job)
        except (ConfigError, DatabaseError) as error:
            log.error("%s", error)  # noqa: TRY400 - it says itself what to do
            sys.exit(2)
        except sqlite3.Error as error:
            log.error("%s %s", job.config.data, explain(error, job.config.data))  # noqa: TRY400
            sys.exit(2)
        freeze_heap()
        consumers.start()
        over = threading.Event()

        def tell() -> None:
            while not over.wait(TELL_EVERY):
                with contextlib.suppress(OSError, MemoryError):
                    hub.send_bytes(msgspec.json.encode(consumers.states()))

        teller = threading.Thread(target=tell, name="tell", daemon=True)
        teller.start()
        with contextlib.suppress(EOFError, OSError):  # the hub was killed
            while said := hub.recv_bytes():
                consumers.hear(msgspec.json.decode(said, type=Held))
        consumers.stop()
        over.set()
        teller.join()


if __name__ == "__main__":
    os.nice(NICE)
    with contextlib.suppress(EOFError):
        connection, job = job_of_child()
        logs.configure(cast("Job", job).log_format)
        domains.use(cast("Job", job).config.domains)
        consume(cast("Job", job), connection)
