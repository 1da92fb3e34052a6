"""What the hub counts and shows at /metrics for Prometheus.

On the way of messages one call is made for each group of them. Everything else is looked up when Prometheus asks.
Nothing is labelled with a board's id: a city has thousands of them, and each would be a time series of its own. What a
single board did stands in the log's quarantine and in the dashboards.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import prometheus_client
from prometheus_client.core import GaugeMetricFamily, Metric

from hub.storage.data_folder import databases

HEARD_WITHIN = 600
"""A board counts as heard if a message of it came within so many seconds."""

log = logging.getLogger("hub.metrics")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a consumer of the log is."""

    position: int
    """Offset up to which it is done."""
    waiting_since: float | None = None
    """When the next entry it has to take was received, Unix s; None if it has done with all."""
    problem: str = ""
    """Why its last attempt failed; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The hub's state at one moment."""

    now: float
    """The hub's clock, Unix s."""
    data: Path
    """Its data folder."""
    inbox: int
    """Messages that were received and are not committed yet."""
    inbox_capacity: int
    """How many the inbox takes before the broker has to keep them."""
    log_end: int
    """Offset of the newest entry of the log, 0 if it has none."""
    connected: bool
    """Whether the broker has let the hub in, and the connection stands."""
    sessions: int
    """Connections to the broker since the start."""
    boards_heard: int
    """Boards heard within `HEARD_WITHIN` seconds."""
    alerts_firing: int
    """Alerts in state firing."""
    clock_in_doubt: bool = False
    """Whether the hub's time is in doubt."""
    consumers: Mapping[str, Progress] = field(default_factory=dict)
    """By name of the consumer."""
    quarantine: Mapping[str, int] = field(default_factory=dict)
    """Messages kept in quarantine by reason."""
    notifications: Mapping[str, int] = field(default_factory=dict)
    """Messages to people that are not sent: waiting; failing: those of them whose last attempt failed; refused: those
    that the service refused for a day and that are left alone."""


class Observed(Protocol):
    """A hub that tells how it is."""

    def observe(self) -> Observation:
        """Return the state now.

        It is called from threads of the HTTP server, also several at once, every few seconds: it must not wait for the
        hub's work, and must use database connections of its own.
        """


class Metrics:
    """Counts what the hub does; each hub has its own registry, so several may live in one process."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)
        prometheus_client.GCCollector(registry=self.registry)
        messages = prometheus_client.Counter(
            "fenceline_messages", "Messages that the hub has dealt with", ["outcome"], registry=self.registry
        )
        self._accepted, self._duplicate, self._refused = (
            messages.labels(outcome) for outcome in ("accepted", "duplicate", "quarantined")
        )
        self._records = prometheus_client.Counter(
            "fenceline_records", "New records committed to the log", registry=self.registry
        )
        self._reasons = prometheus_client.Counter(
            "fenceline_quarantined", "Messages put into quarantine", ["reason"], registry=self.registry
        )
        self._gone = prometheus_client.Counter(
            "fenceline_let_go",
            "Messages of boards beyond their share that were let go of, to be sent again",
            registry=self.registry,
        )
        self._seconds = prometheus_client.Histogram(
            "fenceline_commit_seconds",
            "Time of one durable commit to the log",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self._group = prometheus_client.Histogram(
            "fenceline_commit_messages",
            "Messages in one commit",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=self.registry,
        )

    def committed(
        self, seconds: float, accepted: int, duplicate: int, quarantined: Mapping[str, int], records: int
    ) -> None:
        """Count one commit: its time, its messages by outcome (quarantined ones by reason) and its new records."""
        refused = sum(quarantined.values())
        self._accepted.inc(accepted)
        self._duplicate.inc(duplicate)
        self._refused.inc(refused)
        self._records.inc(records)
        for reason, count in quarantined.items():
            self._reasons.labels(reason).inc(count)
        self._seconds.observe(seconds)
        self._group.observe(accepted + duplicate + refused)

    def let_go(self, messages: int) -> None:
        """Count messages that were not taken so that others are: their boards send them again."""
        self._gone.inc(messages)

    def watch(self, hub: Observed) -> None:
        """Show, from now on, also the state of a hub."""
        self.registry.register(_State(hub))

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return prometheus_client.generate_latest(self.registry)


class _State(prometheus_client.registry.Collector):
    """Looks the hub's state up when Prometheus asks."""

    def __init__(self, hub: Observed) -> None:
        self._hub = hub

    def describe(self) -> list[Metric]:
        """Name nothing in advance: the hub may not have started yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        try:
            gauges = list(_gauges(self._hub.observe()))
        except Exception:
            # The counters must still be seen: it is when something fails that they are looked at.
            log.exception("the hub's state cannot be observed")
            gauges = []
        yield _gauge("observed", "1 if the hub's state could be observed, else 0", bool(gauges))
        yield from gauges


def _gauges(seen: Observation) -> Iterator[Metric]:
    yield _gauge("inbox_messages", "Messages received and not committed yet", seen.inbox)
    yield _gauge("inbox_capacity_messages", "Messages that the inbox takes", seen.inbox_capacity)
    yield _gauge("log_end_offset", "Offset of the newest entry of the log", seen.log_end)
    yield _gauge("broker_connected", "1 if connected to the MQTT broker, else 0", seen.connected)
    yield _gauge("broker_sessions", "Connections to the MQTT broker since the start", seen.sessions)
    yield _gauge("boards_heard", f"Boards heard in the last {HEARD_WITHIN} s", seen.boards_heard)
    yield _gauge("clock_in_doubt", "1 if the hub's time is in doubt, else 0", seen.clock_in_doubt)
    yield _gauge("alerts_firing", "Alerts that are firing", seen.alerts_firing)
    yield _gauges_by("state", "notifications", "Messages to people that are not sent", seen.notifications)
    yield _gauges_by(
        "consumer",
        "consumer_position",
        "Offset up to which a consumer of the log is done",
        {name: progress.position for name, progress in seen.consumers.items()},
    )
    yield _gauges_by(
        "consumer",
        "consumer_backlog_entries",
        "Entries of the log that a consumer has yet to take",
        {name: max(0, seen.log_end - progress.position) for name, progress in seen.consumers.items()},
    )
    yield _gauges_by(
        "consumer",
        "consumer_lag_seconds",
        "Age of the oldest entry that a consumer has yet to take",
        {
            name: 0.0 if progress.waiting_since is None else max(0.0, seen.now - progress.waiting_since)
            for name, progress in seen.consumers.items()
        },
    )
    yield _gauges_by(
        "consumer",
        "consumer_failing",
        "1 if a consumer's last attempt failed, else 0",
        {name: bool(progress.problem) for name, progress in seen.consumers.items()},
    )
    yield _gauges_by("reason", "quarantine_messages", "Messages kept in quarantine", seen.quarantine)
    yield _gauge("data_free_bytes", "Free space on the data folder's disk", shutil.disk_usage(seen.data).free)
    yield _gauges_by(
        "database",
        "database_bytes",
        "Size of a database with its write-ahead log",
        {path.relative_to(seen.data).as_posix(): _size(path) for path in databases(seen.data)},
    )


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fenceline_{name}", help_, value=float(value))


def _gauges_by(label: str, name: str, help_: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"fenceline_{name}", help_, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def _size(path: Path) -> int:
    """Return the size in bytes; a file that goes away meanwhile has none."""
    size = 0
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            size += file.stat().st_size
        except FileNotFoundError:
            continue
    return size
