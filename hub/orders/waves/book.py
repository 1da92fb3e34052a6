"""A version on its way to all boards, in compliance.db: what people ask for, and how far each board is.

A board is in one of these states:

- `waiting`: nothing has been sent to it; it is not its turn, or it is away. `ordered`: it was told of the version.
- `watched`: it was heard with the version. `asked`: it was watched for long enough, and says once more how it is.
- `healthy`: it works with the version as well as before.
- `leaving`: it is to go back to what it ran before. `returning`: it was told so. `returned`: it was heard with that.
- `failed`: it never ran the version, or was never heard with it. `stuck`: it can't be brought back by the hub.

The whole is `running`, `halted` (by itself, or by somebody), or `done`: then boards that were away are still served.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from hub.access.names import HUB
from hub.orders.kinds import OrderError
from hub.orders.waves.shelf import Shelf, number
from hub.storage.database import transaction
from schemas.language import Text

BoardState = Literal[
    "waiting", "ordered", "watched", "asked", "healthy", "leaving", "returning", "returned", "failed", "stuck"
]
RolloutState = Literal["running", "halted", "done"]
UNDER_WAY: tuple[BoardState, ...] = ("ordered", "watched", "asked")
WENT_BACK = Text("it went back by itself", "已自行退回")
ALL_BACK = Text("all go back", "全部退回")
HAVE_IT: tuple[BoardState, ...] = ("watched", "asked", "healthy")


class Rollout(msgspec.Struct, frozen=True):
    """A version that is brought to all boards, as its table has it (hub/orders/waves/tables.py)."""

    id: int
    version: str
    waves: str
    tolerate: float
    watch: float
    downgrade: int
    who: str
    reason: str
    made: float
    state: RolloutState
    back: int
    wave: int
    heard: int
    why: str

    @property
    def percents(self) -> list[float]:
        """The waves, in percent of the boards."""
        percents: list[float] = json.loads(self.waves)
        return percents

    @property
    def last_wave(self) -> bool:
        """Whether it is all boards' turn."""
        return self.wave + 1 >= len(self.percents)


class RolloutBoard(msgspec.Struct, frozen=True):
    """How far a board is, as its table has it."""

    device: str
    state: BoardState
    failed: int
    wave: int | None
    arch: str
    before: str
    first: str
    last: str
    statuses: int
    board_order: int | None
    tries: int
    since: float
    why: str


class RolloutStep(msgspec.Struct, frozen=True):
    """A step of the audit trail."""

    time: float
    who: str
    what: str
    detail: str


_ROLLOUT = ", ".join(Rollout.__struct_fields__)
_BOARD = ", ".join(RolloutBoard.__struct_fields__)


def said(text: Text) -> str:
    """Return a text as the tables keep it."""
    return json.dumps(list(text), ensure_ascii=False)


def text_of(kept: str) -> Text:
    """Return a text of the tables."""
    return Text(*json.loads(kept)) if kept else Text("", "")


