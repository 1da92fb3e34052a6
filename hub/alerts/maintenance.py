"""Maintenance windows: spans of time in which nobody is told of what happens at a site, or at one board of it.

All of it is here: the table, what is kept, and what an admin may ask for. A window that was taken back stays on record.
"""

import json
import sqlite3
from collections.abc import Callable, Collection

import msgspec

from hub.alerts.refusal import DeskError, as_written
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.storage.rows import insert, select, select_one
from schemas.language import Text

LONGEST = 92 * 86_400
"""Longest maintenance window [s]."""
FURTHEST = 366 * 86_400
"""How far in the future maintenance may begin [s]."""

TABLE = """
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,         -- empty: every board of the site
    begins REAL NOT NULL, ends REAL NOT NULL,
    reason TEXT NOT NULL,
    who TEXT NOT NULL, made REAL NOT NULL,
    removed_by TEXT, removed REAL -- a window that was taken back stays on record
);
CREATE INDEX maintenance_by_site ON maintenance (site, ends);
"""


class Maintenance(msgspec.Struct, kw_only=True):
    """A maintenance window. Times are Unix s."""

    id: int = 0
    """0: not in the database yet."""
    site: str
    device: str
    """Empty: every board of the site."""
    begins: float
    ends: float
    reason: str
    who: str
    """Who decided on it, and when."""
    made: float
    removed_by: str | None = None
    removed: float | None = None

    @property
    def shown(self) -> Text:
        """What stands in the audit trail of an alert of which nobody is told."""
        reason = f"{self.reason} ({self.who})"
        return Text(f"maintenance: {reason}", f"维护：{reason}")


class OpenedError(DeskError):
    """What another admin opened at the same site in the meantime, and must be read first."""

    def __init__(self, news: list[Maintenance]) -> None:
        who = ", ".join(sorted({window.who for window in news}))
        told = Text(
            f"{who} opened a window at this site meanwhile; read it, then decide",
            f"{who}已为该站点设置维护时段，请先查看再决定",
        )
        super().__init__("seen", told)
        self.news = news


