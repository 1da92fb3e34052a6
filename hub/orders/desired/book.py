"""How boards are to work: a template of each pack and site, what is other at a board, what each board has said of it.

What a board is to do is the template of its site's pack, its site's over that, and its own over both; what none of them
names is as the board's own file has it. Boards' own rules (rules.py) check each change for every board that it concerns
before anybody is told. Each change is a revision; revisions rise, also in a database that was restored, since they are
made of the time.
"""

import json
import sqlite3
from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple

import msgspec

from hub.orders.desired.rules import Settings, wrong
from hub.orders.kinds import MeanwhileError, OrderError
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.wire.messages import Event, Status
from schemas import domains
from schemas.language import Text

Place = Literal["pack", "site", "board"]
"""Where something is said: as the template of all boards of a domain's sites, of one site's, or at a board itself."""
State = Literal["pending", "in_force", "refused"]
KEYS = ("interval", "period", "relay", "raw", "outbox", "brokers", "sensors")
"""What may be set: what boards take over the air."""
NAMED = 5
"""So many boards that would refuse a change are named."""
AT_THE_FENCE = "changed at the fence, in the board's own file"


class Edition(msgspec.Struct, frozen=True):
    """What a place was to do from a moment on, who wanted it, and why."""

    id: int
    place: Place
    name: str
    settings: Settings
    who: str
    reason: str
    made: float


class Change(NamedTuple):
    """What a place says now, the number of that edition, and the one that it replaced; None: nothing was replaced."""

    settings: Settings
    edition: int
    replaced: Edition | None


class Told(msgspec.Struct, frozen=True):
    """What a board was told last, and what it has said of it, as its table has it (hub/orders/tables.py)."""

    device: str
    revision: int
    settings: str
    since: float
    heard_from: int
    state: State
    said: float | None
    problem: str
    reported: int
    in_force: str | None


_TOLD = ", ".join(Told.__struct_fields__)


