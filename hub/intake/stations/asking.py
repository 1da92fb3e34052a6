"""Asks stations for what is missing, tells them the time, and asks what their instruments are.

What is missing shows in the log alone: each minute, hour or day of a station is looked for by what it is about. So it
is asked for whatever was killed meanwhile, and a station that was away is asked when it is back. One question at a time
for each station; what it does not have it is asked for three times in all.
"""

import logging
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from hub.intake.stations.connection import Connection
from hub.intake.stations.judging import Came
from hub.intake.stations.profiles import Profile, Profiles
from hub.intake.stations.server import Talker
from hub.intake.stations.speech import Manner, answer, question, set_time
from hub.log.batch import digest_parts
from hub.process.clock_trust import HubClock
from hub.registry.live import LiveRegistry, Station
from hub.storage.database import read_only
from hub.wire.hj212 import Packet
from hub.wire.hj212.packet import moment
from hub.wire.station import about, local_text, unix_of
from hub.wire.station_kinds import PREFIX

ASKED_FOR = {"minute": ("2051", 86_400), "hour": ("2061", 7 * 86_400), "day": ("2031", 31 * 86_400)}
"""By kind: the command, and how far back it is looked for [s]."""
LOOK_EVERY = 600.0
"""Between two looks at what is missing of a station, of the hub's time [s]."""
SETTLED = 120
"""So long after its end an interval may still be on its way [s]."""
WITHIN = 60.0
"""So long a station may take to answer a question whole [s]."""
TRIES = 3
"""So often it is asked for the same."""
AT_ONCE = 6 * 3600
"""One question is for so much of minutes at most [s]."""
CLOCK_EVERY = 3600.0
"""Between two looks at a station's clock, of the hub's time [s]."""
CLOCK_WRONG = 30.0
"""A clock that is wrong by more is set, where the profile lets it [s]."""
DAY = 86_400

log = logging.getLogger("hub.stations")


class Span(NamedTuple):
    """What is missing: intervals of a kind that begin from `first` to `last` (Unix s, both with)."""

    kind: str
    first: int
    last: int


class _Talk:
    """What is remembered of a station that is connected."""

    __slots__ = ("about_at", "asked", "clock_at", "look_at", "looking", "qn", "questions", "spans")

    def __init__(self) -> None:
        self.look_at = self.clock_at = self.about_at = self.asked = 0.0
        self.questions: deque[tuple[str, str]] = deque()  # about the station itself: command and data area
        self.spans: deque[Span] = deque()
        self.qn = ""  # of the question that is not answered yet
        self.looking: Future[list[Span]] | None = None


