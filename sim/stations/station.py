"""A station that speaks HJ 212: it measures minutes, keeps a history, sends, waits for 9014, answers what it is asked.

It behaves as the standard has it (time-out of 10 s, three tries, then a new connection), but for the faults it is told
to have. Its history outlives connections, as a logger's does: what it left out it can be asked for.
"""

import asyncio
import contextlib
import datetime as dt
import math
import random
from collections.abc import Callable, Collection
from typing import NamedTuple

from hub.process.together import until_one_ends
from hub.wire.hj212 import END, Packet, Splitter, build, read_packet
from hub.wire.hj212.packet import BEIJING, moment

TIMEOUT = 10.0
"""So long an answer may take before data are sent again (2017, table 1) [s]."""
TRIES = 3
WINDOW = 4
"""Frames that wait for their answer at most."""
AGAIN = 0.5
"""Before a new connection [s]."""

FAULTS = {
    "crc_modbus": "CRC-16/MODBUS in place of the standard's checksum",
    "crc_wrong": "one frame of ten has a wrong checksum, until it is sent again",
    "length_wrong": "the length is one too many",
    "item_empty": "a ; too many before the closing &&",
    "no_flag": "no Flag, as in 2005",
    "gap": "one minute of five is not sent by itself, only when it is asked for",
    "clock": "its clock is ten minutes behind until it is set",
    "stuck": "PM2.5 stays at one value",
    "exchanged": "its instrument for PM2.5 has another serial number each time it is asked for",
    "hour_low": "the hours that it averages are a fifth lower than its minutes say",
}


class Account(NamedTuple):
    """What became of what a station sent."""

    made: int
    acknowledged: int
    waiting: int
    answered: int
    """Questions of the hub's."""


