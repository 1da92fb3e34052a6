"""Decides whether the hub's time can be trusted, and which one it is after a jump.

Four witnesses: the machine's ticks since the last time the clock was right, also across a restart of the hub; the
newest message in the log; the boards, each of which says with every record what time it has; and the kernel, which
knows whether a time server keeps its clock.

A board's word is kept as an offset: the time it claims less the ticks when it was heard. So what it said before a jump
counts as much as what it says after it. Records that waited in an outbox or at the broker are older than the time at
which they were sent, never newer: a board that lags says nothing, a board that is ahead does.
"""

import ctypes
import datetime as dt
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

import msgspec

from hub.process.clock import TOLERANCE, Clock, Held, ticks
from schemas.language import Text

LAG, AHEAD = 180.0, 120.0
"""A board confirms a time when its newest record ends at most so much before it or after it [s]."""
FUTURE = 300.0
"""A board whose records end later than this after the hub's time has another time [s]."""
BEHIND = 600.0
"""Boards that keep the same distance beyond this are not late: their clocks and the hub's differ [s]."""
LIVE = 30.0
"""For so long they must have kept it [s]."""
OUTSIDE = 400 * 86_400.0
"""No outbox holds a record for so long [s]."""
HEARD = 150.0
"""A board's word counts for so long: some send only once a minute [s]."""
AWAY = 300.0
"""When the log's newest message is older than this at the start, the hub was away, or its clock is wrong [s]."""
ALONE, ALONE_SYNCHRONISED = 3600.0, 600.0
"""When no board can be heard, a clock that goes evenly for so long is believed; sooner if the kernel vouches for it
[s]."""
UNPROVEN = 86_400.0
"""A clock that no board has confirmed is good enough for pruning after so long [s]."""
FILE = "clock.json"
DRIFT = 1e-4
"""By so much of the machine's run its ticks may be wrong where no hub corrects them little by little."""
LOOK_EVERY = 10.0
"""Between two looks while nothing is in doubt [s]."""

log = logging.getLogger("hub.clock")


class Anchor(msgspec.Struct, frozen=True):
    """The file `clock.json`: what is known of the time since the machine's start."""

    boot: str
    offset: float


class _Word(msgspec.Struct, gc=False):
    """What a board claims: offsets, and the ticks when it did; `first_at`: since when it has been heard."""

    best: float
    best_at: float
    last: float
    last_at: float
    first_at: float