class Asker(Talker):
    """Talks to stations; used by the server's thread, but for its looks into the log in the file `path`."""

    def __init__(self, path: Path, registry: LiveRegistry, profiles: Profiles, clock: HubClock) -> None:
        self._path = path
        self._registry = registry
        self._profiles = profiles
        self._clock = clock
        self._talks: dict[str, _Talk] = {}
        self._tried: Counter[tuple[str, Span]] = Counter()
        self._forget_at = clock.steady() + DAY
        self._looker = ThreadPoolExecutor(1, "stations-missing")

    def close(self) -> None:
        """End the thread that looks."""
        self._looker.shutdown(cancel_futures=True)

    def began(self, connection: Connection, station: Station) -> None:
        """See `Talker`."""
        talk = self._talks.setdefault(station.id, _Talk())
        talk.look_at = talk.about_at = 0.0
        talk.qn = ""  # what was asked over another connection is not answered any more
        self._go_on(connection, station)

    def heard(self, connection: Connection, came: Came) -> None:
        """See `Talker`."""
        assert came.plain is not None
        assert connection.manner is not None
        packet, manner = came.plain.packet, connection.manner
        talk = self._talks.get(connection.station or "")
        station = self._registry.current.stations.get(connection.station or "")
        if talk is None or station is None:
            return
        cn = packet.field("CN")
        if cn == "1013":
            connection.say(answer(packet, manner, "9013"))
            self._set_time(connection, station, manner)
        elif cn in {"9015", "9021"}:
            connection.say(answer(packet, manner, "9013"))
        elif cn == "1011":
            self._compare(connection, station, packet)
        elif (cn == "9012" or (cn == "9011" and packet.item("QnRtn") != "1")) and packet.field("QN") == talk.qn:
            talk.qn = ""
            self._go_on(connection, station)

    def look(self, connections: dict[str, list[Connection]]) -> None:
        """See `Talker`."""
        now = self._clock.steady()
        if now >= self._forget_at:
            self._forget_at = now + DAY
            self._tried.clear()
        for id_ in self._talks.keys() - connections.keys():
            del self._talks[id_]
        for id_, of_one in [*connections.items()]:
            station = self._registry.current.stations.get(id_)
            if station and id_ in self._talks:
                self._go_on(of_one[-1], station)

    def _go_on(self, connection: Connection, station: Station) -> None:
        """Ask the next question, when it is time for one."""
        talk, profile = self._talks[station.id], self._profiles.of(station.profile)
        now, manner = self._clock.steady(), connection.manner
        if profile is None or manner is None or self._clock.doubt:
            return
        if talk.qn and time.monotonic() - talk.asked < WITHIN:
            return
        talk.qn = ""
        if profile.clock == "set" and now >= talk.clock_at:
            talk.clock_at = now + CLOCK_EVERY
            self._ask(connection, talk, "1011", "", profile)
            return
        if now >= talk.about_at:
            talk.about_at = now + DAY
            talk.questions = deque(profile.questions)
        if talk.questions:
            self._ask(connection, talk, *talk.questions.popleft(), profile)
            return
        if talk.looking and talk.looking.done():
            looking, talk.looking = talk.looking, None
            talk.spans.extend(span for span in looking.result() if span not in talk.spans)
        elif profile.history and talk.looking is None and now >= talk.look_at:
            talk.look_at = now + LOOK_EVERY
            topic = self._topic(station)
            talk.looking = self._looker.submit(self._missing, topic, profile, self._clock.now())
            return
        while talk.spans:
            span = talk.spans.popleft()
            self._tried[station.id, span] += 1
            if self._tried[station.id, span] <= TRIES:
                command, _ = ASKED_FOR[span.kind]
                begin, end = (local_text(t, profile.utc) for t in (span.first, span.last))
                log.info("station %s is asked for its %s data of %s to %s", station.id, span.kind, begin, end)
                self._ask(connection, talk, command, f"BeginTime={begin},EndTime={end}", profile)
                return

    def _ask(self, connection: Connection, talk: _Talk, cn: str, data: str, profile: Profile) -> None:
        assert connection.manner is not None
        talk.qn, frame = question(cn, data, connection.manner, self._clock.now(), profile.utc)
        talk.asked = time.monotonic()
        connection.say(frame)

    def _compare(self, connection: Connection, station: Station, packet: Packet) -> None:
        """Compare a station's clock with the hub's."""
        profile, said = self._profiles.of(station.profile), moment(packet.item("SystemTime"))
        if profile is None or said is None or self._clock.doubt or connection.manner is None:
            return
        wrong = unix_of(said, profile.utc) - self._clock.now()
        if abs(wrong) > CLOCK_WRONG:
            log.warning("the clock of station %s is wrong by %+.0f s", station.id, wrong)
            if profile.clock == "set":
                self._set_time(connection, station, connection.manner)

    def _set_time(self, connection: Connection, station: Station, manner: Manner) -> None:
        profile = self._profiles.of(station.profile)
        if profile is not None and self._clock.doubt is None:  # a doubtful time is told to nobody
            connection.say(set_time(manner, self._clock.now(), profile.utc)[1])

    def _topic(self, station: Station) -> str:
        site = self._registry.current.sites[station.site]
        return f"{PREFIX}{site.district}/{site.id}/{station.id}"

    def _missing(self, topic: str, profile: Profile, now: float) -> list[Span]:
        """Return what is missing of a station; it runs in a thread of its own."""
        try:
            with closing(read_only(self._path)) as db:
                return [span for kind in profile.history for span in missing(db, topic, kind, profile, now)]
        except sqlite3.Error as error:
            log.warning("it cannot be seen what is missing of %s: %s", topic, error)
            return []


def missing(db: sqlite3.Connection, topic: str, kind: str, profile: Profile, now: float) -> Iterator[Span]:
    """Yield what the log does not have of a kind of data, behind the first that it has of the time looked at.

    Args:
        db: The log.
        topic: Of the station, without the kind.
        kind: A key of `ASKED_FOR`.
        profile: The station's.
        now: Unix time [s].
    """
    command, back = ASKED_FOR[kind]
    step = {"minute": profile.seconds if profile.counts == "minute" else 60, "hour": 3600, "day": DAY}[kind]
    shift = 60 * profile.utc
    last = (int(now) - SETTLED - step + shift) // step * step - shift
    first = (int(now) - back + shift) // step * step - shift
    ends = step if profile.ends else 0
    begun, run = False, []
    for t in range(first, last + 1, step):
        there = _is_there(db, f"{topic}/{kind}", command, local_text(t + ends, profile.utc))
        begun = begun or there
        if not there and begun:
            run.append(t + ends)
        if run and (there or t + step > last or run[-1] - run[0] + step >= max(AT_ONCE, step)):
            yield Span(kind, run[0], run[-1])
            run = []


def _is_there(db: sqlite3.Connection, topic: str, command: str, when: str) -> bool:
    key = digest_parts(topic, about(command, when))
    found = db.execute("SELECT 1 FROM message WHERE digest > ? AND digest < ? LIMIT 1", (key, key + b"\xff" * 17))
    return found.fetchone() is not None
