"""What people do with marks: enterprises log, prove, end and withdraw them, officers accept and reject them.

Somebody of an enterprise sees its outlets alone, others those of their districts; for whoever asks, nothing else is
there. Every act is an event with the hub's time: what was said of a time before changes nothing by itself.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import contextmanager
from typing import Any

import msgspec

from hub.access.caller import refuse_role
from hub.access.tokens import User
from hub.cases.attachments.store import clean, find, keep
from hub.cases.refusal import CaseError
from hub.companies.shelf import Shelf
from hub.companies.things import ENTERPRISE, Held, held
from hub.config.files import Config
from hub.http.problems import RequestError
from hub.judge.boards import KEEP
from hub.registry.live import Registry
from hub.storage.database import transaction
from hub.storage.room import short_of_room
from hub.storage.trouble import means_full
from hub.things.marks.records import Mark, MarkEvent, Proof, Said, What
from hub.things.marks.store import OUTLET, MarkStore
from schemas import Quantity
from schemas.domains import mark_kinds, marked_families
from schemas.domains.entries import MarkKind
from schemas.language import Text

MOST_TEXT = 2000
"""Characters of a reason."""
MOST_PROOFS = 20
"""Documents of one mark."""
UNAVAILABLE, INSUFFICIENT_STORAGE = 503, 507
DECIDE_S = float(KEEP)
"""So long after its end hours can be judged again: until then a mark is decided on, ended or withdrawn [s]."""


class MeanwhileError(RequestError):
    """What somebody else did with a mark in the meantime, and must be read first."""

    def __init__(self, mark: int, news: list[MarkEvent]) -> None:
        who = ", ".join(sorted({event.who for event in news}))
        told = Text(
            f"mark {mark}: {who} did something meanwhile; read it, then decide",
            f"标记{mark}：{who}已有新的处理，请先查看再决定",
        )
        super().__init__(409, told, "seen")
        self.news = news


class CompanyDesk:
    """What somebody sees of enterprises and does with marks, in the compliance database behind `db`.

    `clock` gives the hub's time, Unix s; `doubt` why that is in doubt, or None: nothing is logged then, since whatever
    is logged later would be late by what came before. Each act is a transaction of its own. `shelf`: where things and
    marks are in memory; without one they are read for each question.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        config: Config,
        registry: Registry,
        quantities: dict[str, Quantity],
        clock: Callable[[], float],
        user: User,
        doubt: Callable[[], Text | None] = lambda: None,
        shelf: Shelf | None = None,
    ) -> None:
        self._shelf = shelf
        self.db, self.config, self.user, self.clock = db, config, user, clock
        self._doubt = doubt
        self.quantities = quantities
        self._registry = registry
        self.store = MarkStore(db)

    def enterprises(self) -> list[Held]:
        """Return the enterprises that the user sees, by id."""
        found = self.held(ENTERPRISE, self.clock())
        if self.user.role == "company":
            return [one for one in found if one.id == self.user.company]
        if not self.user.districts:
            return found
        own = {one.names(ENTERPRISE) for one in self.outlets()}
        return [one for one in found if self.user.sees(one.district) or one.id in own]

    def enterprise(self, id_: str) -> Held:
        """Return an enterprise that the user sees.

        Raises:
            RequestError: there is none.
        """
        found = next((one for one in self.enterprises() if one.id == id_), None)
        if found is None:
            raise _nothing(Text(f"there is no enterprise {id_!r}", f"没有排污单位{id_!r}"))
        return found

    def outlets(self, enterprise: str = "") -> list[Held]:
        """Return the outlets that the user sees, of one enterprise or of all, by id."""
        found = self.held(OUTLET, self.clock())
        if enterprise:
            found = [one for one in found if one.names(ENTERPRISE) == enterprise]
        everywhere = self.user.role != "company" and not self.user.districts
        return found if everywhere else [one for one in found if self._sees(one)]

    def held(self, kind: str, t: float, *, ever: bool = False) -> list[Held]:
        """Return the things of a kind that hold at a moment (`hub.companies.things.held`), whoever sees them."""
        return self._shelf.held(self.db, kind, t, ever=ever) if self._shelf else held(self.db, kind, t, ever=ever)

    def _found(self, kind: str, id_: str) -> Held | None:
        now = self.clock()
        if self._shelf:
            return self._shelf.find(self.db, kind, now, id_)
        return next(iter(held(self.db, kind, now, id_)), None)

    def outlet(self, id_: str) -> Held:
        """Return an outlet that the user sees.

        Raises:
            RequestError: there is none.
        """
        found = self._found(OUTLET, id_)
        if found is None or not self._sees(found):
            raise _nothing(Text(f"there is no outlet {id_!r}", f"没有排放口{id_!r}"))
        return found

    def _sees(self, outlet: Held) -> bool:
        if self.user.role == "company":
            return bool(self.user.company) and outlet.names(ENTERPRISE) == self.user.company
        return self.user.sees(self.district_of(outlet))

    def district_of(self, outlet: Held) -> str:
        """Return the district of an outlet: its own, else that of its site; empty: none."""
        site = self._registry.sites.get(outlet.names("site"))
        return outlet.district or (site.district if site else "")

    def marks(self, outlets: Iterable[Held]) -> list[Mark]:
        """Return the marks of these outlets, the newest first."""
        ids = {one.id for one in outlets}
        if self._shelf:
            return self._shelf.marks_of(self.db, ids)
        return [one for one in reversed(self.store.marks()) if one.said.outlet in ids]

    def mark(self, id_: int) -> Mark:
        """Return a mark of an outlet that the user sees.

        Raises:
            RequestError: there is none.
        """
        found = self.store.find(id_)
        seen = self._found(OUTLET, found.said.outlet) if found else None
        if found is None or seen is None or not self._sees(seen):
            raise _nothing(Text(f"there is no mark {id_}", f"没有标记{id_}"))
        return found

    def log(
        self,
        outlet: str,
        kind: str,
        begin: float,
        end: float,
        reason: str,
        *,
        quantities: Collection[str] = (),
        seen: int | None = None,
    ) -> Mark:
        """Log a mark; return it. `begin`, `end`: Unix s. `quantities`: none named: all that is measured in a stack.

        Raises:
            RequestError: it cannot be one, or is not the user's to log.
        """
        refuse_role(self.user, "company")
        reason = _written(reason, "reason")
        entry = _kind(kind)
        measured = sorted(key for key, one in self.quantities.items() if one.family in marked_families())
        for one in quantities:
            if one not in measured:
                listed = ", ".join(measured)
                told = Text(f"{one!r} cannot be marked; expected some of: {listed}", f"{one!r}不能标记，可选：{listed}")
                raise RequestError(422, told, "quantities")
        _check_period(begin, end, entry)
        with self._changing():
            self.outlet(outlet)
            said = Said(
                outlet=outlet,
                kind=kind,
                begin=int(begin),
                end=int(end),
                quantities=tuple(sorted(quantities)) or tuple(measured),
                back_s=3600 * entry.back_h,
                deadline_s=3600 * entry.deadline_h,
                proof=entry.proof,
                state=entry.state,
            )
            for earlier in self.store.marks() if seen is not None else ():
                same = (earlier.who, earlier.said, earlier.reason) == (self.user.name, said, reason)
                if same and earlier.id > (seen or 0):
                    return earlier  # the form was sent twice
            number = self.store.add(None, "mark", self.clock(), self.user.name, reason, said)
            return self.mark(number)

    def prove(self, id_: int, name: str, content: bytes) -> Mark:
        """Add a document that proves a mark; return the mark. One that is there already stays once.

        Raises:
            RequestError: it is none that is taken, or there is no room for it, or the mark is not the user's.
        """
        refuse_role(self.user, "company")
        self.may_log()
        mark = self.mark(id_)
        most = self.config.cases.attachment_mb * 1e6
        if len(content) > most:
            told = Text(
                f"{len(content) / 1e6:.1f} MB; at most {most / 1e6:g} MB",
                f"文件{len(content) / 1e6:.1f} MB，最大{most / 1e6:g} MB",
            )
            raise RequestError(422, told, "file")
        if len(mark.proofs) >= MOST_PROOFS:
            told = Text(f"at most {MOST_PROOFS} documents", f"最多{MOST_PROOFS}份文件")
            raise RequestError(409, told, "file")
        try:
            digest = keep(self.config, content)
        except CaseError as error:
            raise RequestError(error.status, error.text, "file") from error
        kept = find(self.config.data, digest)
        assert kept, "it was kept"
        proof = Proof(digest, clean(name, kept.media), kept.media, len(content))
        with self._changing():
            mark = self.mark(id_)
            if all(one.sha256 != digest for one in mark.proofs):
                said: dict[str, Any] = msgspec.to_builtins(proof)
                self._note(id_, "proof", "", {name: said[name] for name in ("sha256", "name", "media", "size")})
            return self.mark(id_)

    def end(self, id_: int, when: float) -> Mark:
        """Let a mark end earlier than was said (Unix s); return it.

        Raises:
            RequestError: it is later, or the mark is not the user's to change.
        """
        refuse_role(self.user, "company")
        with self._changing():
            mark = self._open(id_)
            if not mark.said.begin < when <= mark.end:
                told = Text("expected a time within the period that is marked", "时间须在标记时段之内")
                raise RequestError(422, told, "end")
            if int(when) < mark.end:
                self._note(id_, "end", "", {"end": int(when)})
            return self.mark(id_)

    def withdraw(self, id_: int, text: str) -> Mark:
        """Take a mark back; it stays on record. Return it.

        Raises:
            RequestError: no reason is given, or the mark is not the user's to take back.
        """
        refuse_role(self.user, "company")
        text = _written(text, "text")
        with self._changing():
            mark = self.mark(id_)
            if mark.withdrawn is None:
                self._open(id_)
                self._note(id_, "withdraw", text)
            return self.mark(id_)

    def decide(self, id_: int, what: What, text: str, seen: int | None = None) -> Mark:
        """Accept or reject a mark; return it. `seen`: the number of its newest event that the officer had read.

        Raises:
            RequestError: it cannot be decided on (any more), or somebody did something meanwhile.
        """
        assert what in {"accept", "reject"}
        refuse_role(self.user, "officer")
        text = _written(text, "text") if what == "reject" else text.strip()[:MOST_TEXT]
        with self._changing():
            mark = self.mark(id_)
            news = [one for one in self.store.events(id_) if seen is not None and one.id > seen]
            if any((one.what, one.who, one.text) == (what, self.user.name, text) for one in news):
                return mark  # the form was sent twice
            if others := [one for one in news if one.who != self.user.name]:
                raise MeanwhileError(id_, others)
            self._open(id_)
            standing = mark.standing(self.clock())
            if what == "accept" and standing in {"late", "back_dated"}:
                told = Text(
                    "it came too late, or names a time too long before it was logged: nobody can accept it any more",
                    "标记已超时限，或所标时段早于登记时间过多，不能再予认可",
                )
                raise RequestError(409, told)
            self._note(id_, what, text)
            return self.mark(id_)

    def can_change(self, mark: Mark) -> bool:
        """Tell whether a mark can still be decided on, ended or withdrawn: its hours can be judged again."""
        return mark.withdrawn is None and self.clock() < mark.end + DECIDE_S

    def proof(self, id_: int, digest: str) -> tuple[Proof, Any]:
        """Return a document of a mark that the user sees, and what is kept of it.

        Raises:
            RequestError: there is none.
        """
        told = next((one for one in self.mark(id_).proofs if one.sha256 == digest), None)
        kept = find(self.config.data, digest) if told else None
        if told is None or kept is None:
            raise _nothing(Text(f"mark {id_} has no such document", f"标记{id_}没有此文件"))
        return told, kept

    def _open(self, id_: int) -> Mark:
        mark = self.mark(id_)
        if not self.can_change(mark):
            told = Text(
                f"mark {id_} was withdrawn, or its hours lie too far back to be judged again",
                f"标记{id_}已撤回，或所标时段过久，无法重新判定",
            )
            raise RequestError(409, told)
        return mark

    def _note(self, id_: int, what: What, text: str, data: object = None) -> None:
        self.store.add(id_, what, self.clock(), self.user.name, text, data)

    def may_log(self) -> None:
        """Refuse to log anything now if that could not be undone, or be kept.

        Raises:
            RequestError: the hub's time is in doubt, or its disk is low.
        """
        if why := self._doubt():
            told = Text(
                f"the hub's time is in doubt, and nothing is logged until it is clear: {why.en}",
                f"数据中心时间存疑，查明前不能登记：{why.zh}",
            )
            raise RequestError(UNAVAILABLE, told)
        if problem := short_of_room(self.config.data, self.config.keep, 0):
            raise _no_room(problem, "磁盘空间不足")

    @contextmanager
    def _changing(self) -> Any:
        self.may_log()
        try:
            with transaction(self.db):
                yield
        except (sqlite3.Error, OSError) as error:
            if not means_full(error, self.config.data):
                raise
            raise _no_room("the disk is full", "磁盘已满") from error