class HubClock(Clock):
    """The clock of the process that takes messages; it decides for all of the hub's processes.

    Args:
        wall: gives the system's time, Unix s.
        rate: see `Clock`.
        steady: see `Clock`.
        folder: where the anchor is kept; None keeps none.
        newest: when the log's newest message was received, Unix s; None when there is none.
        synchronised: tells whether a time server keeps the system's clock; None: not known.
        boot: names the machine's run; empty: not known.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        rate: float = 1.0,
        *,
        folder: Path | None = None,
        newest: float | None = None,
        steady: Callable[[], float] = ticks,
        synchronised: "Callable[[], bool | None] | None" = None,
        boot: str | None = None,
    ) -> None:
        super().__init__(wall, rate, None, steady)
        self._synchronised = synchronised or kernel_synchronised
        self._boot = boot_id() if boot is None else boot
        self._file = folder / FILE if folder and self._boot else None
        self._words: dict[str, _Word] = {}
        self._began = self._doubted = self._looked = self.steady()
        self._live: tuple[float, float] | None = None  # since when, by the ticks, most boards have kept which offset
        self.proven = False
        """Boards have confirmed the time, or it goes on from one that they had confirmed."""
        self.confirmed = (0, 0)
        """How many boards confirm the time, of how many that were heard lately."""
        self._cause: tuple[object, ...] = ()  # of the doubt
        self._kept: float | None = None  # the offset in the anchor's file
        self._begin(newest)

    def look(self, ends: Mapping[str, float]) -> None:
        """Take the ends of the boards' newest records that have come since the last look, Unix s, and decide."""
        steady = self.steady()
        for device, end in ends.items():
            self._hear(device, end - steady, steady)
        jump = self._wall() - steady - self.held.offset
        calm = abs(jump) < self._tolerance and self.doubt is None
        if calm and self.proven and steady - self._looked < LOOK_EVERY * self._rate:
            return
        self._looked = steady
        self._decide(steady, jump)

    @property
    def may_prune(self) -> bool:
        """Whether the time is good enough for what cannot be brought back."""
        return self.doubt is None and (self.proven or self.steady() - self._began >= UNPROVEN)

    def _begin(self, newest: float | None) -> None:
        anchor = self._read_anchor()
        if anchor is not None:
            # The same run of the machine: what the ticks say holds, whatever the clock says now.
            self.proven = True
            self.held = Held(anchor.offset)
            self._decide(self.steady(), self._wall() - self.steady() - anchor.offset)
            return
        now = self._wall()
        if newest is None:
            return
        away = now - newest
        if away <= -self._tolerance:
            why = Text(
                f"the system's clock says {shown(now)}, and the log's newest message came at {shown(newest)}; "
                "set the clock (NTP)",
                f"系统时钟为{shown(now)}，而日志中最新消息的接收时间为{shown(newest)}；请校准时钟（NTP）",
            )
            self._doubt(("start",), why)
        elif away > AWAY * self._rate:
            why = Text(
                f"nothing came into the log for {span(away)}: the hub was away for so long, or the system's clock, "
                f"which says {shown(now)}, is wrong; the next boards heard will tell",
                f"日志已有{span(away)}无新消息：数据中心停运已久，或系统时钟（{shown(now)}）有误；收到设备数据后即可确认",
            )
            self._doubt(("start",), why)

    def _hear(self, device: str, claim: float, steady: float) -> None:
        word = self._words.get(device)
        if word is None or steady - word.last_at > HEARD * self._rate:
            self._words[device] = _Word(claim, steady, claim, steady, steady)
            return
        word.last, word.last_at = claim, steady
        if claim >= word.best or steady - word.best_at > HEARD * self._rate:
            word.best, word.best_at = claim, steady

    def _decide(self, steady: float, jump: float) -> None:
        words = [word for word in self._words.values() if steady - word.last_at <= HEARD * self._rate]
        offset, seen = self.held.offset, self.held.offset + jump
        if abs(jump) < self._tolerance:
            self._stay(words, seen, steady)
        elif self._majority(words, seen):
            log.warning("the system's clock was set by %+.0f s, and the boards say that this is right", jump)
            self._believe(seen, proven=True)
        elif not words and steady - self._doubted >= self._alone() and self.doubt:
            log.warning("the system's clock was set by %+.0f s; no board can be asked, and it goes evenly", jump)
            self._believe(seen, proven=False)
        else:
            known = self._majority(words, offset)
            told = (
                Text("boards confirm that it is wrong", "设备数据证实其有误")
                if known
                else Text("the next boards heard will tell", "收到设备数据后即可确认")
            )
            it_says, passed = shown(steady + seen), shown(steady + offset)
            why = Text(
                f"the system's clock jumped by {signed(jump)}: it says {it_says}, and by the time that has passed it "
                f"is {passed}; {told.en}. Set it right (NTP)",
                f"系统时钟跳变{signed(jump)}：时钟显示{it_says}，按实际流逝时间应为{passed}；{told.zh}。请校准时钟（NTP）",
            )
            self._doubt(("jump", known, round(jump / self._tolerance)), why)

    def _stay(self, words: list[_Word], seen: float, steady: float) -> None:
        """Decide while the system's clock goes as the ticks do."""
        jumped = self._cause[:1] == ("jump",)
        self.held = msgspec.structs.replace(self.held, offset=seen)  # what a time server corrects little by little
        ahead = sum(not -OUTSIDE <= word.last - seen <= FUTURE * self._rate for word in words)
        if self._majority(words, seen):
            self._believe(seen, proven=True)
        elif ahead >= 2 and 2 * ahead > len(words):
            self._contradict(words, seen, steady, ahead)
        elif not self.proven and self._all_behind(words, seen, steady):
            self._contradict(words, seen, steady, len(words))
        elif jumped or (self.doubt and not words and steady - self._doubted >= self._alone()):
            self._believe(seen, proven=self.proven)

    def _all_behind(self, words: list[_Word], seen: float, steady: float) -> bool:
        """Tell whether most boards keep one and the same distance, heard again and again.

        Old records that come in a hurry do not keep it, and what waited at the broker is heard once.
        """
        behind = [word.last for word in words if word.last - seen < -BEHIND * self._rate]
        if len(behind) < 2 or 2 * len(behind) <= len(words):
            self._live = None
            return False
        middle = median(behind)
        if self._live is None or abs(middle - self._live[1]) > LIVE / 2 * self._rate:
            self._live = steady, middle
        again = sum(word.last_at - word.first_at >= LIVE * self._rate for word in words)
        return steady - self._live[0] >= LIVE * self._rate and 2 * again > len(words)

    def _contradict(self, words: list[_Word], seen: float, steady: float, others: int) -> None:
        theirs, ours = shown(steady + median(word.last for word in words)), shown(steady + seen)
        why = Text(
            f"{others} of {len(words)} boards say that it is about {theirs}, the hub's clock says {ours}. Set the "
            "hub's clock (NTP), or mend the boards' time server",
            f"{len(words)}台设备中有{others}台的时间约为{theirs}，而数据中心时钟为{ours}。"
            "请校准数据中心时钟（NTP），或修复设备的授时服务器",
        )
        self._doubt(("boards",), why)

    def _majority(self, words: list[_Word], offset: float) -> bool:
        low, high = offset - LAG * self._rate, offset + AHEAD * self._rate
        agree = sum(low <= word.best <= high or low <= word.last <= high for word in words)
        self.confirmed = agree, len(words)
        return 2 * agree > len(words)

    def _alone(self) -> float:
        return (ALONE_SYNCHRONISED if self._synchronised() else ALONE) * self._rate

    def _doubt(self, cause: tuple[object, ...], why: Text) -> None:
        if cause == self._cause:
            return
        self._cause = cause
        if self.doubt is None:
            self._doubted = self.steady()
            log.error(
                "the hub's time is in doubt: %s. Until that is clear nothing is judged, pruned, escalated or "
                "acknowledged; what comes is kept",
                why.en,
            )
        since = self.held.since or self.held.offset + self.steady()
        self.held = msgspec.structs.replace(self.held, doubt=why, since=since)

    def _believe(self, offset: float, *, proven: bool) -> None:
        if self.doubt:
            log.warning("the hub's time is %s and no more in doubt", shown(offset + self.steady()))
        moved = abs(offset - self._kept) >= 1 if self._kept is not None else True
        self.held = Held(offset)
        self._cause, self._live = (), None
        self.proven = proven
        if proven and moved:
            self._keep_anchor()

    def _read_anchor(self) -> Anchor | None:
        anchor = _read_anchor(self._file, self._boot) if self._file else None
        if anchor:
            self._kept = anchor.offset
        return anchor

    def _keep_anchor(self) -> None:
        if self._file is None:
            return
        draft = self._file.with_name(f"{self._file.name}.part")
        with suppress(OSError):  # without it the next start asks the log and the boards
            draft.touch(0o600)
            draft.write_bytes(msgspec.json.encode(Anchor(self._boot, self.held.offset)))
            draft.replace(self._file)
            self._kept = self.held.offset


