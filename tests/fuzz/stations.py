"""Gives the hub's judge of frames random and mutated HJ 212 and accounts for every byte: `make fuzz-hj212`; JSON last.

    make fuzz-hj212 ARGS="--frames 1000000 --json"

Good frames, good ones again, bits flipped, ends cut off, separators, lengths and checksums changed, items doubled,
removed or in strange letters, numbers without end, parts that never come whole, GBK, no text at all, other commands,
stations and passwords, many glued together, in pieces of any size. They go the way of a connection: splitter, judge,
log; every consumer's decoding of what the log took is tried, too.

- `bytes_missing`: sent, and neither in a frame, nor in what is none, nor at a line's end; must be 0.
- `frames` = `kept` + `repeated` + `quarantined` + `conversation` + `missing`, by what the log has counted; `missing`
  must be 0. Parts that make a packet whole count once more, in `joined`.
- `good_missing`: good frames of a proven station that are not in the log word for word; must be 0.
- `unsafe`: frames that would be acknowledged and are in neither log nor kept quarantine; must be 0.
- `tracebacks`: exceptions, and frames for which the judge met a mistake of its own (reason `internal`); must be 0.
"""

import random
import traceback
from collections import Counter
from contextlib import closing

import msgspec

from hub.intake.admission import Admission
from hub.intake.stations.judging import Came, Judging
from hub.intake.stations.profiles import Profiles
from hub.log.log import Log
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Station
from hub.wire.hj212 import END, Packet, Splitter, build, parts, read, read_packet
from hub.wire.station import local_text
from tests.fuzz.accounts import command
from tests.hub.helpers import CITY, NOON, QUANTITIES

STATIONS = 20
BATCH = 200
PIECES = (1, 3, 40, 200, 1400, 8192)
COMMANDS = (
    "2011",
    "2051",
    "2061",
    "2031",
    "2021",
    "2041",
    "2081",
    "3019",
    "3020",
    "9011",
    "9012",
    "1013",
    "9015",
    "7",
    "",
)
CODES = ("a34004", "a34002", "Leq", "a01001", "01", "S01", "LA", "w01010", "LEQ", "a34004-Rtd", "\u7c89\u5c18", "")
VALUES = ("35.2", "-1", "1e999", "nan", "9" * 400, "", "0x1", "1.2.3", "\u4e00", "+7", "35,2")


class Frames:
    """Makes them."""

    def __init__(self, seed):
        self._dice = random.Random(seed)
        self._number = 0

    def good(self):
        """Return a frame of a station with its password that is right in everything."""
        dice, self._number = self._dice, self._number + 1
        t = int(NOON) - 60 * (1 + self._number // STATIONS % 500_000)
        n = self._number % STATIONS
        values = f"a34004-Avg={dice.uniform(1, 90):.1f},a34004-Flag=N;Leq-Data=60.1,Leq-Flag=N"
        packet = Packet.make(f"DataTime={local_text(t, 480)};{values}", **self._fields(n, t))
        return build(packet) + END

    def odd(self):
        """Return bytes of which nothing is known."""
        dice = self._dice
        make = dice.choice([self._mutated, self._mutated, self._mutated, self._strange, self._parted, self._noise])
        return make()

    def _fields(self, n, t, cn="2051"):
        qn = f"{local_text(t, 480)}{self._number % 1000:03d}"
        return {"QN": qn, "ST": "39", "CN": cn, "PW": f"pw{n:04d}", "MN": f"MN{n}", "Flag": "5"}

    def _mutated(self):
        dice, data = self._dice, bytearray(self.good())
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(data)) if data else 0
            what = dice.randrange(6)
            if what == 0 and data:
                data[place] ^= 1 << dice.randrange(8)
            elif what == 1:
                del data[place : place + dice.randint(1, 30)]
            elif what == 2:
                data[place:place] = dice.choice([b"&&", b"##", b";", b",", b"=", b"CP=&&", b"##0123", b"\r\n", b"\n"])
            elif what == 3:
                end = place + dice.randint(1, 60)
                data[place:place] = data[place:end]
            elif what == 4:
                data[2:6] = b"%04d" % dice.randrange(10_000)
            else:
                data[-6:-2] = b"%04X" % dice.randrange(65_536)
        return bytes(data)

    def _strange(self):
        dice = self._dice
        items = [
            f"{dice.choice(CODES)}-{dice.choice(('Avg', 'Rtd', 'Flag', 'Max', 'ZsAvg', 'X', ''))}={dice.choice(VALUES)}"
            for _ in range(dice.randint(0, 12))
        ]
        t = int(NOON) + dice.choice((-60, 0, 10**7, -(10**9), 60))
        when = dice.choice((f"DataTime={local_text(t, 480)}", "DataTime=20269999999999", "DataTime=", "BeginTime=1"))
        fields = self._fields(dice.randrange(STATIONS + 3), t, dice.choice(COMMANDS))
        for name in dice.sample(list(fields), dice.choice((0, 0, 1, 2))):
            del fields[name]
        if dice.random() < 0.2:
            fields["PW"] = "000000"
        packet = Packet.make(dice.choice((";", ",")).join([when, *items]), **fields)
        if dice.random() < 0.3:
            packet = packet._replace(encoding="gb18030")
        return build(packet, dice.choice(("standard", "modbus"))) + dice.choice((END, b"\n", b""))

    def _parted(self):
        dice = self._dice
        t = int(NOON) - 60 * dice.randrange(10_000)
        items = ";".join(f"a99{n:03d}-Avg={n}.0,a99{n:03d}-Flag=N" for n in range(60))
        data = f"DataTime={local_text(t, 480)};a34004-Avg=5;{items}"
        found = [build(one) + END for one in parts(Packet.make(data, **self._fields(dice.randrange(STATIONS), t)))]
        dice.shuffle(found)
        return b"".join(found[: dice.randint(1, len(found))])

    def _noise(self):
        return self._dice.randbytes(self._dice.choice((1, 20, 300, 5000))) + self._dice.choice((b"", b"\n"))


