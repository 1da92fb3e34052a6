"""Gives the hub's judge of frames random JT/T 808 and accounts for every byte: `make fuzz-jt808`; JSON comes last.

    make fuzz-jt808 ARGS="--frames 1000000 --json"

Good fixes, good ones again alone and in batches, bits flipped, ends cut off, marks and escapes put in, lengths and
checksums changed, items that overrun, random bodies of every message in both headers, parts that never come whole, text
of other protocols, strangers, codes that are wrong, many glued together, in pieces of any size. They go the way of a
connection: splitter, judge, log; every consumer's decoding of what the log took is tried, too.

- `bytes_missing`: sent, no mark, and neither in a frame nor in what is none; must be 0.
- `units` = `kept` + `repeated` + `quarantined` + `missing`, by what the log has counted; `missing` must be 0. A frame
  is one or more of them (a batch is each of its fixes, too), or `conversation`.
- `good_missing`: good fixes of a proven terminal that are not in the log word for word, or twice; must be 0.
- `unsafe`: frames that would be acknowledged and are in neither log nor kept quarantine; must be 0.
- `tracebacks`: exceptions, and frames for which the judge met a mistake of its own (reason `internal`); must be 0.
"""

import datetime as dt
import random
import traceback
from collections import Counter
from contextlib import closing

import msgspec

from hub.intake.admission import Admission
from hub.intake.terminals.judging import Came, Judging, Session
from hub.intake.terminals.profiles import Profiles
from hub.intake.terminals.speech import OK
from hub.log.log import Log
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import Terminal
from hub.wire.jt808 import Content, Header, Item, Position, Splitter, build, escape, parts, read, read_plain
from hub.wire.jt808.codes import MESSAGES
from hub.wire.jt808.frame import check
from hub.wire.jt808.position import digits_of
from hub.wire.terminal import decode_fix, identity, unpack
from hub.wire.terminal_kinds import FIX
from tests.fuzz.accounts import command
from tests.hub.helpers import CITY, NOON, QUANTITIES

TERMINALS = 20
BATCH = 200
PIECES = (1, 3, 40, 200, 1400, 8192)
STRANGE = (0x0104, 0x0506, 0x0801, 0x0900, 0x2070, 0x5501, 0x8001, 0xFFFF)


class Frames:
    """Makes them."""

    def __init__(self, seed):
        self._dice = random.Random(seed)
        self._number = 0

    def body(self):
        """Return the body of a fix that nobody has made yet, and its terminal's number."""
        self._number += 1
        t = int(NOON) - 1 - self._number // TERMINALS % 5_000_000
        when = digits_of(dt.datetime.fromtimestamp(t, dt.UTC))
        place = self._dice.randrange(90_000_000), self._dice.randrange(180_000_000), 10, 300, 90
        items = Item(1, self._number.to_bytes(4)), Item(0x31, b"\x09")
        return Position(0, 3, *place, when, items).encode(), self._number % TERMINALS

    def head(self, message, n):
        """Return a header of a terminal."""
        newer = 1 if n % 3 == 0 else None
        return Header(message, f"138{n:08d}", self._dice.randrange(0x10000), newer)

    def odd(self):
        """Return bytes of which nothing is known."""
        dice = self._dice
        return dice.choice([self._mutated, self._mutated, self._repaired, self._strange, self._parted, self._noise])()

    def _whole(self):
        body, n = self.body()
        if self._dice.random() < 0.5:
            return build(self.head(0x0200, n), body)
        bodies = (body, *(body[:-1] + bytes((k,)) for k in range(self._dice.randint(0, 8))))
        return build(self.head(0x0704, n), Content.make(0x0704, kind=1, bodies=bodies))

    def _mutated(self):
        dice, data = self._dice, bytearray(self._whole())
        self._mutate(data)
        if dice.random() < 0.2:
            data = data[: dice.randrange(len(data) + 1)]
        return bytes(data)

    def _repaired(self):
        """Return a frame with changes within that its checksum does not show."""
        inner = bytearray(self._whole()[1:-2])
        self._mutate(inner)
        if self._dice.random() < 0.7 and len(inner) > 16:
            newer = inner[2] & 0x40
            length = len(inner) - (17 if newer else 12)
            inner[2:4] = (max(0, length) & 0x3FF | (inner[2] & 0x60) << 8).to_bytes(2)
        return escape(bytes(inner) + bytes((check(bytes(inner)),)))

    def _mutate(self, data):
        dice = self._dice
        for _ in range(dice.randint(1, 4)):
            place, what = dice.randrange(len(data) or 1), dice.randrange(4)
            if what == 0 and data:
                data[place] ^= 1 << dice.randrange(8)
            elif what == 1:
                del data[place : place + dice.randint(1, 30)]
            elif what == 2:
                data[place:place] = dice.choice([b"\x7e", b"\x7d", b"\x7d\x02", b"\x7e\x7e", b"\0\0", b"\xfb\x02x"])
            else:
                data[place:place] = data[place : place + dice.randint(1, 60)]

    def _strange(self):
        dice = self._dice
        message = dice.choice((*MESSAGES, *STRANGE))
        head = self.head(message, dice.randrange(TERMINALS + 3))
        if dice.random() < 0.1:
            head = head._replace(properties=dice.randrange(0x10000) & ~0x2000)
        return build(head, dice.randbytes(dice.choice((0, 1, 5, 28, 60, 400))))

    def _parted(self):
        dice = self._dice
        bodies = tuple(self.body()[0] for _ in range(dice.randint(30, 90)))
        head = self.head(0x0704, dice.randrange(TERMINALS))
        found = list(parts(head, Content.make(0x0704, kind=1, bodies=bodies)))
        dice.shuffle(found)
        return b"".join(found[: dice.randint(1, len(found))])

    def _noise(self):
        dice = self._dice
        return dice.choice([dice.randbytes(dice.choice((1, 20, 300, 5000))), b"(734,1,001,ELOCK,3,529439)"])