def doubt_beside(
    folder: Path,
    newest: float | None,
    wall: Callable[[], float] = time.time,
    steady: Callable[[], float] = ticks,
    boot: str | None = None,
) -> Text | None:
    """Return why a command beside the hub, or without one, cannot trust the system's clock; None: nothing says so.

    By the ticks since a hub had the right time in the same run of the machine, and by the newest message in its log
    (`newest`, Unix s). `folder`: the hub's data.
    """
    now, ticked = wall(), steady()
    anchor = _read_anchor(folder / FILE, boot_id() if boot is None else boot)
    jump = now - ticked - anchor.offset if anchor else 0.0
    if anchor and abs(jump) >= TOLERANCE + DRIFT * ticked:
        right = shown(ticked + anchor.offset)
        return Text(
            f"the system's clock says {shown(now)}, and by the time that has passed it is {right}; set it right (NTP)",
            f"系统时钟显示{shown(now)}，按实际流逝时间应为{right}；请校准时钟（NTP）",
        )
    if newest is not None and now <= newest - TOLERANCE:
        return Text(
            f"the system's clock says {shown(now)}, and the log's newest message came at {shown(newest)}; "
            "set the clock (NTP)",
            f"系统时钟为{shown(now)}，而日志中最新消息的接收时间为{shown(newest)}；请校准时钟（NTP）",
        )
    return None


def _read_anchor(file: Path, boot: str) -> Anchor | None:
    with suppress(OSError, msgspec.DecodeError):
        anchor = msgspec.json.decode(file.read_bytes(), type=Anchor)
        if anchor.boot == boot:
            return anchor
    return None


def boot_id() -> str:
    """Return a name for this run of the machine; empty where the system gives none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def kernel_synchronised() -> bool | None:
    """Tell whether the kernel says that a time server keeps its clock (adjtimex(2)); None where it cannot be asked."""
    if sys.platform != "linux":
        return None
    status = (ctypes.c_char * 1024)()  # struct timex with mode 0: nothing is changed
    state = ctypes.CDLL(None).adjtimex(status)
    return None if state < 0 else bool(state != 5)  # TIME_ERROR


def shown(t: float) -> str:
    """Return a moment as people read it, in UTC."""
    with suppress(OverflowError, ValueError, OSError):
        return f"{dt.datetime.fromtimestamp(t, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{t:.0f} s"


def span(seconds: float) -> str:
    """Return a length of time as people read it."""
    seconds = abs(seconds)
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.1f} d"


def signed(seconds: float) -> str:
    """Return a step as people read it."""
    return f"{'+' if seconds > 0 else '-'}{span(seconds)}"
