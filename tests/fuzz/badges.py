"""Gives the hub's judge of badges random frames and accounts for every byte: `make fuzz-badges`; JSON comes last.

    make fuzz-badges ARGS="--frames 1000000 --json"

Positions of badges at work and of some that are not, calls for help whole and with members that nobody can read, bits
flipped, ends cut off, brackets and stars put in, lengths that are wrong, commands that nobody knows, strangers, text of
other protocols, many glued together, in pieces of any size. They go the way of a connection: splitter, judge, log;
every consumer's decoding of what the log took is tried, too.

- `bytes_missing`: sent, and neither in a frame nor in what is none; must be 0.
- `units` = `kept` + `repeated` + `quarantined` + `missing`, by what the log has counted; `missing` must be 0.
- `good_missing`: positions of badges at work and calls of any that are not in the log word for word, once; must be 0.
- `unanswered`: calls of registered badges that would not be answered; must be 0.
- `exposed`: positions outside a shift of which anything is in the log's file; must be 0.
- `tracebacks`: exceptions, and frames for which the judge met a mistake of its own (reason `internal`); must be 0.
"""

import random
import re
import traceback
from collections import Counter
from contextlib import closing

import msgspec

from hub.intake.admission import Admission
from hub.intake.badges.judging import Came, Judging
from hub.log.log import Log
from hub.log.outcomes import Refused
from hub.registry.live import Badge
from hub.wire.badge.frame import Splitter, calls_for_help, read_frame
from hub.wire.badge.logged import unpack
from sim.badges.badge import SOS, frame, position
from tests.fuzz.accounts import BATCH, command, settle
from tests.hub.helpers import CITY, NOON, QUANTITIES

BADGES = 20
AT_WORK = 15
"""Badges with a lower number are worn by somebody who is at work."""
BAD = ("bytes_missing", "missing", "good_missing", "unanswered", "exposed", "tracebacks")
PIECES = (1, 3, 40, 200, 1400, 8192)
COMMANDS = ("UD", "UD2", "UD_LTE", "AL", "LK", "bphrt", "btemp2", "TKQ", "CONFIG", "", "ud", "AL2", "\0")
BADGES_OF = {f"b{n}": Badge(id=f"b{n}", site=next(iter(CITY.sites)), number=f"88{n:08d}") for n in range(BADGES)}


class Frames:
    """Makes them."""

    def __init__(self, seed):
        self._dice = random.Random(seed)
        self._number = 0

    def whole(self, n, lat=23.1, status=0, command="UD"):
        """Return a frame of a badge that nobody has made yet."""
        self._number += 1
        t = int(NOON) - 10 - self._number % 1_000_000
        content = position(command, t, lat, 113.1, status, steps=self._number, fixed=self._dice.random() < 0.9)
        return frame(f"88{n:08d}", content)

    def outside(self):
        """Return a frame of a badge whose wearer is not at work, and its latitude, which nothing else has."""
        dice = self._dice
        lat = 40 + dice.randrange(10_000_000) / 1e6
        n = dice.choice([*range(AT_WORK, BADGES), BADGES + 5])
        return self.whole(n, lat), f"{lat:.6f}".encode()

    def odd(self):
        """Return bytes of which nothing is known."""
        dice = self._dice
        return dice.choice([self._mutated, self._mutated, self._strange, self._noise])()

    def _mutated(self):
        dice = self._dice
        data = bytearray(self.whole(dice.randrange(BADGES + 3), status=dice.choice((0, 0, SOS, 1 << 20))))
        for _ in range(dice.randint(1, 4)):
            place, what = dice.randrange(len(data) or 1), dice.randrange(5)
            if what == 0 and data:
                data[place] ^= 1 << dice.randrange(8)
            elif what == 1:
                del data[place : place + dice.randint(1, 30)]
            elif what == 2:
                data[place:place] = dice.choice([b"[", b"]", b"*", b",", b",,", b"\0", b"\xff", b"[3G*", "中".encode()])
            elif what == 3:
                data[place:place] = data[place : place + dice.randint(1, 60)]
            else:
                data[place : place + 6] = dice.choice([b"-9e99", b"nan", b"inf", b"0x10", b"\xd9\xa3\xd9\xa3", b"-1"])
        return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.2 else data)

    def _strange(self):
        dice = self._dice
        members = [dice.choice(["", "A", "V", "1", "-1", "FFFFFFFF", "010126", "999999", "é"]) for _ in range(20)]
        content = ",".join([dice.choice(COMMANDS), *members[: dice.randrange(21)]]).encode()
        serial = dice.choice([b"", b"*00A1", b"*zz"])
        number = dice.choice([b"8800000001", b"008800000002", b"1", b"9" * 20, b"9" * 30])
        return b"[%b*%b%b*%04X*%b]" % (dice.choice([b"3G", b"ZJ", b"x"]), number, serial, dice.randrange(99), content)

    def _noise(self):
        dice = self._dice
        return dice.choice([dice.randbytes(dice.choice((1, 20, 300, 5000))), b"~\x02\x00~", b"GET / HTTP/1.1\r\n\r\n"])


