"""Talks to platforms, in a thread of its own: one connection for each point, as the point's own logger would have it.

What is due goes out and is kept until the platform's 9014; not heard within 10 s it goes out again, after three times
over a new connection (2017, table 1). The platform may ask for minutes, hours and days that were (2051, 2061, 2031)
and for the time (1011); what would change how is measured is refused.
"""

import asyncio
import contextlib
import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from hub.config.files import ConfigError
from hub.config.uplinks import Kind, Point, Uplink
from hub.process.together import until_one_ends
from hub.series.periods import Calendar
from hub.uplink.book import Book, Due
from hub.uplink.collector import PERIODS
from hub.uplink.frames import COMMANDS, UTC, Factors, area_of
from hub.wire.hj212 import END, Packet, Splitter, build, parts, read_packet
from hub.wire.hj212.packet import moment
from hub.wire.station import local_text
from schemas import Quantity

WINDOW = 8
"""Intervals that wait for their 9014 at most."""
WITHIN = 10.0
"""So long a 9014 may take [s]."""
TRIES = 3
"""So often an interval goes out over one connection."""
LOOK_EVERY = 1.0
"""Between two looks whether something is due [s]."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Before a new connection [s]."""
MOST_ASKED = 10_000
"""Intervals that are sent in answer to one question."""
READY, REFUSED, WRONG_PASSWORD, WRONG_MN, UNKNOWN = 1, 2, 3, 4, 8
"""QnRtn (2017, table 6)."""
DONE, NO_DATA = 1, 100
"""ExeRtn (2017, table 7)."""
_KINDS: Mapping[str, Kind] = {command: kind for kind, command in COMMANDS.items()}
_VERSION = {2017: 4, 2025: 8}

log = logging.getLogger("hub.uplink")


class Uplinks(threading.Thread):
    """The thread. `clock` gives Unix time in s.

    Raises:
        ConfigError: a file that an [[uplink]] names cannot be used, or a unit is not known.
    """

    def __init__(
        self,
        path: Path,
        uplinks: Sequence[Uplink],
        quantities: Mapping[str, Quantity],
        zone: ZoneInfo,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name="uplinks", daemon=True)
        self._path = path
        self._platforms = [Platform(one, quantities, zone, clock) for one in uplinks]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()

    def run(self) -> None:
        """Talk until stopped."""
        asyncio.set_event_loop(self._loop)
        book = Book(self._path)
        try:
            self._loop.run_until_complete(self._talk(book))
        finally:
            book.close()
            self._loop.close()

    def stop(self) -> None:
        """Close every connection, and return when that is done."""
        if self.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self.join()

    async def _talk(self, book: Book) -> None:
        talking = [
            asyncio.create_task(Line(platform, point, book).run())
            for platform in self._platforms
            for point in platform.uplink.points
        ]
        await self._over.wait()
        for one in talking:
            one.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


class Platform:
    """A platform, and how it is spoken to."""

    def __init__(
        self, uplink: Uplink, quantities: Mapping[str, Quantity], zone: ZoneInfo, clock: Callable[[], float]
    ) -> None:
        self.uplink = uplink
        self.clock = clock
        self.calendar = Calendar(zone)
        self.quantities = quantities
        self.password = password_of(uplink)
        self.tls = tls_of(uplink)
        factors = Factors(uplink, quantities)
        self.factors = {point.st: factors.known(point.st) for point in uplink.points}
        self._unknown = {point.st: factors.unknown(point.st) for point in uplink.points}
        self._left_out: set[str] = set()

    def area(self, book: Book, point: Point, kind: Kind, start: int) -> str:
        """Return the data area of an interval."""
        length = self.calendar.length(start, PERIODS[kind])
        totals = book.totals(point.device, kind, start)
        for quantity, _ in totals:
            code = self._unknown[point.st].get(quantity)
            if code and code not in self._left_out:
                self._left_out.add(code)
                log.warning(
                    "uplink %s: %s (%s) is left out: name its unit in units, such as units = {%s = "
                    '"mg/m3"}; the standard has none that is used',
                    self.uplink.name,
                    code,
                    quantity,
                    code,
                )
        return area_of(start, length, totals, self.factors[point.st], self.quantities)


