"""InfluxDB through its own client: any server that takes the v2 write API (1.8+, 2.x, 3.x, openGemini).

Measurement = family of the quantity, tags district, site, device, fields = quantity keys, time = start of the interval.
What is not flag N goes to measurement `flagged` with tags quantity and flag, so that no query averages it in. A point
is identified by measurement, tags and time, so writing it again changes nothing. Behind the second stand the record's
last digits as nanoseconds: a board whose clock was set back makes two records for one second, and both are kept.

Rollups go to measurements FAMILY_10m, FAMILY_1h and FAMILY_24h with the same tags; beside field QUANTITY stand
QUANTITY_capture and, where they tell more, QUANTITY_max and QUANTITY_min.

What else dashboards need (verdicts, alerts, the fleet, ...) comes from `hub.reports`; dashboards/README.md lists all.
"""

import logging
import os
import random
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from hub.log.entry import Interval
from hub.log.errors import StoreError
from hub.log.log import Log
from hub.log.outcomes import Refused
from hub.series.answers import Answer, answer_of, silence
from hub.series.base import PERIODS, Gone, Rollup, Void, voids_of, without
from hub.series.engine import engine_at
from hub.series.erasing import Eraser, Span
from hub.storage.trouble import explain
from hub.wire.topics import Topic
from schemas import Quantity

CONSUMER = "influxdb"
TOPIC = "store/influxdb"
"""Under which refused readings stand in quarantine: `fenceline quarantine replay` writes them again."""
TOPIC_DERIVED = "store/influxdb/derived"
"""Under which refused rollups and reports stand there, the newest of each series. They change, so an old one is not
written again; rollups.db and reports.db know how they are now."""
MOST = 5000
"""Points in one request: the size that InfluxDB's makers recommend."""

PROBE = "probe"
"""Measurement of the point that is written to learn whether the server takes any: at most one in a minute."""
VOUCHED = 1.0
"""For so long after it took a point that is known to be good, what it refuses may be the points' fault [s]."""
ROUNDS = 2
"""A point is given up when it was refused so many times more, between points that were taken..."""
DOUBTED = 5
"""...and so many times in a row where the answer names no reason: behind one address may be several servers."""
TOGETHER = 20
"""Suspects between two points that are known to be good."""
SAMPLE = 8
"""Points of a batch, drawn at random, of which one may show that the server takes some."""

_REMEDIES = {
    401: "set INFLUXDB_V2_TOKEN to a token that may write to bucket {bucket!r}",
    403: "set INFLUXDB_V2_TOKEN to a token that may write to bucket {bucket!r}",
    404: "create bucket {bucket!r}, or mend [store] bucket or INFLUXDB_V2_ORG",
}

log = logging.getLogger("hub.stores.influx")


def lines(intervals: list[Interval], families: Mapping[str, str]) -> Iterator[str]:
    """Yield what was measured as line protocol, the values of one record and family in one line.

    Ids and keys need no escaping: the contract allows only letters, digits, `-` and `_` in them.
    """
    for i in intervals:
        tags = f"device={i.device},district={i.district},site={i.site}"
        # Boards that were copied may have the same number at the same moment: a branch is a millisecond behind.
        branch = int(i.stream.partition("~")[2] or 0)
        moment = i.t * 1_000_000_000 + branch * 1_000_000 + i.seq % 1_000_000
        points: dict[str, list[str]] = defaultdict(list)
        for quantity, value in i.values.items():
            points[families.get(quantity, "other")].append(f"{quantity}={float(value)!r}")
        for family, fields in points.items():
            yield f"{family},{tags} {','.join(fields)} {moment}"
        for quantity, (flag, found) in i.flagged.items():
            value_field = "" if found is None else f",value={float(found)!r}"
            yield f"flagged,{tags},flag={flag},quantity={quantity} dt={float(i.dt)!r}{value_field} {moment}"


