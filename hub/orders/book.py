"""The orders in compliance.db: given, signed, answered or expired; every step of it in the audit trail.

A board obeys an order once: its number `n` is above that of every earlier one, and it is not older than `FRESH` by the
board's clock (edge/rising.py). The hub builds on that:

- What is on its way is on the medium before it is sent, and the same bytes are sent again until the reply comes. The
  board does them once, and answers repeats with the reply it gave.
- A board that was away refuses bytes that are too old, and thereby says that it has not done them: only then the order
  is signed anew, under another id. So no order is done twice, whoever is killed.
- The board refuses it by itself from `expires` on: `t` is never later than `FRESH` before.
- A board has one order at a time, in the sequence in which they were given. Only `live` and `update`, which it answers
  after minutes or hours, let the next ones pass once they are sent.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hub.access.names import HUB
from hub.orders.keys import KeyBook
from hub.orders.kinds import DO, NAMES, Kind, MeanwhileError, OrderError, State, check
from hub.storage.database import transaction
from hub.wire.messages import Reply
from schemas.language import Text

FRESH = 300
"""A board refuses an order that is so much older or younger than its time [s] (edge/rising.py)."""
GRACE = 30.0
"""So long after its last moment an answer is waited for [s]."""
AGAIN = 30.0
"""Between two signatures of an order whose board finds it out of time [s]: its clock may be wrong for long."""
SHORTEST, LONGEST = 30.0, 7 * 86_400.0
"""How long an order may wait for its board [s]."""
MOST_OPEN = 20
"""Orders of one board that wait at once."""
LATE = 86_400.0
"""So long after an order has expired its board's answer is still taken [s]."""
PASSED: tuple[Kind, ...] = ("live", "update")
"""Orders that let the next ones pass once they are sent."""
OUT_OF_TIME = "t: "
"""Begin of a refusal by which a board says that it has not carried out an order, which may come again."""

OVERTAKEN = "n: "
"""Begin of a refusal by which a board says that it has obeyed a later order since, or one of somebody else's."""

OPEN: tuple[State, ...] = ("waiting", "sent")
NEVER_TAKEN = "never begun: the board was away, or its clock did not agree"
SINCE = "whether the board had carried it out before is not known"
UNKNOWN = "no answer: whether the board has carried it out is not known"


class Asked(msgspec.Struct, frozen=True):
    """An order that somebody wants to give a board.

    `district`, `site`: where the board belongs. `lives`: so long it may begin with it, s. `key`: names the request; the
    same user's same key again gives the order that it gave then. `seen`: the newest order of the board that the user
    had read of: another's that is newer is told first; None: whatever there is.
    """

    device: str
    district: str
    site: str
    what: Kind
    settings: dict[str, Any]
    who: str
    reason: str
    lives: float
    key: str | None = None
    seen: int | None = None


class Order(msgspec.Struct, frozen=True):
    """An order, as its table has it (hub/orders/tables.py)."""

    id: int
    mark: str
    device: str
    district: str
    site: str
    what: Kind
    settings: str
    lasts: float
    who: str
    reason: str
    given: float
    expires: float
    state: State
    attempt: int
    command: str | None
    number: int | None
    signed: float | None
    heard_from: int | None
    ended: float | None
    answer: str

    @property
    def told(self) -> dict[str, Any]:
        """What else it says, as people may read it."""
        return {name: value for name, value in json.loads(self.settings).items() if name != "sealed"}

    @property
    def command_id(self) -> str:
        """The id under which the board gets the last command that was signed for it."""
        return f"{self.mark}-{self.attempt}"


class Step(msgspec.Struct, frozen=True):
    """A step of the audit trail: when (Unix s), who, what, in which words."""

    time: float
    who: str
    what: str
    detail: str


_COLUMNS = ", ".join(Order.__struct_fields__)