class RolloutBook:
    """The versions on their way in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.shelf = Shelf(db)

    def begin(
        self,
        version: str,
        percents: Sequence[float],
        running: dict[str, str],
        who: str,
        reason: str,
        now: float,
        log_end: int,
        *,
        tolerate: float = 2.0,
        watch: float = 1800.0,
        downgrade: bool = False,
        one_way: bool = False,
    ) -> Rollout:
        """Begin to bring a version to boards; what they run now is in `running`, by board, empty where not known.

        `percents`: the waves. `tolerate`: percent of a wave that may fail. `watch`: s. `downgrade`: also to boards that
        run a later one. `one_way`: also where the hub has no bundle to go back to.

        Raises:
            OrderError: it cannot begin; nothing has changed.
        """
        _refuse_waves(percents)
        with transaction(self._db):
            self._refuse_second()
            todo = {device: agent for device, agent in running.items() if agent != version}
            if not todo:
                raise OrderError(
                    Text(f"every board runs {version} already", f"全部设备已运行{version}"), "version", 409
                )
            later = sorted(device for device, agent in todo.items() if agent and number(agent) > number(version))
            if later and not downgrade:
                raise OrderError(
                    Text(
                        f"{len(later)} boards run a later version than {version} ({later[0]}: {todo[later[0]]}); "
                        "boards refuse an older one unless the order permits it: --downgrade",
                        f"{len(later)}台设备的版本高于{version}（{later[0]}：{todo[later[0]]}）；"
                        "降级须加 --downgrade 授权",
                    ),
                    "version",
                    409,
                )
            lost = sorted({agent for agent in todo.values() if agent and not self.shelf.of(agent)})
            if lost and not one_way:
                raise OrderError(
                    Text(
                        f"boards run {', '.join(lost)}, of which the hub has no bundle: they could not go back; "
                        "add it with 'fenceline fleet add FOLDER', or go without a way back: --one-way",
                        f"数据中心没有设备现用版本{'、'.join(lost)}的软件包，无法退回；"
                        "请用 fenceline fleet add 目录 添加，或用 --one-way 放弃退回",
                    ),
                    "version",
                    409,
                )
            id_ = self._db.execute(
                "INSERT INTO rollout (version, waves, tolerate, watch, downgrade, who, reason, made, state, heard) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?)",
                (version, json.dumps(list(percents)), tolerate, watch, int(downgrade), who, reason, now, log_end),
            ).lastrowid
            assert id_ is not None
            self._db.executemany(
                "INSERT INTO rollout_board (rollout, device, state, since) VALUES (?, ?, 'waiting', ?)",
                [(id_, device, now) for device in todo],
            )
            en, zh = (f"; {reason}", f"；{reason}") if reason else ("", "")
            waves = ", ".join(f"{percent:g} %" for percent in percents)
            self.note(
                id_,
                now,
                who,
                "begun",
                Text(f"{version} in waves of {waves}{en}", f"{version}，分批{waves}{zh}"),
            )
        return self.get(id_)

    def halt(self, who: str, reason: str, now: float, *, back: bool = False) -> Rollout:
        """Tell no more boards of the version; with `back`, those that have it go back.

        Raises:
            OrderError: nothing is on its way.
        """
        with transaction(self._db):
            rollout = self.current("running" if not back else "")
            self.stop(rollout, who, Text(reason or "halted by hand", reason or "人工中止"), now, back=back)
        return self.get(rollout.id)

    def resume(self, who: str, reason: str, now: float) -> Rollout:
        """Go on with what was halted: boards that failed are left out, and their failures halt nothing any more.

        Raises:
            OrderError: nothing is halted.
        """
        with transaction(self._db):
            rollout = self.current("halted")
            self._db.execute("UPDATE rollout SET state = 'running', back = 0, why = '' WHERE id = ?", (rollout.id,))
            self._db.execute("UPDATE rollout_board SET failed = 2 WHERE rollout = ? AND failed = 1", (rollout.id,))
            again = (
                "UPDATE rollout_board SET state = ?, since = ?, tries = 0, why = '' WHERE rollout = ? AND failed = 0 "
            )
            self._db.execute(again + "AND state = 'returned'", ("waiting", now, rollout.id))
            self._db.execute(again + "AND state = 'leaving'", ("watched", now, rollout.id))
            self.note(rollout.id, now, who, "resumed", Text(reason, reason))
        return self.get(rollout.id)

    def stop(self, rollout: Rollout, who: str, why: Text, now: float, *, back: bool) -> None:
        """Halt in the caller's transaction."""
        self._db.execute(
            "UPDATE rollout SET state = 'halted', back = ?, why = ? WHERE id = ?", (int(back), said(why), rollout.id)
        )
        if back:
            self._db.execute(
                "UPDATE rollout_board SET state = 'leaving', tries = 0, board_order = NULL, since = ?, why = ? "
                "WHERE rollout = ? AND state IN (SELECT value FROM json_each(?))",
                (now, said(ALL_BACK), rollout.id, json.dumps([*HAVE_IT, "stuck"])),
            )
        self.note(rollout.id, now, who, "halted", why)

    def current(self, state: RolloutState | Literal[""] = "") -> Rollout:
        """Return the newest rollout, which must be in a state where one is named.

        Raises:
            OrderError: there is none.
        """
        found = self.newest()
        if found is None or state not in ("", found.state):
            known = {
                "running": Text("under way", "进行中"),
                "halted": Text("halted", "已中止"),
                "done": Text("over", "已结束"),
            }
            what = known.get(state, Text("known", "可查"))
            raise OrderError(Text(f"no update is {what.en}", f"没有{what.zh}的更新"), "state", 409)
        return found

    def newest(self) -> Rollout | None:
        """Return the newest rollout; None: there was never any."""
        rows = self._rollouts("ORDER BY id DESC LIMIT 1")
        return rows[0] if rows else None

    def get(self, id_: int) -> Rollout:
        """Return a rollout that is there."""
        return self._rollouts("WHERE id = ?", (id_,))[0]

    def boards(self, rollout: int, *states: BoardState) -> list[RolloutBoard]:
        """Return the boards of a rollout that are in one of these states; none named: all."""
        return self._boards(
            "WHERE rollout = :rollout AND (:all OR state IN (SELECT value FROM json_each(:states))) ORDER BY device",
            {"rollout": rollout, "all": not states, "states": json.dumps(states)},
        )

    def devices(self, rollout: int, *states: BoardState) -> set[str]:
        """Return the ids of the boards of a rollout that are in one of these states."""
        rows = self._db.execute(
            "SELECT device FROM rollout_board WHERE rollout = ? AND state IN (SELECT value FROM json_each(?))",
            (rollout, json.dumps(states)),
        )
        return {device for (device,) in rows}

    def unchosen(self, rollout: int) -> set[str]:
        """Return the ids of the boards that are in no wave yet."""
        rows = self._db.execute(
            "SELECT device FROM rollout_board WHERE rollout = ? AND state = 'waiting' AND wave IS NULL", (rollout,)
        )
        return {device for (device,) in rows}

    def chosen(self, rollout: int) -> list[RolloutBoard]:
        """Return the boards of a wave that are to be told of the version, for the first time or again."""
        return self._boards("WHERE rollout = ? AND state = 'waiting' AND wave IS NOT NULL ORDER BY device", (rollout,))

    def watched(self, rollout: int, before: float) -> list[RolloutBoard]:
        """Return the boards that have been watched since `before` (Unix s) or longer."""
        return self._boards("WHERE rollout = ? AND state = 'watched' AND since <= ?", (rollout, before))

    def board(self, rollout: int, device: str) -> RolloutBoard | None:
        """Return how far a board is; None: it is not among them."""
        rows = self._boards("WHERE rollout = ? AND device = ?", (rollout, device))
        return rows[0] if rows else None

    def counts(self, rollout: int) -> dict[str, int]:
        """Return how many boards are in each state."""
        rows = self._db.execute("SELECT state, count(*) FROM rollout_board WHERE rollout = ? GROUP BY 1", (rollout,))
        return dict(rows.fetchall())

    def waves(self, rollout: int) -> dict[int, tuple[int, int]]:
        """Return of each wave how many boards it has, and how many failed since somebody resumed."""
        rows = self._db.execute(
            "SELECT wave, count(*), sum(failed = 1) FROM rollout_board "
            "WHERE rollout = ? AND wave IS NOT NULL GROUP BY wave",
            (rollout,),
        )
        return {wave: (size, failed) for wave, size, failed in rows}

    def arch(self, device: str) -> str:
        """Return what a board has said of its architecture at any time; empty: nothing."""
        row = self._db.execute(
            "SELECT arch FROM rollout_board WHERE device = ? AND arch <> '' ORDER BY rollout DESC LIMIT 1", (device,)
        ).fetchone()
        return str(row[0]) if row else ""

    def steps(self, rollout: int) -> list[RolloutStep]:
        """Return what was done, the oldest first."""
        rows = self._db.execute(
            "SELECT time, who, what, detail FROM rollout_step WHERE rollout = ? ORDER BY id", (rollout,)
        )
        return [RolloutStep(*row) for row in rows]

    def change(self, rollout: int, device: str, **values: Any) -> None:
        """Set columns of a board."""
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(
            f"UPDATE rollout_board SET {names} WHERE rollout = ? AND device = ?",  # noqa: S608 - names of columns
            (*values.values(), rollout, device),
        )

    def advance(self, rollout: Rollout, now: float) -> None:
        """Begin the next wave, or end it all after the last."""
        if rollout.last_wave:
            self._db.execute("UPDATE rollout SET state = 'done' WHERE id = ?", (rollout.id,))
            self.note(rollout.id, now, HUB, "done", Text("", ""))
            return
        self._db.execute("UPDATE rollout SET wave = wave + 1 WHERE id = ?", (rollout.id,))
        percent = rollout.percents[rollout.wave + 1]
        text = Text(f"wave {rollout.wave + 2}: {percent:g} %", f"第{rollout.wave + 2}批：{percent:g}%")
        self.note(rollout.id, now, HUB, "wave", text)

    def has_heard(self, rollout: int, offset: int) -> None:
        """Note up to which offset of the log boards' words have been taken."""
        self._db.execute("UPDATE rollout SET heard = ? WHERE id = ?", (offset, rollout))

    def note(self, rollout: int, now: float, who: str, what: str, detail: Text) -> None:
        """Add a step to the audit trail."""
        self._db.execute(
            "INSERT INTO rollout_step (rollout, time, who, what, detail) VALUES (?, ?, ?, ?, ?)",
            (rollout, now, who, what, said(detail)),
        )

    def _refuse_second(self) -> None:
        newest = self.newest()
        if newest is None:
            return
        back = sum(self.counts(newest.id).get(state, 0) for state in ("leaving", "returning"))
        if newest.state == "running" or back:
            raise OrderError(
                Text(
                    f"the update to {newest.version} is {'under way' if newest.state == 'running' else 'going back'}; "
                    "halt it first, and wait until its boards are back",
                    f"{newest.version}的更新尚未结束；请先中止并等待设备退回",
                ),
                "version",
                409,
            )

    def _rollouts(self, where: str, values: Iterable[Any] = ()) -> list[Rollout]:
        rows = self._db.execute(f"SELECT {_ROLLOUT} FROM rollout {where}", tuple(values))  # noqa: S608 - names of columns
        return [Rollout(*row) for row in rows]

    def _boards(self, where: str, values: Any) -> list[RolloutBoard]:
        rows = self._db.execute(f"SELECT {_BOARD} FROM rollout_board {where}", values)  # noqa: S608 - names of columns
        return [RolloutBoard(*row) for row in rows]


def _refuse_waves(percents: Sequence[float]) -> None:
    if not percents or list(percents) != sorted(set(percents)) or percents[0] <= 0 or percents[-1] != 100:
        told = ",".join(f"{percent:g}" for percent in percents)
        raise OrderError(
            Text(
                f"waves {told!r}: expected percents that rise to 100, such as 1,10,100",
                f"批次{told!r}：应为递增至100的百分比，如1,10,100",
            ),
            "wave",
        )