def rollup_lines(rollups: list[Rollup], families: Mapping[str, str]) -> Iterator[str]:
    """Yield rollups as line protocol, those of one board, family and period in one line."""
    points: dict[str, list[str]] = defaultdict(list)
    for r in rollups:
        measurement = f"{families.get(r.quantity, 'other')}_{PERIODS[r.period]}"
        series = f"{measurement},device={r.device},district={r.district},site={r.site}"
        fields = {"": r.value, "_capture": r.capture, "_max": r.highest, "_min": r.lowest}
        points[f"{series} %s {r.start * 1_000_000_000}"] += [
            f"{r.quantity}{suffix}={float(value)!r}" for suffix, value in fields.items() if value is not None
        ]
    for point, fields_ in points.items():
        yield point % ",".join(fields_)


def of_readings(families: Iterable[str]) -> list[str]:
    """Return the measurements that readings and rollups of these families are written to."""
    steps = ["", *(f"_{period}" for period in PERIODS.values())]
    return [f"{family}{step}" for family in sorted(set(families)) for step in steps] + ["flagged"]


class InfluxStore:
    """Series in InfluxDB; where the client finds the server is told by INFLUXDB_V2_URL, _TOKEN and _ORG.

    The position is kept in the hub's log, after the write: a crash between the two writes some points a second time.

    A server that refuses everything is in trouble itself, whatever it answers: it is asked again until it takes points.
    A point is given up, to the log's quarantine with the server's reason, only when the server refuses it again and
    again while it takes points that are known to be good. Its neighbours are written.
    """

    def __init__(self, bucket: str, log: Log, quantities: dict[str, Quantity]) -> None:
        self._bucket = bucket
        self._log = log
        self._families = {key: quantity.family for key, quantity in quantities.items()}
        # It waits 10 s for an answer (INFLUXDB_V2_TIMEOUT), and does not try again by itself: our consumers do.
        self._client = InfluxDBClient.from_env_properties(retries=False)  # type: ignore[no-untyped-call]
        self._service = WriteService(self._client.api_client)  # type: ignore[no-untyped-call]
        self._org = os.environ["INFLUXDB_V2_ORG"]
        self._eraser = Eraser(self._client, bucket)
        self._lock = threading.Lock()
        self._good: str | None = None  # the last point that was taken
        self._vouched: float | None = None  # when that was found out by asking, by the monotonic clock

    def position(self) -> int:
        """See `Store`."""
        with self._lock:
            return self._log.position(CONSUMER)

    def write(self, intervals: list[Interval], position: int) -> None:
        """See `Store`."""
        voids = voids_of(intervals)
        if voids:
            intervals = without(intervals, voids)
            self._take_back(voids, position)
        self._write(list(lines(intervals, self._families)), TOPIC, position)

    def write_rollups(self, rollups: list[Rollup]) -> None:
        """See `Store`."""
        self.take_back_rollups([Gone(*r[:6]) for r in map(msgspec.structs.astuple, rollups) if r[6] is None])
        self._write(list(rollup_lines(rollups, self._families)), TOPIC_DERIVED)

    def take_back_rollups(self, rollups: list[Gone]) -> None:
        """See `Store`."""
        self.erase(
            Span(
                f"{self._families.get(r.quantity, 'other')}_{PERIODS[r.period]}",
                {"device": r.device, "district": r.district, "site": r.site},
                r.start,
                r.start + 1,
            )
            for r in rollups
        )

    def erase(self, spans: Iterable[Span]) -> None:
        """Remove points; what holds of them is written after it.

        Raises:
            StoreError: as for `write`.
        """
        with self._lock:
            self._eraser.erase(list(spans))

    def write_lines(self, points: list[str]) -> None:
        """Write points that are line protocol already, as `write` does.

        Raises:
            StoreError: as for `write`.
        """
        self._write(points, TOPIC_DERIVED)

    def make(self, measurements: Iterable[str]) -> bool:
        """Make these measurements and those of readings and rollups, if the server is one that needs it.

        openGemini answers a question about a measurement that does not exist with an error. A point makes it: one
        without tags, at 1970, where nothing looks for it. A database that keeps nothing so old refuses it; then a
        measurement comes with its first reading.

        Returns:
            False when nobody tells which server it is.

        Raises:
            StoreError: as for `write`.
        """
        engine = engine_at(self._client)
        if engine is None or not engine.is_gemini:
            return engine is not None
        with self._lock:
            names = [*of_readings(self._families.values()), *measurements]
            answer = self._post([f"{name} made=1i 0" for name in names])
        if answer:
            log.info("openGemini makes measurements with their first points (%s)", answer)
        return True

    def retry_refused(self) -> None:
        """Write again the points in quarantine that somebody asked for; what is taken now leaves it.

        Raises:
            StoreError: as for `write`.
        """
        with self._lock:
            rows = self._log.asked_points()
            if not rows:
                return
            readings = [payload.decode() for _, topic, payload in rows if topic == TOPIC]
            refused = dict(self._send(readings))
            taken, answers = [], {}
            for id_, topic, payload in rows:
                if topic != TOPIC:
                    answers[id_] = (
                        "a newer one may be in the store, which this would replace; to have all of them written again, "
                        "stop the hub, remove rollups.db (reports.db) from its data folder, and start it"
                    )
                elif payload.decode() in refused:
                    answers[id_] = str(refused[payload.decode()])
                else:
                    taken.append(id_)
            try:
                self._log.answer(taken, answers, time.time())
            except sqlite3.Error as error:
                raise StoreError(_unnoted(error)) from error

    def close(self) -> None:
        """See `Store`."""
        self._client.close()
        self._log.close()

    def _take_back(self, voids: list[Void], position: int) -> None:
        """Write readings again that do not count any more, as the log has them: InfluxDB clears no field of a point."""
        for place in sorted({(v.district, v.site, v.device) for v in voids}):
            of_place = [v for v in voids if (v.district, v.site, v.device) == place]
            since, until = min(v.since for v in of_place), max(v.until for v in of_place)
            with self._lock:
                again: list[Interval] = []
                # What was measured then has come then, or later; a minute allows for a clock that was behind.
                begin = self._log.offset_at(since - 60)
                for entry in self._log.search([str(Topic(*place, "telemetry"))], begin - 1, position + 1):
                    again += [i for i in entry.intervals if since <= i.t < until]
                tags = dict(zip(("district", "site", "device"), place, strict=True))
                families = {self._families.get(v.quantity, "other") for v in of_place}
                self._eraser.erase([Span(family, tags, since, until) for family in sorted(families)])
            self._write(list(lines(without(again, of_place), self._families)), TOPIC)

    def _write(self, points: list[str], topic: str, position: int | None = None) -> None:
        with self._lock:
            refused = self._send(points)
            if refused:
                log.warning("InfluxDB refused %d of %d points, e.g. %s", len(refused), len(points), refused[0][1])
            elif position is None:
                return
            outcomes = [_refusal(topic, point, answer) for point, answer in refused]
            try:
                self._log.done(CONSUMER, position, outcomes, time.time(), newest=topic == TOPIC_DERIVED)
            except sqlite3.Error as error:
                raise StoreError(_unnoted(error)) from error

    def _send(self, points: list[str]) -> list[tuple[str, Answer]]:
        """Write the points; return those that InfluxDB will never take, and why.

        A request it refuses is halved until the bad points stand alone. It may have taken some of the others already;
        writing them again changes nothing.
        """
        suspects: list[tuple[list[str], Answer]] = []
        waiting = [points[first : first + MOST] for first in range(0, len(points), MOST)][::-1]
        while waiting:
            batch = waiting.pop()
            answer = self._post(batch)
            if answer is None:
                continue
            if self._vouched is None or time.monotonic() - self._vouched > VOUCHED:
                self._vouch(answer, random.sample(batch, SAMPLE) if len(batch) > SAMPLE else batch)
            if len(batch) == 1 or answer.dropped == len(batch):
                suspects.append((batch, answer))
            else:
                half = len(batch) // 2
                waiting += [batch[half:], batch[:half]]
        refused = []
        for first in range(0, len(suspects), TOGETHER):
            for batch, answer in self._convicted(suspects[first : first + TOGETHER]):
                refused += [(point, answer) for point in batch]
        return refused

    def _convicted(self, suspects: list[tuple[list[str], Answer]]) -> list[tuple[list[str], Answer]]:
        """Return the suspects, when they are refused again and again while the server takes what is known to be good.

        Raises:
            StoreError: one of them was taken after all, or the server takes nothing any more: nothing is given up.
        """
        for _ in range(ROUNDS):
            self._vouch(suspects[0][1])
            for batch, answer in suspects:
                for _ in range(1 if answer.names_a_reason else DOUBTED):
                    again = self._post(batch)
                    if again is None or (len(batch) > 1 and again.dropped != len(batch)):
                        raise StoreError(f"InfluxDB takes now what it refused just now ({answer}); nothing is given up")
        self._vouch(suspects[0][1])
        return suspects

    def _vouch(self, answer: Answer, sample: list[str] | None = None) -> None:
        """Make sure that the server takes points just now, so that what it refuses is the points' fault.

        Known to be good are the last point that was taken and a new one of the hub's own; where neither is taken, any
        of the `sample`.

        Raises:
            StoreError: it takes none of them: it is in trouble, and `answer` is what it says.
        """
        now = int(time.time())
        probe = f"{PROBE} ok=1i {(now - now % 60) * 1_000_000_000}"
        known = [self._good] if self._good else []
        for point in [*known, probe, *(sample or [])]:
            if self._post([point]) is None:
                self._vouched = time.monotonic()
                return
        self._vouched = None
        raise StoreError(
            f"InfluxDB refuses every point, good ones too ({answer}); nothing is given up; look into its log, and into "
            "that of a proxy before it",
            answer.retry_after,
        )

    def _post(self, batch: list[str]) -> Answer | None:
        """Write the points in one request; return None when all were taken, else what speaks against some of them.

        Raises:
            StoreError: the server cannot take any just now.
        """
        try:
            _, status, _ = self._service.post_write_with_http_info(  # type: ignore[no-untyped-call]
                self._org, self._bucket, "\n".join(batch).encode(), precision=WritePrecision.NS
            )
        except ApiException as error:
            answer = answer_of(error)
            if answer.speaks_of_points:
                return answer
            raise self._explained(answer) from error
        except (HTTPError, OSError, ValueError) as error:  # ValueError: a page in a Chinese encoding, say
            raise StoreError(f"InfluxDB does not answer: {silence(error)}") from error
        if status != HTTPStatus.NO_CONTENT:
            raise StoreError(
                f"what answers in InfluxDB's place says {status}, not 204: it stores no points; mend INFLUXDB_V2_URL, "
                "or the proxy behind it"
            )
        self._good = batch[-1]
        return None

    def _explained(self, answer: Answer) -> StoreError:
        if answer.status in _REMEDIES:
            return StoreError(f"InfluxDB refused ({answer}); {_REMEDIES[answer.status].format(bucket=self._bucket)}")
        return StoreError(f"InfluxDB cannot take points now ({answer})", answer.retry_after)


def _unnoted(error: sqlite3.Error) -> str:
    return f"what InfluxDB has taken cannot be noted: the log {explain(error, Path())}"


def _refusal(topic: str, point: str, answer: Answer) -> Refused:
    device = point.partition("device=")[2].partition(",")[0].partition(" ")[0]
    return Refused(topic, point.encode(), device, "store", str(answer))