def run(folder, count, seed):
    """Return the account of so many frames."""
    dice, frames = random.Random(f"{seed} pieces"), Frames(seed)
    terminals = {f"t{n}": Terminal(id=f"t{n}", site="tower", phone=f"138{n:08d}") for n in range(TERMINALS)}
    registry = msgspec.structs.replace(
        CITY, terminals=terminals, passwords={f"t{n}": f"code{n}" for n in range(TERMINALS)}
    )
    with closing(Log(folder / "log.db")) as log:
        admission = Admission(registry, QUANTITIES, lambda: NOON)
        judging = Judging(admission, registry, Profiles(), log.latest, lambda: NOON)
        return account(log, judging, frames, dice, count)


def account(log, judging, frames, dice, count):
    """Send, judge, commit, and count."""
    found, session = Counter(), Session()
    splitter, made, good = Splitter(), 0, set()
    while made < count:
        sent = []
        for _ in range(min(BATCH, count - made)):
            if dice.random() < 0.3:
                body, n = frames.body()
                if n:
                    good.add(body)
                # A mark before it: what was cut off before must not take it with it.
                sent.append(b"\x7e" + build(frames.head(0x0200, n), body))
                if dice.random() < 0.3:
                    again = Content.make(0x0704, kind=1, bodies=(body, frames.body()[0]))
                    sent.append(build(frames.head(0x0704, n), again))
            else:
                sent.append(frames.odd())
            made += 1
        data = b"".join([*sent, b"\x7e"])
        found["bytes"] += len(data)
        before, pieces, at = splitter.waiting, [], 0
        while at < len(data):
            size = dice.choice(PIECES)
            pieces += splitter.feed(data[at : at + size])
            at += size
        found["bytes_missing"] += len(data) - data.count(b"\x7e") + before - splitter.waiting
        found["bytes_missing"] -= sum(len(one.raw.replace(b"\x7e", b"")) for one in pieces)
        log.commit(judged(judging, session, pieces, found), NOON)
        log.keep(5000)
    found["bytes_missing"] += splitter.waiting - sum(len(one.raw) for one in splitter.rest())
    return settle(log, found, good)


def judged(judging, session, pieces, found):
    """Return the outcomes of pieces; count them."""
    outcomes = []
    for piece in pieces:
        found["frames"] += 1
        # All but one are proven, whatever was said before: among it are log-offs.
        session.proven = {f"t{n}": "password" for n in range(1, TERMINALS)} | session.proven
        try:
            read(piece.raw)
            plain = None if piece.junk else read_plain(piece.raw)
            verdict = judging.judge(Came(piece.raw, plain, "127.0.0.1", session))
            for one in verdict.outcomes:
                if isinstance(one, Refused):
                    judging.judge_again(one.topic, one.payload)
        except Exception:  # noqa: BLE001 - whatever it is, it is counted
            found["tracebacks"] += 1
            traceback.print_exc()
            continue
        found["conversation"] += not verdict.outcomes
        found["units"] += len(verdict.outcomes)
        found["tracebacks"] += sum(isinstance(one, Refused) and one.reason == "internal" for one in verdict.outcomes)
        kept = all(isinstance(one, Admitted) or one.authentic for one in verdict.outcomes)
        found["unsafe"] += bool(verdict.reply and verdict.reply.message == 0x8001 and verdict.reply.result == OK) > kept
        outcomes += verdict.outcomes
    return outcomes


def settle(log, found, good):
    """Compare what was sent with what the log has."""
    counts = Counter()
    for (_, reason), n in log.counts().items():
        counts[reason] += n
    found["kept"] = counts.pop("accepted", 0)
    found["repeated"] = counts.pop("duplicate", 0)
    found["quarantined"] = counts.total()
    found["missing"] = found["units"] - found["kept"] - found["repeated"] - found["quarantined"]
    there, offset = Counter(), 0
    while entries := log.read(offset, 2000):
        offset = entries[-1].offset
        for entry in entries:
            try:
                _ = entry.said, entry.intervals, identity(entry.payload)
                if entry.place.kind == FIX:
                    decode_fix(entry.payload)
                    head, data = unpack(entry.payload)
                    there[data if head.of else read(data).content.bodies[0]] += 1
            except Exception:  # noqa: BLE001 - whatever it is, it is counted
                found["tracebacks"] += 1
                traceback.print_exc()
    found["good"] = len(good)
    found["good_missing"] = sum(there[body] != 1 for body in good)
    return dict(found) | {"by_reason": dict(counts)}


if __name__ == "__main__":
    command(__doc__, run, ("bytes_missing", "missing", "good_missing", "unsafe", "tracebacks"))
