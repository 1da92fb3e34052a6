"""Brings a version to the boards, wave after wave, and back: one step after the other, each whole or not at all.

A step takes what boards have said since the last one, from the log, and decides what follows; both are one transaction
with the position in the log. So the hub may be killed at any moment, and another process goes on with the same step.

What is believed is a board's own status, which names the version that runs: the reply to the order alone proves
nothing. A version whose boot trial fails goes back by itself (edge/boot.py), and its board is heard with the old one.
"""

import datetime as dt
import hashlib
import logging
import math
import re
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from hub.access.names import HUB
from hub.log.reader import LogReader, reading_log
from hub.orders.book import NEVER_TAKEN, UNKNOWN, Asked, Order, OrderBook
from hub.orders.kinds import Kind, OrderError
from hub.orders.waves import health
from hub.orders.waves.book import (
    ALL_BACK,
    HAVE_IT,
    UNDER_WAY,
    WENT_BACK,
    Rollout,
    RolloutBoard,
    RolloutBook,
    said,
    text_of,
)
from hub.orders.waves.shelf import Bundle, number
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.wire.messages import DECODERS, Event, Status
from hub.wire.topics import Topic
from schemas.language import Text

AT_ONCE = 100
"""Boards that fetch a bundle at once: the hub's HTTP server answers 128 requests at once."""
TAKES = 1800.0
"""How long an order to update may wait for its board [s]."""
SILENT = 1800.0
"""A board must be heard again within so long after it has started another version [s]; its own trial ends before."""
ANSWERS = 600.0
"""A board that was watched must say within so long how it is [s]."""
PAUSE = 60.0
"""Before an order that was refused is given again [s]: bundles go on with the files that are missing."""
MOST_TRIES, MOST_BACK = 3, 5
"""How often a version is ordered, and the one to go back to."""
RECORDS_WITHIN = 180.0
"""A board that measures has sent records in that time [s]: the longest are of 60 s."""
REASON_WITHIN = 30.0
"""So long after a board was heard to have gone back its reason is waited for [s]."""
LATEST = 24
"""So many of a board's newest statuses tell how it was before."""
_THIS_BOARD = re.compile(r"this board is (\w+) with")
"""How a board that is offered a bundle for others names its architecture (edge/update.py)."""


log = logging.getLogger("hub.orders")


def latest_statuses(entries: LogReader, registry: Registry, device: str, most: int = LATEST) -> list[Status]:
    """Return the newest statuses of a board where it belongs now, the newest first."""
    site = registry.site_of(device)
    payloads = entries.latest(str(Topic(site.district, site.id, device, "status")), most)
    statuses = [DECODERS["status"].decode(payload) for payload in payloads]
    return [status for status in statuses if isinstance(status, Status)]


def versions_of(entries: LogReader, registry: Registry, now: float) -> dict[str, str]:
    """Return which version each board that is not retired runs, as it said last; empty: it was never heard."""
    today = dt.datetime.fromtimestamp(now, registry.zone).date()
    versions = {}
    for device in registry.boards:
        if not registry.is_retired(device, today):
            newest = latest_statuses(entries, registry, device, 1)
            versions[device] = newest[0].agent if newest and isinstance(newest[0].agent, str) else ""
    return versions


class Rolling:
    """What `step` needs beside the database; it may be made anew at any time.

    `log_file`: the log. `address`: where boards fetch bundles; a bundle's files are below it and its SHA-256.
    """

    def __init__(self, log_file: Path, address: str) -> None:
        self._log_file = log_file
        self._address = address.rstrip("/")
        self._online: dict[str, bool] = {}
        self._known: tuple[int, Registry] | None = None  # of what `_online` and `_topics` are
        self._topics: list[str] = []

    def step(self, db: sqlite3.Connection, registry: Registry, now: float) -> None:
        """Do what is due now."""
        book = RolloutBook(db)
        newest = book.newest()
        if not self._address or newest is None:
            return
        with reading_log(self._log_file) as entries:
            self._learn(newest, book, entries, registry)
            with transaction(db):
                rollout = book.get(newest.id)
                _Step(book, OrderBook(db), rollout, registry, entries, self._address, self._online, now).run(
                    self._topics
                )

    def _learn(self, rollout: Rollout, book: RolloutBook, entries: LogReader, registry: Registry) -> None:
        """Find out whose words to take, and who is connected; from then on statuses tell."""
        if self._known is not None and self._known[0] == rollout.id and self._known[1] is registry:
            return
        self._online, self._topics = {}, []
        for board in book.boards(rollout.id):
            if board.device in registry.boards:
                site = registry.site_of(board.device)
                place = site.district, site.id, board.device
                self._topics += [str(Topic(*place, "status")), str(Topic(*place, "event"))]
                newest = latest_statuses(entries, registry, board.device, 1)
                self._online[board.device] = bool(newest) and _can_be_told(newest[0])
        self._known = rollout.id, registry