class DesiredBook:
    """The desired configurations in the database behind `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def set(
        self,
        registry: Registry,
        place: Place,
        name: str,
        changes: Settings,
        who: str,
        reason: str,
        now: float,
        seen: int | None = None,
    ) -> Change:
        """Change how a board, or every board of a site, is to work; return what its place says now, and said before.

        `changes`: values by key; None takes the key out, so that the site's or the board's own file decides.
        `seen`: the newest edition of this place that the user had read (`edition`); None: whatever there is.

        Raises:
            OrderError: there is no such place, a board would refuse it, or another user has changed it meanwhile;
                nothing has changed.
        """
        if name not in known(registry, place):
            what = Text(f"{place} {name!r} is not in the registry", f"登记册中没有{name!r}")
            raise OrderError(what, place, 404)
        with transaction(self._db):
            last = self._last(place, name)
            if seen is not None and last is not None and last.id > seen and last.who != who:
                told = json.dumps(last.settings, ensure_ascii=False)
                raise MeanwhileError(last.who, Text(told, told))
            settings = self.settings(place, name) | changes
            settings = {key: value for key, value in settings.items() if value is not None}
            self._refuse_wrong(registry, place, name, settings, changes)
            if settings == self.settings(place, name):
                return Change(settings, last.id if last else 0, None)
            made = self._db.execute(
                "INSERT INTO desired (place, name, settings, who, reason, made) VALUES (?, ?, ?, ?, ?, ?)",
                (place, name, json.dumps(settings, sort_keys=True), who, reason, now),
            ).lastrowid
        assert made is not None
        return Change(settings, made, last)

    def _refuse_wrong(self, registry: Registry, place: Place, name: str, settings: Settings, changes: Settings) -> None:
        """Raise OrderError if a board would refuse what it is to do with the new settings of a place."""
        standing = self._standing() | {(place, name): settings}
        wholes = {name: settings} if place != "board" else {}
        wholes |= {id_: _desired(standing, registry, id_) for id_ in boards_of(registry, place, name)}
        judged: dict[str, tuple[str, str] | None] = {}  # most boards of a template are to do the same
        refusing: list[tuple[str, tuple[str, str]]] = []
        for where, whole in wholes.items():
            text = json.dumps(whole, sort_keys=True)
            if text not in judged:
                judged[text] = wrong(whole)
            if told := judged[text]:
                refusing.append((where, told))
        if refusing:
            field, why = refusing[0][1]
            among = [where for where, _ in refusing if where != name] or [name]
            some, more = ", ".join(among[:NAMED]), len(among) - NAMED
            said = Text(
                f"{some}{f' and {more} more' if more > 0 else ''}: boards would refuse it: {why}",
                f"{some}{f'等{len(among)}台' if more > 0 else ''}：设备不会接受：{why}",
            )
            raise OrderError(said, field if field in changes else None)

    def settings(self, place: Place, name: str) -> Settings:
        """Return what a place says: nothing, where nobody has said anything."""
        last = self._last(place, name)
        return last.settings if last else {}

    def edition(self, place: Place, name: str) -> int:
        """Return the number of a place's newest edition; 0: there is none."""
        last = self._last(place, name)
        return last.id if last else 0

    def _last(self, place: Place, name: str) -> Edition | None:
        row = self._db.execute(
            "SELECT id, place, name, settings, who, reason, made FROM desired "
            "WHERE place = ? AND name = ? ORDER BY id DESC LIMIT 1",
            (place, name),
        ).fetchone()
        if row is None:
            return None
        id_, where, whose, text, *more = row
        return Edition(id_, where, whose, json.loads(text), *more)

    def desired(self, registry: Registry, device: str) -> Settings:
        """Return how a board of the registry is to work."""
        settings: Settings = {}
        for place, name in layers(registry, "board", device):
            settings |= self.settings(place, name)
        return settings

    def history(self, registry: Registry, place: Place, name: str) -> list[Edition]:
        """Return every edition of a place's settings and of the templates below it, the oldest first."""
        listed = json.dumps([f"{one} {id_}" for one, id_ in layers(registry, place, name)])
        rows = self._db.execute(
            "SELECT id, place, name, settings, who, reason, made FROM desired "
            "WHERE place || ' ' || name IN (SELECT value FROM json_each(?)) ORDER BY id",
            (listed,),
        )
        return [Edition(id_, place, name, json.loads(text), *more) for id_, place, name, text, *more in rows]

    def trail(
        self, before: tuple[float, int], most: int, *, since: float, who: str = "", places: Collection[str] | None
    ) -> list[Edition]:
        """Return at most so many editions, the newest first.

        `before`: only those below this moment (Unix s) and number. `since`: made then or later. `who`: only this one's.
        `places`: of these, each as "site ID" or "board ID"; None: of all.
        """
        listed = None if places is None else json.dumps(list(places))
        rows = self._db.execute(
            "SELECT id, place, name, settings, who, reason, made FROM desired "
            "WHERE (made, id) < (?, ?) AND made >= ? AND ? IN ('', who) "
            "AND (? IS NULL OR place || ' ' || name IN (SELECT value FROM json_each(?))) "
            "ORDER BY made DESC, id DESC LIMIT ?",
            (*before, since, who, listed, listed, most),
        )
        return [Edition(id_, place, name, json.loads(text), *more) for id_, place, name, text, *more in rows]

    def told(self, device: str) -> Told | None:
        """Return what a board was told last; None: nothing ever."""
        found = self._told("WHERE device = ?", (device,))
        return found[0] if found else None

    def all_told(self) -> list[Told]:
        """Return what every board was told last."""
        return self._told("")

    def unanswered(self) -> list[Told]:
        """Return what boards were told that have not said yet that it is in force."""
        return self._told("WHERE state <> 'in_force'")

    def newest(self) -> int:
        """Return a number that rises with each edition."""
        return self._db.execute("SELECT max(id) FROM desired").fetchone()[0] or 0

    def revise(self, registry: Registry, now: float, log_end: Callable[[], int]) -> None:
        """Make a new revision for every board that is to work otherwise than it was told."""
        standing = self._standing()
        told = {one.device: one for one in self.all_told()}
        for device in registry.boards:
            text = json.dumps(_desired(standing, registry, device), sort_keys=True)
            last = told.get(device)
            if last is None and text == "{}":
                continue
            if last is None or last.settings != text:
                revision = max(int(now * 1000), last.revision + 1 if last else 1)
                self._db.execute(
                    "INSERT INTO desired_board (device, revision, settings, since, heard_from, state) "
                    "VALUES (?, ?, ?, ?, ?, 'pending') ON CONFLICT (device) DO UPDATE SET "
                    "revision = excluded.revision, settings = excluded.settings, since = excluded.since, "
                    "heard_from = excluded.heard_from, state = excluded.state, said = NULL, problem = ''",
                    (device, revision, text, now, log_end()),
                )

    def hear(self, device: str, said: Event | Status, now: float) -> None:
        """Take what a board says of its configuration: in an event, or by the revision in its status."""
        told = self.told(device)
        if told is None:
            return
        revision: Any
        if isinstance(said, Status):
            revision, problem = said.config, ""
        elif said.event == "config" and isinstance(said.detail, dict):
            revision, problem = said.detail.get("revision"), str(said.detail.get("problem", ""))
        else:
            return
        # A revision that a board takes after all, although it refused it, it tells in an event, too.
        if revision == told.revision and told.state != "in_force":
            if not (isinstance(said, Status) and told.state == "refused"):
                self._answered(told, problem, now)
        elif not isinstance(said, Status) or not said.online:
            return  # a last will was written when the board connected: what was in force then
        elif isinstance(revision, int) and revision not in (told.revision, told.reported):
            self._db.execute(
                "UPDATE desired_board SET reported = ?, in_force = NULL WHERE device = ?", (revision, device)
            )

    def _answered(self, told: Told, problem: str, now: float) -> None:
        state = "refused" if problem else "in_force"
        reported, in_force = (told.reported, told.in_force) if problem else (told.revision, told.settings)
        self._db.execute(
            "UPDATE desired_board SET state = ?, said = ?, problem = ?, reported = ?, in_force = ? "
            "WHERE device = ? AND revision = ?",
            (state, now, problem, reported, in_force, told.device, told.revision),
        )

    def gave_up(self, device: str, said: dict[str, Any], now: float) -> None:
        """Take a board's last word on a configuration that was in force: that it cannot work by it any more, and why.

        Such are sensors whose drivers a later version of the agent does not have: it works with its own.
        """
        told = self.told(device)
        if told and told.state == "in_force" and said.get("revision") == told.revision and said.get("problem"):
            self._answered(told, str(said["problem"]), now)
            self._db.execute("UPDATE desired_board SET in_force = NULL WHERE device = ?", (device,))

    def take_over(self, registry: Registry, device: str, said: dict[str, Any], now: float) -> Settings:
        """Take what somebody has changed in a board's own file as what is other there; return it.

        What the hub has changed since the board heard of it last stays: that is later.

        Raises:
            OrderError: it is nothing that a board can be told.
        """
        told, own = self.told(device), said.get("own")
        if told is None or not isinstance(own, dict) or device not in registry.boards:
            return {}
        now_desired = self.desired(registry, device)
        applied = told.settings if said.get("revision") == told.revision else told.in_force or "null"
        if said.get("revision") not in (told.revision, told.reported):
            return {}
        before = json.loads(applied) or {}
        changes = {key: own[key] for key in KEYS if key in own and before.get(key) == now_desired.get(key)}
        if changes:
            self.set(registry, "board", device, changes, device, AT_THE_FENCE, now)
        return changes

    def heard(self) -> int:
        """Return the log's offset up to which boards' own changes have been taken over."""
        return int(self._db.execute("SELECT offset FROM desired_heard").fetchone()[0])

    def heard_to(self, offset: int) -> None:
        """Note how far they have been."""
        self._db.execute("UPDATE desired_heard SET offset = ?", (offset,))

    def templates(self) -> list[Edition]:
        """Return what each pack and site says that says anything, by place and name."""
        rows = self._db.execute(
            "SELECT id, place, name, settings, who, reason, made FROM desired WHERE place <> 'board' AND id IN "
            "(SELECT max(id) FROM desired GROUP BY place, name) AND settings <> '{}' ORDER BY place, name"
        )
        return [Edition(id_, place, name, json.loads(text), *more) for id_, place, name, text, *more in rows]

    def _standing(self) -> dict[tuple[Place, str], Settings]:
        """Return what every place says."""
        rows = self._db.execute(
            "SELECT place, name, settings FROM desired WHERE id IN (SELECT max(id) FROM desired GROUP BY place, name)"
        )
        return {(place, name): json.loads(text) for place, name, text in rows}

    def _told(self, where: str, values: Any = ()) -> list[Told]:
        rows = self._db.execute(f"SELECT {_TOLD} FROM desired_board {where}", values)  # noqa: S608 - names of columns
        return [Told(*row) for row in rows]