def run(folder, count, seed):
    """Return the account of so many frames."""
    dice, frames = random.Random(f"{seed} pieces"), Frames(seed)
    registry = msgspec.structs.replace(CITY, badges=BADGES_OF)
    at_work = {f"b{n}" for n in range(AT_WORK)}
    with closing(Log(folder / "log.db")) as log:
        admission = Admission(registry, QUANTITIES, lambda: NOON)
        judging = Judging(admission, registry, lambda badge, t: badge in at_work, lambda: NOON, b"secret")
        found, good, hidden = send(log, judging, frames, dice, count)
        found = dict(found) | settle(log, found, good, lambda entry: unpack(entry.payload)[1])
    there = set(re.findall(rb"4\d\.\d{6}", b"".join(path.read_bytes() for path in folder.glob("log.db*"))))
    return found | {"outside": len(hidden), "exposed": len(hidden & there)}


def send(log, judging, frames, dice, count):
    """Send, judge, commit, and count; return the account, the frames that must be in the log, and what must not."""
    found, splitter, made, good, hidden = Counter(), Splitter(), 0, set(), set()
    while made < count:
        sent = []
        for _ in range(min(BATCH, count - made)):
            kind, n = dice.random(), dice.randrange(BADGES)
            if kind < 0.2:
                sent.append(frames.whole(n % AT_WORK))
                good.add(sent[-1])
            elif kind < 0.3:
                sent.append(frames.whole(n, status=SOS, command="AL"))
                good.add(sent[-1])
            elif kind < 0.4:
                outside, lat = frames.outside()
                sent.append(outside)
                hidden.add(lat)
            else:
                sent.append(frames.odd())
            made += 1
        data = b"".join(sent)
        found["bytes"] += len(data)
        before, pieces, at = splitter.waiting, [], 0
        while at < len(data):
            size = dice.choice(PIECES)
            pieces += splitter.feed(data[at : at + size])
            at += size
        found["bytes_missing"] += len(data) + before - splitter.waiting - sum(len(one.raw) for one in pieces)
        log.commit(judged(judging, pieces, found), NOON)
        log.keep(5000)
    return found, good, hidden


def judged(judging, pieces, found):
    """Return the outcomes of pieces; count them."""
    outcomes = []
    for piece in pieces:
        found["frames"] += 1
        try:
            read = None if piece.junk else read_frame(piece.raw)
            verdict = judging.judge(Came(piece.raw, read, "127.0.0.1"))
            for one in verdict.outcomes:
                if isinstance(one, Refused):
                    judging.judge_again(one.topic, one.payload)
        except Exception:  # noqa: BLE001 - whatever it is, it is counted
            found["tracebacks"] += 1
            traceback.print_exc()
            continue
        if read is not None and verdict.badge is not None and calls_for_help(read):
            found["unanswered"] += read.command == "AL" and not verdict.reply
        found["conversation"] += not verdict.outcomes
        found["units"] += len(verdict.outcomes)
        found["tracebacks"] += sum(isinstance(one, Refused) and one.reason == "internal" for one in verdict.outcomes)
        outcomes += verdict.outcomes
    return outcomes


if __name__ == "__main__":
    command(__doc__, run, BAD)