def _kind(kind: str) -> MarkKind:
    known = mark_kinds()
    if kind not in known:
        listed = ", ".join(known) or "-"
        told = Text(f"kind = {kind!r}: expected one of: {listed}", f"类别{kind!r}未知，可选：{listed}")
        raise RequestError(422, told, "kind")
    return known[kind]


def _check_period(begin: float, end: float, kind: MarkKind) -> None:
    if not 0 < begin < end < 2**40:
        raise RequestError(422, Text("ends before it begins", "结束时间应晚于开始时间"), "end")
    if end - begin > 3600 * kind.longest_h:
        told = Text(
            f"is longer than {kind.longest_h:g} h, the longest of this kind",
            f"超过该类别的最长时间{kind.longest_h:g}小时",
        )
        raise RequestError(422, told, "end")


def _written(text: str, field: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise RequestError(422, Text("expected a text that says why", "须写明原因"), field)
    if len(text) > MOST_TEXT:
        raise RequestError(422, Text(f"at most {MOST_TEXT} characters", f"不能超过{MOST_TEXT}字"), field)
    return text


def _no_room(en: str, zh: str) -> RequestError:
    told = Text(
        f"there is no room ({en}); nothing was logged, and what is there stays; tell the city's IT",
        f"没有存储空间（{zh}）；未登记任何内容，原有数据不变，请联系系统管理员",
    )
    return RequestError(INSUFFICIENT_STORAGE, told)


def _nothing(text: Text) -> RequestError:
    return RequestError(404, text)