class Line:
    """The connection of one point to one platform."""

    def __init__(self, platform: Platform, point: Point, book: Book) -> None:
        self._platform, self._point, self._book = platform, point, book
        self._flying: dict[str, tuple[Due, int]] = {}  # by QN: what, and how many of its parts are not acknowledged
        self._some = asyncio.Event()
        self._number = 0
        self._said = ""  # what is wrong

    async def run(self) -> None:
        """Talk over one connection after the other, until cancelled."""
        pause, name = FIRST_PAUSE, f"{self._platform.uplink.name}, {self._point.device}"
        while True:
            try:
                await self._connect()
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                why = str(error) or "it does not answer"
                if why != self._said:
                    log.warning("uplink %s: %s; what is due waits, and is tried again", name, why)
                self._said = why
                pause = FIRST_PAUSE if self._platform_heard else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once

    _platform_heard = False

    async def _connect(self) -> None:
        uplink = self._platform.uplink
        self._flying.clear()
        self._platform_heard = False
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_connection(uplink.host, uplink.port, ssl=self._platform.tls)
        try:
            await until_one_ends(self._listen(reader, writer), self._send(writer))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        """Send what is due, and again what is not acknowledged in time."""
        tries = 0
        while True:
            flying = [due for due, _ in self._flying.values()]
            now = self._platform.clock()
            for due in self._book.due(self._platform.uplink.name, self._point.device, now, WINDOW):
                if due not in flying and len(self._flying) < WINDOW:
                    self._put(writer, due)
            await writer.drain()
            self._some.clear()
            try:
                async with asyncio.timeout(WITHIN if self._flying else LOOK_EVERY):
                    await self._some.wait()
                tries = 0
            except TimeoutError:
                if self._flying:
                    tries += 1
                    if tries >= TRIES:
                        raise TimeoutError(f"no 9014 within {TRIES * WITHIN:.0f} s") from None
                    self._flying.clear()

    def _put(self, writer: asyncio.StreamWriter, due: Due) -> None:
        area = self._platform.area(self._book, self._point, due.kind, due.start)
        if not area:  # nothing of it has a code on this platform
            self._book.told(self._platform.uplink.name, due)
            return
        qn = self._qn()
        again = due.again and self._platform.uplink.edition == 2025
        frames = list(self._frames(COMMANDS[due.kind], area, qn, wants=True, again=again))
        self._flying[qn] = due, len(frames)
        writer.write(b"".join(frames))

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(65_536):
            for piece in splitter.feed(data):
                if not piece.junk and (plain := read_packet(piece.raw)).sound:
                    await self._hear(plain.packet, writer)
                    await writer.drain()  # whoever asks much and reads little fills no memory here
        raise ConnectionResetError("the platform closed the connection")

    async def _hear(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        cn, qn = packet.field("CN") or "", packet.field("QN") or ""
        if cn == "9014":
            self._acknowledged(qn)
        elif cn not in {"9011", "9012", "9013"}:
            result = self._judge(packet, cn)
            writer.writelines(self._frames("9011", f"QnRtn={result}", qn, st="91"))
            if result == READY:
                done = await self._answer(cn, qn, packet, writer)
                writer.writelines(self._frames("9012", f"ExeRtn={done}", qn, st="91"))

    def _acknowledged(self, qn: str) -> None:
        if qn not in self._flying:
            return
        due, left = self._flying.pop(qn)
        if left > 1:
            self._flying[qn] = due, left - 1
            return
        self._book.told(self._platform.uplink.name, due)
        if self._said:
            log.info("uplink %s, %s: it answers again", self._platform.uplink.name, self._point.device)
        self._said, self._platform_heard = "", True
        self._some.set()

    def _judge(self, packet: Packet, cn: str) -> int:
        """Return what is said to a question: QnRtn."""
        if packet.field("MN") != self._point.mn:
            return WRONG_MN
        if packet.field("PW") != self._platform.password:
            return WRONG_PASSWORD
        if cn in {"1000", "1012", "1062", "1064", "1072", "3021"} or cn.startswith("30"):
            return REFUSED
        return READY if cn == "1011" or cn in _KINDS else UNKNOWN

    async def _answer(self, cn: str, qn: str, packet: Packet, writer: asyncio.StreamWriter) -> int:
        """Send what a question asks for, under its number; return ExeRtn."""
        if cn == "1011":
            told = f"SystemTime={local_text(self._platform.clock(), UTC)}"
            writer.writelines(self._frames(cn, told, qn))
            return DONE
        first, last = moment(packet.item("BeginTime")), moment(packet.item("EndTime"))
        if first is None or last is None:
            return NO_DATA
        kind = _KINDS[cn]
        starts = self._book.starts(self._point.device, kind, first.timestamp(), last.timestamp())[:MOST_ASKED]
        for start in starts:
            area = self._platform.area(self._book, self._point, kind, start)
            writer.writelines(self._frames(cn, area, qn) if area else ())
            await writer.drain()
        return DONE if starts else NO_DATA

    def _frames(
        self, cn: str, data: str, qn: str, *, st: str = "", wants: bool = False, again: bool = False
    ) -> Iterable[bytes]:
        version = _VERSION[self._platform.uplink.edition]
        fields = {"QN": qn, "ST": st or self._point.st, "CN": cn, "PW": self._platform.password, "MN": self._point.mn}
        fields |= {"Flag": str(version | wants)} | ({"RF": "1"} if again else {})
        for packet in parts(Packet.make(data, **fields)):
            yield build(packet) + END

    def _qn(self) -> str:
        self._number = (self._number + 1) % 1000
        return f"{local_text(self._platform.clock(), UTC)}{self._number:03d}"


def refuse_unusable(uplinks: Iterable[Uplink], quantities: Mapping[str, Quantity]) -> None:
    """Look at all that an [[uplink]] names, before anything runs.

    Raises:
        ConfigError: a file cannot be used, or a unit is wrong.
    """
    for one in uplinks:
        password_of(one)
        tls_of(one)
        Factors(one, quantities)


def password_of(uplink: Uplink) -> str:
    """Return PW of a platform.

    Raises:
        ConfigError: its file cannot be read.
    """
    try:
        return uplink.password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigError(
            f"uplink {uplink.name!r}: password_file {uplink.password_file} cannot be read: {why}"
        ) from error


def tls_of(uplink: Uplink) -> ssl.SSLContext | None:
    """Return how a platform is spoken to; None: in plain.

    Raises:
        ConfigError: a file of it cannot be used.
    """
    if uplink.ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=uplink.ca)
        if uplink.certificate:
            context.load_cert_chain(uplink.certificate, uplink.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"uplink {uplink.name!r}: ca, certificate, key: cannot be used ({error}); expected PEM files"
        ) from error
    return context