class MaintenanceBook:
    """The maintenance windows in the compliance database behind `db`; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def find(self, id_: int | None) -> Maintenance | None:
        """Return a maintenance window by its number."""
        return select_one(self._db, Maintenance, "FROM maintenance WHERE id = ?", id_)

    def overlapping(self, site: str, device: str, begin: float, end: float) -> Maintenance | None:
        """Return a maintenance window of a board that overlaps a span of time (Unix s)."""
        return select_one(
            self._db,
            Maintenance,
            "FROM maintenance WHERE site = ? AND device IN ('', ?) AND begins <= ? AND ends > ? "
            "AND removed IS NULL ORDER BY ends DESC",
            site,
            device,
            end,
            begin,
        )

    def coming(self) -> list[Maintenance]:
        """Return the maintenance windows that are not over or taken back, the next first."""
        return select(
            self._db,
            Maintenance,
            "FROM maintenance WHERE removed IS NULL AND ends > ? ORDER BY begins, id",
            self._clock(),
        )

    def trail(
        self, before: tuple[float, int], most: int, *, since: float, who: str = "", sites: Collection[str] | None
    ) -> list[tuple[int, float, Maintenance]]:
        """Return at most so many acts, the newest first: each one's number, its moment (Unix s), and the window.

        The number is even where the window was opened, odd where it was taken back. `before`: only acts below this
        moment and number. `since`: then or later. `who`: only this one's. `sites`: of these; None: of all.
        """
        listed = None if sites is None else json.dumps(list(sites))
        found = self._db.execute(
            "SELECT number, time FROM (SELECT 2 * id AS number, made AS time, who, site FROM maintenance UNION ALL "
            "SELECT 2 * id + 1, removed, removed_by, site FROM maintenance WHERE removed IS NOT NULL) "
            "WHERE (time, number) < (?, ?) AND time >= ? AND ? IN ('', who) "
            "AND (? IS NULL OR site IN (SELECT value FROM json_each(?))) ORDER BY time DESC, number DESC LIMIT ?",
            (*before, since, who, listed, listed, most),
        ).fetchall()
        acts = [(number, time, self.find(number // 2)) for number, time in found]
        return [(number, time, window) for number, time, window in acts if window is not None]

    def last(self) -> int:
        """Return the number of the newest window, 0 when there is none."""
        return int(self._db.execute("SELECT ifnull(max(id), 0) FROM maintenance").fetchone()[0])

    def after(self, id_: int, site: str) -> list[Maintenance]:
        """Return the windows of a site that were opened behind a number and hold."""
        rest = "FROM maintenance WHERE id > ? AND site = ? AND removed IS NULL ORDER BY id"
        return select(self._db, Maintenance, rest, id_, site)

    def past(self, most: int) -> list[Maintenance]:
        """Return the newest windows that are over or were taken back."""
        rest = "FROM maintenance WHERE removed IS NOT NULL OR ends <= ? ORDER BY id DESC LIMIT ?"
        return select(self._db, Maintenance, rest, self._clock(), most)

    def add(
        self, site: str, device: str, begins: float, ends: float, reason: str, who: str, seen: int | None = None
    ) -> Maintenance:
        """Tell nobody of what happens at a site, or one board of it (`device`), from `begins` to `ends` (Unix s).

        `seen`: the number of the newest window that `who` had read of: what another one opened at the site since then
        is told in place of acting (`OpenedError`), and a form that was sent twice opens one window.

        Raises:
            DeskError: it ends before it begins, or in the past, is too long or too far away, or has no reason.
        """
        now = self._clock()
        if ends <= begins:
            raise DeskError("to", Text("must be later than from", "须晚于开始时间"), 422)
        if ends <= now:
            raise DeskError("to", Text("lies in the past", "已是过去时间"), 422)
        if ends - begins > LONGEST:
            days = f"{LONGEST / 86_400:.0f}"
            raise DeskError(
                "to",
                Text(
                    f"must be at most {days} days after from: what is forgotten must not keep a site silent for ever",
                    f"最长{days}天：以免遗忘后站点长期不告警",
                ),
                422,
            )
        if begins > now + FURTHEST:
            raise DeskError("from", Text("must lie within a year", "须在一年以内"), 422)
        as_written(reason, needed="reason")
        window = Maintenance(site=site, device=device, begins=begins, ends=ends, reason=reason, who=who, made=now)
        with transaction(self._db):
            news = [] if seen is None else self.after(seen, site)
            same = (device, begins, ends, reason, who)
            for one in news:
                if (one.device, one.begins, one.ends, one.reason, one.who) == same:
                    return one
            if others := [one for one in news if one.who != who]:
                raise OpenedError(others)
            window.id = insert(self._db, "INSERT INTO maintenance", window)
        return window

    def remove(self, id_: int, who: str, *, again: bool = False) -> None:
        """Take a maintenance window back; it stays on record.

        `again`: it may be a form that was sent twice, so what `who` has taken back already is no mistake.

        Raises:
            DeskError: there is no such window, or another one was quicker.
        """
        with transaction(self._db):
            there = self.find(id_) if again else None
            if there is not None and there.removed is not None:
                if there.removed_by == who:
                    return
                by = there.removed_by
                raise DeskError("id", Text(f"{by} has taken window {id_} back already", f"{by}已撤回维护时段{id_}"))
            changed = self._db.execute(
                "UPDATE maintenance SET removed = ?, removed_by = ? WHERE id = ? AND removed IS NULL",
                (self._clock(), who, id_),
            ).rowcount
        if not changed:
            raise DeskError("id", Text(f"there is no maintenance window {id_}", f"没有维护时段{id_}"), 404)


def check_place(registry: Registry, site: str, board: str) -> None:
    """Refuse a site, or a board (empty: all of the site's), that the registry does not have there.

    Raises:
        DeskError: it has not.
    """
    sender = registry.sender(board)
    board_site = sender.site if sender else None
    if site not in registry.sites:
        raise DeskError("site", Text(f"the registry has no site {site!r}", f"登记册中没有站点{site!r}"), 422)
    if board and board_site != site:
        text = Text(f"the site {site!r} has no board {board!r}", f"登记册中站点{site!r}没有设备{board!r}")
        raise DeskError("board", text, 422)