class _Step:
    """One step, inside a transaction."""

    def __init__(
        self,
        book: RolloutBook,
        orders: OrderBook,
        rollout: Rollout,
        registry: Registry,
        entries: LogReader,
        address: str,
        online: dict[str, bool],
        now: float,
    ) -> None:
        self._book, self._orders, self._rollout, self._registry = book, orders, rollout, registry
        self._entries, self._address, self._online, self._now = entries, address, online, now
        self._paused = False  # it is about to halt

    def run(self, topics: list[str]) -> None:
        """Take what was said, end what is over, judge, go on."""
        self._hear(topics)
        moving = self._book.devices(self._rollout.id, *UNDER_WAY, "leaving", "returning")
        for device in moving - self._registry.boards.keys():
            if board := self._book.board(self._rollout.id, device):
                self._fail(board, "failed", Text("it was taken out of the registry", "已从登记册移除"))
        for board in self._book.boards(self._rollout.id, "ordered", "returning", "asked"):
            self._look_at_order(board)
        for board in self._book.watched(self._rollout.id, self._now - self._rollout.watch):
            self._order(board, "asked", "ping", {}, ANSWERS)
        if self._rollout.state == "running":
            self._halt_or_go_on()
        self._send_back()
        if self._rollout.state != "halted" and not self._paused:
            self._send_out()

    # What boards say.

    def _hear(self, topics: list[str]) -> None:
        after = self._rollout.heard
        for entry in self._entries.said(topics, after):
            after = entry.offset
            board = self._book.board(self._rollout.id, entry.place.device)
            if board is None:
                continue
            if isinstance(entry.said, Status):
                self._online[board.device] = _can_be_told(entry.said)
                if entry.said.online:
                    self._hear_status(board, entry.said, entry.received)
            elif isinstance(entry.said, Event) and entry.said.event == "update" and isinstance(entry.said.detail, dict):
                self._hear_problem(board, str(entry.said.detail.get("problem", "")))
        if after != self._rollout.heard:
            self._book.has_heard(self._rollout.id, after)

    def _hear_status(self, board: RolloutBoard, status: Status, received: float) -> None:
        text = msgspec.json.encode(status).decode()
        if status.agent == self._rollout.version:
            if board.state in ("waiting", "ordered") and self._rollout.back:
                self._set(board, "leaving", first=text, last=text, tries=0, board_order=None, why=said(ALL_BACK))
            elif board.state in ("waiting", "ordered"):
                # Of one that waits somebody has brought it by cable.
                self._set(board, "watched", first=text, last=text, statuses=1, wave=self._wave_of(board))
            elif board.state == "failed":
                self._set(board, "leaving", first=text, last=text, tries=0, board_order=None)
            elif board.state in HAVE_IT:
                self._book.change(self._rollout.id, board.device, last=text, statuses=board.statuses + 1)
        elif board.state in HAVE_IT:
            self._fail(board, "returned", WENT_BACK)
        elif board.state in ("leaving", "returning", "stuck"):
            self._has_returned(board)
        elif board.state == "ordered" and board.board_order is not None:
            order = self._orders.get(board.board_order)
            if order.state == "done" and order.ended is not None and received > order.ended:
                self._fail(board, "returned", WENT_BACK)

    def _hear_problem(self, board: RolloutBoard, why: str) -> None:
        """Take why a board has gone back by itself; it may come before or after the status that shows it."""
        if not why.startswith(f"{self._rollout.version}: "):
            return
        if board.state in UNDER_WAY or board.state == "healthy":
            self._fail(board, "returned", Text(why, why))
        elif board.state in ("returned", "failed"):
            self._book.change(self._rollout.id, board.device, why=said(Text(why, why)))

    def _has_returned(self, board: RolloutBoard) -> None:
        if not board.failed and self._rollout.state != "halted":  # resumed meanwhile
            self._set(board, "waiting", tries=0, board_order=None, why="")
        else:
            self._set(board, "returned", tries=0)

    # What came of orders.

    def _look_at_order(self, board: RolloutBoard) -> None:
        if board.board_order is None:
            return
        order = self._orders.get(board.board_order)
        if order.state in ("waiting", "sent"):
            return
        if board.state == "asked":
            self._judge(board, order)
        elif order.state == "done":
            if order.ended is not None and self._now > order.ended + SILENT:
                silent = Text("it has started another version and was not heard since", "更换版本后失去联系")
                self._fail(board, "failed" if board.state == "ordered" else "stuck", silent)
        elif order.state == "expired" and order.answer.startswith(NEVER_TAKEN):
            if board.state == "returning":
                self._set(board, "leaving", board_order=None)
            else:  # away: another one is chosen in its place, except in the last wave
                self._set(board, "waiting", board_order=None, wave=None)
        else:
            self._try_again(board, order)

    def _try_again(self, board: RolloutBoard, order: Order) -> None:
        """Give an order again that was refused, or of which nothing is known, unless it was given often enough."""
        arch = _THIS_BOARD.search(order.answer)
        if arch and arch[1] != board.arch:  # it was offered a bundle for others, and has named its own
            self._set(board, "waiting" if board.state == "ordered" else "leaving", arch=arch[1], board_order=None)
            return
        why = Text("no answer", "没有答复") if order.answer == UNKNOWN else Text(order.answer, order.answer)
        tries = board.tries + 1
        if board.state == "ordered":
            if tries >= MOST_TRIES:
                self._fail(board, "failed", why)
            else:
                self._set(board, "waiting", tries=tries, why=said(why), board_order=None)
        elif tries >= MOST_BACK:
            self._set(board, "stuck", tries=tries, why=said(why))
        else:
            self._set(board, "leaving", tries=tries, board_order=None)

    def _judge(self, board: RolloutBoard, order: Order) -> None:
        """Compare a board that was watched with how it was before."""
        if order.state != "done":
            self._fail(board, "leaving", Text(f"it does not answer: {order.answer}", f"没有答复：{order.answer}"))
            return
        decode = DECODERS["status"].decode
        first, last = decode(board.first), decode(board.last)
        assert isinstance(first, Status)
        assert isinstance(last, Status)
        problem = health.problem(
            msgspec.json.decode(board.before, type=health.Before) if board.before != "{}" else health.Before(""),
            first,
            last,
            statuses=board.statuses,
            hours=(self._now - board.since) / 3600,
            recording=board.device in self._recording,
        )
        if problem is None:
            self._set(board, "healthy", board_order=None)
        else:
            self._fail(board, "leaving", problem)

    @property
    def _recording(self) -> set[str]:
        """The boards from which records have come lately."""
        if not hasattr(self, "_recorders"):
            self._recorders = self._entries.recording(self._now - RECORDS_WITHIN)
        return self._recorders

    # What follows.

    def _halt_or_go_on(self) -> None:
        waves = self._book.waves(self._rollout.id)
        for wave, (size, failed) in sorted(waves.items()):
            allowed = math.floor(size * self._rollout.tolerate / 100)
            if failed > allowed:
                boards = [one for one in self._book.boards(self._rollout.id) if one.failed == 1 and one.wave == wave]
                # Why a board has gone back comes just after the status that shows it.
                if any(one.why == said(WENT_BACK) and self._now < one.since + REASON_WITHIN for one in boards):
                    self._paused = True
                else:
                    self._halt(wave, size, boards, allowed)
                return
        size, _ = waves.get(self._rollout.wave, (0, 0))
        if self._book.devices(self._rollout.id, *UNDER_WAY) or self._book.chosen(self._rollout.id) or self._free():
            return
        if size or self._rollout.last_wave:
            self._book.advance(self._rollout, self._now)
            self._rollout = self._book.get(self._rollout.id)
            log.info("update to %s: %s", self._rollout.version, self._rollout.state)

    def _halt(self, wave: int, size: int, boards: list[RolloutBoard], allowed: int) -> None:
        failed, shown = len(boards), boards[:5]
        why = Text(
            f"wave {wave + 1}: {failed} of {size} boards failed, {allowed} may: "
            + "; ".join(f"{one.device}: {text_of(one.why).en}" for one in shown),
            f"第{wave + 1}批：{size}台中{failed}台失败，允许{allowed}台："
            + "；".join(f"{one.device}：{text_of(one.why).zh}" for one in shown),
        )
        self._book.stop(self._rollout, HUB, why, self._now, back=True)
        self._rollout = self._book.get(self._rollout.id)
        log.warning("update to %s halts and goes back: %s", self._rollout.version, why.en)

    def _free(self) -> list[str]:
        """Return the connected boards that are to be chosen for the wave that is under way, in a sequence of chance."""
        unchosen = self._book.unchosen(self._rollout.id)
        waiting = [device for device in unchosen & self._registry.boards.keys() if self._online.get(device)]
        counts = self._book.counts(self._rollout.id)
        percent = self._rollout.percents[self._rollout.wave]
        target = max(self._rollout.wave + 1, math.ceil(sum(counts.values()) * percent / 100))
        missing = target - sum(size for size, _ in self._book.waves(self._rollout.id).values())
        if missing <= 0 or not waiting:
            return []
        return sorted(waiting, key=lambda id_: hashlib.sha256(f"{self._rollout.id} {id_}".encode()).digest())[:missing]

    def _room(self) -> int:
        """Return how many more boards may fetch a bundle now."""
        counts = self._book.counts(self._rollout.id)
        return max(0, AT_ONCE - counts.get("ordered", 0) - counts.get("returning", 0))

    def _send_out(self) -> None:
        room = self._room()
        if not room:
            return
        due = [b for b in self._book.chosen(self._rollout.id) if self._now >= b.since + (PAUSE if b.tries else 0)]
        free = [self._book.board(self._rollout.id, id_) for id_ in self._free()[: max(0, room - len(due))]]
        for board in [*due, *filter(None, free)][:room]:
            self._update(board)

    def _update(self, board: RolloutBoard) -> None:
        was = health.before(latest_statuses(self._entries, self._registry, board.device))
        if was is None:
            return  # it was never heard to name its version
        later = number(was.agent) > number(self._rollout.version)
        wave = self._wave_of(board)
        self._book.change(self._rollout.id, board.device, wave=wave, before=msgspec.json.encode(was).decode())
        if was.agent == self._rollout.version:
            text = msgspec.json.encode(latest_statuses(self._entries, self._registry, board.device, 1)[0]).decode()
            self._set(board, "watched", first=text, last=text, statuses=1)
        elif later and not self._rollout.downgrade:
            self._fail(board, "failed", Text(f"it runs {was.agent}, which is later", f"现用版本{was.agent}更高"))
        else:
            self._order_version(board, "ordered", self._rollout.version, downgrade=later)

    def _send_back(self) -> None:
        room = self._room()
        for board in self._book.boards(self._rollout.id, "leaving"):
            if room <= 0:
                return
            if not self._online.get(board.device) or self._now < board.since + (PAUSE if board.tries else 0):
                continue
            was = msgspec.json.decode(board.before, type=health.Before) if board.before != "{}" else health.Before("")
            if not self._book.shelf.of(was.agent):
                lost = Text(f"the hub has no bundle of {was.agent or '?'}", f"没有{was.agent or '?'}的软件包")
                before = text_of(board.why)
                self._set(board, "stuck", why=said(Text(f"{before.en}; {lost.en}", f"{before.zh}；{lost.zh}")))
                continue
            room -= 1
            self._order_version(
                board, "returning", was.agent, downgrade=number(was.agent) < number(self._rollout.version)
            )

    def _order_version(self, board: RolloutBoard, state: str, version: str, *, downgrade: bool) -> None:
        bundle = _for_arch(self._book.shelf.of(version), board.arch or self._book.arch(board.device))
        if bundle is None:
            missing = Text(
                f"there is no bundle of {version} for {board.arch}", f"没有{version}适用于{board.arch}的软件包"
            )
            self._fail(board, "failed" if state == "ordered" else "stuck", missing)
            return
        settings = {"url": f"{self._address}/{bundle.sha256}", "sha256": bundle.sha256}
        self._order(board, state, "update", settings | ({"downgrade": True} if downgrade else {}), TAKES)

    def _order(self, board: RolloutBoard, state: str, what: Kind, settings: dict[str, Any], lives: float) -> None:
        if board.device not in self._registry.boards:
            return
        site = self._registry.site_of(board.device)
        reason = f"update to {self._rollout.version}"
        asked = Asked(board.device, site.district, site.id, what, settings, HUB, reason, lives)
        try:
            order = self._orders.add(asked, self._now)
        except OrderError:
            return  # others wait there already: next time
        since = board.since if state == "asked" else self._now
        self._set(board, state, board_order=order.id, since=since)

    def _fail(self, board: RolloutBoard, state: str, why: Text) -> None:
        self._set(board, state, failed=board.failed or 1, why=said(why), tries=0, board_order=None)
        log.info("update to %s: %s %s: %s", self._rollout.version, board.device, state, why.en)

    def _set(self, board: RolloutBoard, state: str, **values: object) -> None:
        self._book.change(self._rollout.id, board.device, **({"state": state, "since": self._now} | values))

    def _wave_of(self, board: RolloutBoard) -> int:
        return self._rollout.wave if board.wave is None else board.wave


def _can_be_told(status: Status) -> bool:
    """Tell whether a board is connected, and says which version it runs."""
    return status.online and isinstance(status.agent, str)


def _for_arch(bundles: list[Bundle], arch: str) -> Bundle | None:
    """Return the bundle for an architecture; for one that is not known, any: the board says what it is."""
    return next((one for one in bundles if not arch or one.arch == arch), None)