class SimStation:
    """One station. `clock` gives Unix time [s]; `seed` makes its values.

    `source`: gives what it measures in the minute from a time (Unix s) on, PM2.5, PM10 [µg/m³] and Leq [dB(A)]; without
    one it makes that up around `level` [µg/m³].
    """

    def __init__(
        self,
        port: int,
        mn: str,
        pw: str = "123456",
        *,
        host: str = "127.0.0.1",
        st: str = "39",
        faults: Collection[str] = (),
        clock: Callable[[], float],
        seed: int = 0,
        level: float = 40.0,
        source: Callable[[int], tuple[float, float, float]] | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._mn, self._pw, self._st = mn, pw, st
        self._faults = frozenset(faults)
        self._clock = clock
        self._behind = 600.0 if "clock" in self._faults else 0.0
        self._dice = random.Random(f"{mn} {seed}")  # noqa: S311 - values of an instrument
        self._level = level
        self._source = source or self._made_up
        self._history: dict[str, dict[int, str]] = {"2051": {}, "2061": {}}
        self._unsent: dict[tuple[str, int], None] = {}
        self._flying: dict[str, tuple[str, int]] = {}
        self._number = 0
        self._some = asyncio.Event()
        self.acknowledged: set[tuple[str, int]] = set()
        """Command and start (Unix s) of what the hub has said (9014) that it has."""
        self.answered = 0

    def account(self) -> Account:
        """Return how it stands."""
        made = sum(map(len, self._history.values()))
        return Account(made, len(self.acknowledged), len(self._unsent), self.answered)

    def values(self) -> dict[tuple[str, int], str]:
        """Return everything that it measured, by command and start (Unix s), as data areas."""
        return {(cn, t): data for cn, of_cn in self._history.items() for t, data in of_cn.items()}

    def measure(self, t: int) -> None:
        """Measure the minute that begins at `t` (Unix s); with the last of an hour its mean, too."""
        pm25, pm10, leq = self._source(t)
        pm25 = self._level if "stuck" in self._faults else pm25
        pm25, pm10, leq = round(max(1.0, pm25), 1), round(max(2.0, pm10), 1), round(leq, 1)
        data = (
            f"DataTime={self._local(t)};a34004-Avg={pm25},a34004-Flag=N;a34002-Avg={pm10},a34002-Flag=N;"
            f"Leq-Data={leq},Leq-Flag=N"
        )
        self._keep("2051", t, data, sent="gap" not in self._faults or t // 60 % 5 != 2)
        if (t + 60) % 3600 == 0:
            self._average(t + 60 - 3600)

    def _made_up(self, t: int) -> tuple[float, float, float]:
        wave = math.sin(t / 1800) * self._level / 3
        pm25 = self._level + wave + self._dice.uniform(-4, 4)
        return pm25, pm25 * 1.6 + self._dice.uniform(-3, 3), 58 + 6 * math.sin(t / 700) + self._dice.uniform(-2, 2)

    def minutes(self) -> dict[int, dict[str, float]]:
        """Return what it measured, by start (Unix s) and factor code."""
        found = {}
        for t, data in self._history["2051"].items():
            items = [piece.partition("=") for piece in data.replace(",", ";").split(";")]
            values = {name.partition("-"): text for name, _, text in items}
            found[t] = {code: float(text) for (code, _, end), text in values.items() if end in {"Avg", "Data"}}
        return found

    def send_rest(self) -> None:
        """Send by itself, too, what only was to be told when it is asked for."""
        for key in self.values():
            if key not in self.acknowledged:
                self._unsent[key] = None
        self._some.set()

    def _average(self, hour: int) -> None:
        minutes = [self._history["2051"].get(t) for t in range(hour, hour + 3600, 60)]
        found = [float(one.partition("a34004-Avg=")[2].partition(",")[0]) for one in minutes if one]
        if len(found) < 45:
            return
        mean = sum(found) / len(found) * (0.8 if "hour_low" in self._faults else 1)
        data = f"DataTime={self._local(hour)};a34004-Avg={mean:.1f},a34004-Flag=N"
        self._keep("2061", hour, data, sent=True)

    def _keep(self, cn: str, t: int, data: str, *, sent: bool) -> None:
        self._history[cn][t] = data
        if sent:
            self._unsent[cn, t] = None
            self._some.set()

    async def measure_for_ever(self, every: float = 60.0) -> None:
        """Measure minute after minute; `every`: real seconds from one to the next."""
        t = int(self._clock()) // 60 * 60
        while True:
            self.measure(t)
            t += 60
            await asyncio.sleep(every)

    async def run(self) -> None:
        """Send and answer, over one connection after the other, until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    await until_one_ends(self._listen(reader, writer), self._send(writer))
                finally:
                    writer.close()
            self._flying.clear()
            await asyncio.sleep(AGAIN)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        tries = 0
        while True:
            waiting = [key for key in self._unsent if key not in self._flying.values()]
            for cn, t in waiting[: WINDOW - len(self._flying)]:
                qn = self._qn()
                self._flying[qn] = cn, t
                writer.write(self._frame(cn, self._history[cn][t], qn, 5))
            await writer.drain()
            self._some.clear()
            before = len(self.acknowledged)
            try:
                async with asyncio.timeout(TIMEOUT if self._flying else 600):
                    await self._some.wait()
            except TimeoutError:
                tries = tries + 1 if before == len(self.acknowledged) else 0
                if tries >= TRIES:
                    raise
                self._flying.clear()  # all of it once more

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(65_536):
            for piece in splitter.feed(data):
                if not piece.junk:
                    self._hear(read_packet(piece.raw).packet, writer)
            await writer.drain()
        raise ConnectionResetError

    def _hear(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        cn, qn = packet.field("CN") or "", packet.field("QN") or ""
        if cn == "9014":
            key = self._flying.pop(qn, None)
            if key:
                self.acknowledged.add(key)
                self._unsent.pop(key, None)
                self._some.set()
            return
        if cn in {"9013", "9011", "9012"}:
            return
        self.answered += 1
        known = cn in {"1000", "1011", "1012", "2051", "2061", "3019", "3020"}
        writer.write(self._frame("9011", f"QnRtn={1 if known else 8}", qn, 4, "91"))
        if known:
            result = self._reply(cn, qn, packet, writer)
            writer.write(self._frame("9012", f"ExeRtn={result}", qn, 4, "91"))

    def _reply(self, cn: str, qn: str, packet: Packet, writer: asyncio.StreamWriter) -> int:
        """Do what is asked, under the question's number; return its result (2017, table 7)."""
        code = packet.item("PolId") or "a34004"
        if cn in {"2051", "2061"}:
            found = self._between(cn, packet)
            for t in found:
                # What it was asked for waits for its answer like everything else.
                writer.write(self._frame(cn, self._history[cn][t], qn, 4))
            return 1 if found else 100
        if cn == "1011":
            writer.write(self._frame("1011", f"SystemTime={self._local(self._clock())}", qn, 4))
        elif cn == "1012" and (said := moment(packet.item("SystemTime"))):
            self._behind = self._clock() - said.timestamp()
        elif cn == "3019":
            serial = f"{self._mn}-{self.answered}" if "exchanged" in self._faults else self._mn
            writer.write(self._frame("3019", f"PolId={code},{code}-SN={serial}", qn, 4))
        elif cn == "3020":
            info = f"PolId={code},{packet.item('InfoId') or 'i12001'}-Info=0"
            writer.write(self._frame("3020", f"DataTime={self._local(self._clock())};{info}", qn, 4))
        return 1

    def _between(self, cn: str, packet: Packet) -> list[int]:
        begin, end = moment(packet.item("BeginTime")), moment(packet.item("EndTime"))
        if begin is None or end is None:
            return []
        shift = self._behind
        return [t for t in self._history[cn] if begin.timestamp() <= t - shift <= end.timestamp()]

    def _frame(self, cn: str, data: str, qn: str, flag: int, st: str | None = None) -> bytes:
        fields = {"QN": qn, "ST": st or self._st, "CN": cn, "PW": self._pw, "MN": self._mn}
        if "no_flag" not in self._faults:
            fields["Flag"] = str(flag)
        if "item_empty" in self._faults and data:
            data += ";"
        frame = build(Packet.make(data, **fields), "modbus" if "crc_modbus" in self._faults else "standard")
        if "length_wrong" in self._faults:
            frame = b"##%04d" % (int(frame[2:6]) + 1) + frame[6:]
        if "crc_wrong" in self._faults and self._dice.random() < 0.1:
            frame = frame[:-4] + b"0002"
        return frame + END

    def _qn(self) -> str:
        self._number = (self._number + 1) % 1000
        return f"{self._local(self._clock())}{self._number:03d}"

    def _local(self, t: float) -> str:
        return f"{dt.datetime.fromtimestamp(t - self._behind, BEIJING):%Y%m%d%H%M%S}"