def run(folder, count, seed):
    """Return the account of so many frames."""
    dice, frames = random.Random(f"{seed} pieces"), Frames(seed)
    stations = {f"s{n}": Station(id=f"s{n}", site="tower", mn=f"MN{n}", profile="dust_ug") for n in range(STATIONS)}
    registry = msgspec.structs.replace(
        CITY, stations=stations, passwords={f"s{n}": f"pw{n:04d}" for n in range(STATIONS)}
    )
    with closing(Log(folder / "log.db")) as log:
        admission = Admission(registry, QUANTITIES, lambda: NOON)
        judging = Judging(admission, registry, Profiles(QUANTITIES), log.latest)
        return account(log, judging, frames, dice, count)


def account(log, judging, frames, dice, count):
    """Send, judge, commit, and count."""
    found = Counter()
    splitter, made, good = Splitter(), 0, []
    while made < count:
        sent = []
        for _ in range(min(BATCH, count - made)):
            if dice.random() < 0.3:
                frame = frames.good()
                good.append(frame.removesuffix(END))
                sent.append(END + frame)
                if dice.random() < 0.2:
                    sent.append(frame)
            else:
                sent.append(frames.odd())
            made += 1
        sent.append(END)
        data = b"".join(sent)
        found["bytes"] += len(data)
        before = splitter.waiting
        pieces, at = [], 0
        while at < len(data):
            size = dice.choice(PIECES)
            pieces += splitter.feed(data[at : at + size])
            at += size
        found["bytes_missing"] += len(data) + before - splitter.waiting
        found["bytes_missing"] -= sum(len(one.raw) + len(one.ending) for one in pieces)
        outcomes = judged(judging, [one for one in pieces if one.raw.strip()], found)
        log.commit(outcomes, NOON)
        log.keep(5000)
    waits = splitter.waiting
    found["bytes_missing"] += waits - sum(len(one.raw) for one in splitter.rest())
    return settle(log, found, good)


def judged(judging, pieces, found):
    """Return the outcomes of pieces; count them."""
    outcomes = []
    for piece in pieces:
        found["frames"] += 1
        try:
            read(piece.raw)
            verdict = judging.judge(Came(piece.raw, None if piece.junk else read_packet(piece.raw), "127.0.0.1"))
        except Exception:  # noqa: BLE001 - whatever it is, it is counted
            found["tracebacks"] += 1
            traceback.print_exc()
            continue
        found["conversation"] += not verdict.outcomes
        found["joined"] += max(0, len(verdict.outcomes) - 1)
        found["tracebacks"] += sum(isinstance(one, Refused) and one.reason == "internal" for one in verdict.outcomes)
        last = verdict.outcomes[-1] if verdict.outcomes else None
        found["unsafe"] += verdict.safe and not (isinstance(last, Admitted) or (last is not None and last.authentic))
        outcomes += verdict.outcomes
    return outcomes


def settle(log, found, good):
    """Compare what was sent with what the log has."""
    counts = Counter()
    for (_, reason), n in log.counts().items():
        counts[reason] += n
    found["kept"] = counts.pop("accepted", 0) + counts.pop("other_content", 0)
    found["repeated"] = counts.pop("duplicate", 0)
    found["quarantined"] = counts.total()
    told = found["kept"] + found["repeated"] + found["quarantined"] + found["conversation"]
    found["missing"] = found["frames"] + found["joined"] - told
    there, offset = set(), 0
    while entries := log.read(offset, 2000):
        offset = entries[-1].offset
        for entry in entries:
            there.add(entry.payload.partition(b"\n")[2])
            try:
                _ = entry.said, entry.intervals
            except Exception:  # noqa: BLE001 - whatever it is, it is counted
                found["tracebacks"] += 1
                traceback.print_exc()
    found["good"] = len(good)
    found["good_missing"] = sum(frame not in there for frame in good)
    return dict(found) | {"by_reason": dict(counts)}


if __name__ == "__main__":
    command(__doc__, run, ("bytes_missing", "missing", "good_missing", "unsafe", "tracebacks"))