def known(registry: Registry, place: Place) -> Collection[str]:
    """Return the ids of places of a kind: of packs, those that have kinds of sites."""
    if place == "pack":
        return {pack.id for pack in domains.packs() if pack.manifest.kind}
    return registry.sites if place == "site" else registry.boards


def layers(registry: Registry, place: Place, name: str) -> list[tuple[Place, str]]:
    """Return the places whose settings hold at a place, each over those before it."""
    if place == "pack":
        return [(place, name)]
    site = name if place == "site" else registry.boards[name].site
    pack = domains.pack_at(registry.sites[site].kind)
    below: list[tuple[Place, str]] = [("pack", pack.id)] if pack else []
    return [*below, ("site", site)] if place == "site" else [*below, ("site", site), ("board", name)]


def boards_of(registry: Registry, place: Place, name: str) -> list[str]:
    """Return the ids of the boards that a place's settings concern, in the registry's order."""
    if place == "board":
        return [name]
    if place == "site":
        return [id_ for id_, board in registry.boards.items() if board.site == name]
    kinds = next(pack.manifest.kind for pack in domains.packs() if pack.id == name)
    return [id_ for id_, board in registry.boards.items() if registry.sites[board.site].kind in kinds]


def _desired(standing: dict[tuple[Place, str], Settings], registry: Registry, device: str) -> Settings:
    settings: Settings = {}
    for layer in layers(registry, "board", device):
        settings |= standing.get(layer, {})
    return settings