class OrderBook:
    """The orders in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.keys = KeyBook(db)

    def give(self, asked: Asked, now: float) -> Order:
        """Give a board an order.

        Raises:
            OrderError: it cannot be one, too many wait already, or its key was another order's.
        """
        with transaction(self._db):
            return self.add(asked, now)

    def add(self, asked: Asked, now: float) -> Order:
        """Do what `give` does, in the caller's transaction."""
        device, what, lives = asked.device, asked.what, asked.lives
        said, lasts = check(what, asked.settings)
        if not SHORTEST <= lives <= LONGEST:
            days = int(LONGEST // 86_400)
            raise OrderError(
                Text(
                    f"an order waits {lives:g} s for its board; expected {SHORTEST:g} s to {days} days",
                    f"指令有效期{lives:g}秒；应为{SHORTEST:g}秒至{days}天",
                ),
                "expires_in",
            )
        if asked.key is not None and (given := self._orders("WHERE who = ? AND key = ?", (asked.who, asked.key))):
            order = given[0]
            if (device, what, json.dumps(said), asked.reason) != (
                order.device,
                order.what,
                order.settings,
                order.reason,
            ):
                raise OrderError(
                    Text(
                        f"the key {asked.key!r} came with another order, {order.id}; a new order needs a new key",
                        f"键{asked.key!r}已用于另一指令（编号{order.id}）；新指令须使用新的键",
                    ),
                    "Idempotency-Key",
                )
            return order
        if asked.seen is not None:
            for other in self._orders(
                "WHERE device = ? AND id > ? AND who <> ? ORDER BY id DESC LIMIT 1", (device, asked.seen, asked.who)
            ):
                name = NAMES[other.what]
                more = json.dumps(other.told) if other.told else ""
                raise MeanwhileError(other.who, Text(f"{name.en} {more}".strip(), f"{name.zh} {more}".strip()))
        waiting = self._db.execute(
            "SELECT count(*) FROM board_order WHERE device = ? AND state IN ('waiting', 'sent')", (device,)
        ).fetchone()[0]
        if waiting >= MOST_OPEN:
            raise OrderError(
                Text(
                    f"board {device!r} has {waiting} orders that wait; give it more when they are over",
                    f"设备{device!r}已有{waiting}条待执行指令；请待其结束后再下达",
                ),
                "device",
                409,
            )
        values = device, asked.district, asked.site, what, json.dumps(said), lasts, asked.who, asked.reason, now
        id_ = self._db.execute(
            "INSERT INTO board_order (mark, device, district, site, what, settings, lasts, who, reason, given, "
            "expires, state, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
            (secrets.token_hex(4), *values, now + lives, asked.key),
        ).lastrowid
        assert id_ is not None
        self._note(id_, now, asked.who, "given", asked.reason)
        return self.get(id_)

    def get(self, id_: int) -> Order:
        """Return an order.

        Raises:
            OrderError: there is none.
        """
        found = self._orders("WHERE id = ?", (id_,))
        if not found:
            raise no_order(id_)
        return found[0]

    def steps(self, id_: int) -> list[Step]:
        """Return what was done about an order, the oldest first."""
        rows = self._db.execute(
            "SELECT time, who, what, detail FROM order_step WHERE board_order = ? ORDER BY id", (id_,)
        )
        return [Step(*row) for row in rows]

    def search(
        self,
        device: str = "",
        district: str = "",
        districts: Sequence[str] = (),
        *,
        only_open: bool = False,
        before: int | None = None,
        most: int = 50,
    ) -> list[Order]:
        """Return orders, the newest first.

        `districts`: only theirs; none named: of all. `before`: only those with a lower number.
        """
        return self._orders(
            "WHERE :device IN ('', device) AND :district IN ('', district) "
            "AND (:all OR district IN (SELECT value FROM json_each(:districts))) AND (:before IS NULL OR id < :before) "
            "AND (NOT :open OR state IN ('waiting', 'sent')) ORDER BY id DESC LIMIT :most",
            {
                "device": device,
                "district": district,
                "all": not districts,
                "districts": json.dumps(list(districts)),
                "open": only_open,
                "before": before,
                "most": most,
            },
        )

    def trail(
        self, before: tuple[float, int], most: int, *, since: float, who: str = "", districts: Sequence[str] = ()
    ) -> list[Order]:
        """Return at most so many orders, the one that was given last first.

        `before`: only those below this moment (Unix s) and number. `since`: given then or later. `who`: only this
        one's. `districts`: only theirs; none named: of all.
        """
        listed = json.dumps(list(districts))
        return self._orders(
            "WHERE (given, id) < (?, ?) AND given >= ? AND ? IN ('', who) "
            "AND (? = '[]' OR district IN (SELECT value FROM json_each(?))) ORDER BY given DESC, id DESC LIMIT ?",
            (*before, since, who, listed, listed, most),
        )

    def expire(self, now: float) -> None:
        """End what no answer can come to any more."""
        late = self._orders(
            "WHERE state IN ('waiting', 'sent') AND expires + iif(command IS NULL, 0, lasts + ?) <= ?",
            (GRACE, now),
        )
        for order in late:
            why = UNKNOWN if order.command else f"{NEVER_TAKEN}; {order.answer}".removesuffix("; ")
            with transaction(self._db):
                self._end(order, "expired", HUB, why, now)

    def next_of_each(self) -> list[Order]:
        """Return of each board the order that is its turn, and the one among `PASSED` that its board is at."""
        turn: dict[str, Order] = {}
        running: dict[str, Order] = {}
        for order in self._orders("WHERE state IN ('waiting', 'sent') ORDER BY id"):
            if order.device in turn:
                continue
            if order.what in PASSED and order.state == "sent":
                running[order.device] = order  # not told again once a later one is on its way: the board refused it
            else:
                turn[order.device] = order
        return [*turn.values(), *(order for device, order in running.items() if device not in turn)]

    def sign(self, order: Order, now: float, log_end: int, secret: str | None = None) -> Order:
        """Make the command of an order that is to be sent now; it is on the medium when this returns.

        `secret`: what is enclosed in it, under the key that its board has now.
        """
        attempt = order.attempt + 1
        with transaction(self._db):
            # A number of a time that lies far ahead was given by a wrong clock: no board has taken it.
            highest = self._db.execute(
                "SELECT max(number) FROM board_order WHERE device = ? AND number <= ?",
                (order.device, int((now + FRESH) * 1000)),
            ).fetchone()[0]
            number = max(int(now * 1000), (highest or 0) + 1)
            command: dict[str, Any] = {"id": f"{order.mark}-{attempt}", "do": DO.get(order.what, order.what)}
            command |= json.loads(order.settings) | ({} if secret is None else {"sealed": secret})
            command |= {"t": int(min(now, order.expires - FRESH)), "n": number}
            self._db.execute(
                "UPDATE board_order SET state = 'sent', attempt = ?, command = ?, number = ?, signed = ?, "
                "heard_from = ? WHERE id = ? AND state = 'waiting'",
                (attempt, json.dumps(command, ensure_ascii=False), number, now, log_end, order.id),
            )
            self._note(order.id, now, HUB, "signed", command["id"])
        return self.get(order.id)

    def listening(self, now: float) -> list[Order]:
        """Return the orders whose board may still answer."""
        return self._orders(
            "WHERE command IS NOT NULL AND (state = 'sent' OR (state = 'expired' AND ended > ?))", (now - LATE,)
        )

    def answer(self, orders: Iterable[Order], reply: Reply, now: float) -> Order | None:
        """Take a board's reply to one of its orders; return the order that it belongs to."""
        for listening in orders:
            order = self.get(listening.id)  # an answer that came with this one may have ended it
            if order.command and reply.id == order.command_id:
                with transaction(self._db):
                    self._take(order, reply, now)
                return self.get(order.id)
        return None

    def _take(self, order: Order, reply: Reply, now: float) -> None:
        if reply.ok:
            self._end(order, "done", order.device, reply.detail, now)
        elif reply.detail.startswith(OVERTAKEN):
            self._end(order, "refused", order.device, f"{reply.detail}; {SINCE}", now)
        elif not reply.detail.startswith(OUT_OF_TIME):
            self._end(order, "refused", order.device, reply.detail, now)
        elif order.state == "expired":
            self._end(order, "expired", order.device, f"{NEVER_TAKEN}; {reply.detail}", now)
        else:
            self._db.execute(
                "UPDATE board_order SET state = 'waiting', command = NULL, answer = ? WHERE id = ?",
                (reply.detail, order.id),
            )
            self._note(order.id, now, order.device, "put off", reply.detail)

    def _end(self, order: Order, state: State, who: str, answer: str, now: float) -> None:
        # What expired without a word keeps its command: a late answer is still taken.
        command = order.command if state == "expired" and answer == UNKNOWN else None
        self._db.execute(
            "UPDATE board_order SET state = ?, ended = ?, answer = ?, command = ? WHERE id = ?",
            (state, now, answer, command, order.id),
        )
        self._note(order.id, now, who, state, answer)

    def _note(self, *step: object) -> None:
        self._db.execute("INSERT INTO order_step (board_order, time, who, what, detail) VALUES (?, ?, ?, ?, ?)", step)

    def _orders(self, where: str, values: Any = ()) -> list[Order]:
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM board_order {where}", values)  # noqa: S608 - names of columns
        return [Order(*row) for row in rows]


def no_order(id_: int) -> OrderError:
    """Return what is said of an order that is not there, or is none of somebody's business."""
    return OrderError(Text(f"there is no order {id_}", f"没有指令{id_}"), "id", 404)
