"""What an admin does with things in the console: each change in a transaction, once, and not past what another one did.

An admin of some districts changes only what belongs to these, before and after; what belongs to no district is changed
by an admin of all. A form says up to which edition its admin had read: one that is sent twice is done once, and what
somebody else changed meanwhile is told first.
"""

import sqlite3
from collections.abc import Callable, Sequence

from hub.access.caller import refuse_role
from hub.access.tokens import Access, User
from hub.http.problems import RequestError
from hub.storage.database import transaction
from hub.things.change import Context, Origin, WrongThingError, apply
from hub.things.coordinates import System
from hub.things.entries import Change, Said
from hub.things.store import KeptEdition, ThingStore, by_thing, standing
from schemas.language import Text

CONSOLE = "console"
"""Where editions come from that a form made."""
OUTSIDE = Text(
    "It belongs to a district that is not yours, or to none; an admin of all districts changes it.",
    "该对象不属于您管辖的区，须由全市管理员更改。",
)
CHANGED = Text("Your own access was changed meanwhile; nothing was done.", "您本人的权限已变更，未做任何更改。")
THERE = Text("There is one with this id already; open it, or choose another id.", "该编号已存在，请打开它或另取编号。")


class MeanwhileError(RequestError):
    """What somebody else changed in the meantime, and must be read first."""

    def __init__(self, news: list[KeptEdition]) -> None:
        who = ", ".join(sorted({row.who for row in news}))
        told = Text(
            f"{who} changed this meanwhile; read it, then decide. Nothing of yours was taken.",
            f"{who}在此期间已作更改，请先查看再决定；您的更改未保存。",
        )
        super().__init__(409, told)
        self.news = news


class ThingDesk:
    """The things that an admin changes, in the compliance database behind `db`; `clock` gives Unix time in s."""

    def __init__(self, db: sqlite3.Connection, admin: User, context: Context, clock: Callable[[], float]) -> None:
        self._db, self._admin, self._context, self._clock = db, admin, context, clock
        self._store = ThingStore(db)

    def may_change(self, district: str | None) -> bool:
        """Tell whether the admin changes what belongs to a district; None: to none."""
        return self._admin.sees(district or "")

    def add(self, said: Said, system: System) -> list[Change]:
        """Add a thing. One that is there already, and is the same, was added by this form.

        `system`: of its coordinates.

        Raises:
            RequestError: it is another one's, or not in the admin's districts.
            WrongThingError: it cannot be one.
        """
        with transaction(self._db):
            self._check_access()
            known = bool(self._store.rows(said.kind, said.id))
            changes = self._apply([said], CONSOLE, system=system, dry_run=known)
            if known and changes:
                raise RequestError(409, THERE, "id")
            return changes

    def change(self, said: Said, seen: int, system: System, *, correct: bool = False) -> list[Change]:
        """Take what a form says of a thing; `seen`: the number of the newest edition that its admin had read.

        Args:
            said: the entry; without `from` in it, it corrects the edition that began last.
            seen: see above.
            system: of its coordinates.
            correct: it corrects the edition that has held always, which no `from` names.

        Raises:
            RequestError: there is none, somebody changed it meanwhile, or it is not in the admin's districts.
            WrongThingError: it cannot be so.
        """
        with transaction(self._db):
            self._check_access()
            rows = self._store.rows(said.kind, said.id)
            news = [row for row in rows if row.number > seen]
            changes = self._apply([said], CONSOLE, system=system, dry_run=bool(news), correct=correct)
            if news and changes:
                raise MeanwhileError(news)
            return changes

    def take(
        self, said: Sequence[Said], seen: int, source: str, *, since: int, system: System, dry_run: bool
    ) -> list[Change]:
        """Take the entries of a file; `seen`: the serial number of the newest edition when its form was opened.

        Raises:
            RequestError: somebody changed one of them meanwhile, or one is not in the admin's districts.
            WrongThingError: one of them is wrong.
        """
        with transaction(self._db):
            self._check_access()
            named = {(one.kind, one.id) for one in said}
            news = [row for row in self._store.rows(after=seen) if (row.kind, row.id) in named]
            changes = self._apply(said, source, since=since, system=system, dry_run=dry_run or bool(news))
            if news and changes and not dry_run:
                raise MeanwhileError(news)
            return changes

    def _apply(
        self,
        said: Sequence[Said],
        source: str,
        *,
        dry_run: bool,
        since: int | None = None,
        system: System = "wgs84",
        correct: bool = False,
    ) -> list[Change]:
        now, named = self._clock(), {(one.kind, one.id) for one in said}
        rows = self._store.rows(said[0].kind, said[0].id) if len(named) == 1 else self._store.rows()
        before = {key: of_one for key, of_one in by_thing(rows).items() if key in named}
        changes = apply(
            self._store,
            said,
            self._context,
            Origin(now, self._admin.name, source),
            since=int(now) if since is None else since,
            system=system,
            dry_run=dry_run,
            correct=correct,
        )
        changed = {(change.kind, change.id) for change in changes}
        for one in said:
            if (one.kind, one.id) not in changed:
                continue
            known = standing(before.get((one.kind, one.id), ())).values()
            districts = {row.thing().district for row in known}
            if not known or "district" in one.fields:
                districts.add(one.fields.get("district"))
            if not all(map(self.may_change, districts)):
                raise RequestError(403, OUTSIDE, "district")
        return changes

    def _check_access(self) -> None:
        now = Access(self._db).find(self._admin.name)
        if now is None or now != self._admin:
            raise RequestError(403, CHANGED)
        refuse_role(now, "admin")


def faults_of(error: WrongThingError) -> list[WrongThingError]:
    """Return all mistakes that were found with this one."""
    return [error, *error.others]
