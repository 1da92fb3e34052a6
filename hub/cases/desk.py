"""What people do with cases. Every act is asked of the table (`machine.RULES`), and is an event of the case's history.

Each act is one transaction. Its caller may say up to which event of the history they had read (`seen`): what somebody
else has done since is told in place of acting. An act that comes again, by its key or by `seen`, takes effect once.
"""

import datetime as dt
import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hub.access.names import HUB
from hub.access.tokens import User
from hub.cases.asked import checked, hindrance, next_stage
from hub.cases.book import CaseBook
from hub.cases.refusal import CaseError, CaseNewsError, as_written, wrong
from hub.cases.rules.calendar import CalendarError
from hub.cases.rules.machine import (
    RECKONED,
    RULES,
    after,
    allowed,
    apply,
    conflict,
    positions,
    reckon,
    remind_now,
)
from hub.cases.rules.records import Case, Event, Source, What
from hub.cases.rules.rulebook import Rulebook
from hub.cases.rules.texts import ACT, POSITION, SIDE, STATE
from hub.registry.live import Registry, Site
from hub.storage.database import transaction
from schemas.language import Text

DAY = 86_400
EARTH = 6_371_008.8
"""Mean radius [m]."""
MOST_KEY = 100
"""Longest key of an act, characters."""


class CaseDesk:
    """Works on the cases behind `db` for `user`; `clock` gives Unix time in s.

    `joined`: supervision and command are one centre, by the city's setting.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        rules: Rulebook,
        registry: Registry,
        clock: Callable[[], float],
        user: User,
        *,
        joined: bool = False,
    ) -> None:
        self.book = CaseBook(db)
        self.rules = rules
        self.user = user
        self.joined = joined
        self._registry = registry
        self._clock = clock

    def get(self, id_: int) -> Case:
        """Return a case.

        Raises:
            CaseError: there is none of that number, or it belongs to a district that does not concern the user.
        """
        case = self.book.find(id_)
        if case is None or not self.user.sees(case.district):
            raise CaseError("id", Text(f"there is no case {id_}", f"没有编号为{id_}的案件"), 404)
        return case

    def report(
        self,
        source: Source,
        district: str,
        code: str,
        text: str,
        *,
        site: str = "",
        lat: float | None = None,
        lon: float | None = None,
        place: str = "",
        about: str = "",
        alert: int | None = None,
        key: str = "",
    ) -> Case:
        """Take a report: it becomes a case, filed or refused later.

        `about`: the thing that it is about, kind and id, such as shop/s-1.

        Raises:
            CaseError: it cannot be taken.
        """
        where = {"district": district, "site": site, "lat": lat, "lon": lon, "place": place}
        where |= {"about": about} if about else {}
        asked = _digest(["report", source, code, text, where, alert])
        with transaction(self.book.db):
            if (done := self._done_by_key(key, asked)) is not None:
                return self.get(done)
            position = self._position(None, "report")
            if self.user.role == "admin" and source != "patrol":
                position = "officer"
            if source == "patrol" and self.user.role not in ("collector", "admin"):
                raise wrong(
                    "source", "only a collector reports from patrol: it needs no verification", "仅采集员可上报巡查发现"
                )
            if self.user.role == "collector" and source != "patrol":
                raise wrong("source", "a collector reports from patrol", "采集员只能上报巡查发现")
            if source == "alert" and alert is None:
                raise wrong("alert", "expected the alert's number", "须给出告警编号")
            if alert is not None and (known := self.book.find_of_alert(alert)) is not None:
                return self.get(known.id)
            placed = self._placed(district, site, lat, lon, place.strip())
            entry = self.rules.code(code, district)
            if entry is None:
                raise wrong(
                    "code",
                    f"{code!r} is no code in {district}; 'fenceline cases codes' lists them",
                    f"{code!r}不是{district}的事件代码",
                )
            now = self._clock()
            id_ = self.book.next_id()
            day = dt.datetime.fromtimestamp(now, self.rules.calendar.zone)
            data = (
                placed
                | ({"about": about} if about else {})
                | {
                    "number": f"{day:%Y%m%d}{id_:06d}",
                    "source": source,
                    "code": code,
                    "code_edition": entry.edition,
                    "kind": entry.kind,
                    "alerts": [] if alert is None else [alert],
                }
            )
            event = self._event(None, id_, "report", position, now, as_written(text, needed=True), data, key, asked)
            return self.book.add(None, event)

    def act(
        self,
        id_: int,
        what: What,
        text: str = "",
        *,
        key: str = "",
        seen: int | None = None,
        **given: Any,
    ) -> Case:
        """Do something with a case; `given`: what else the act says (`hub.cases.asked`).

        Raises:
            CaseError: it cannot be done.
        """
        asked = _digest([what, id_, text.strip(), given])
        with transaction(self.book.db):
            self._follow_calendar()
            case = self.get(id_)
            if self._done_by_key(key, asked) is not None or self._is_done(case, asked, seen):
                return case
            self._refuse_unread(case, seen)
            if not allowed(case, what):
                raise self._not_now(case, what)
            position = self._position(case, what)
            rule = RULES[what]
            self._refuse_other_side(case, what)
            if "handler" in rule.positions and position == "handler":
                self._refuse_other_department(case)
            written = as_written(text, needed=rule.says_why)
            now = max(self._clock(), case.updated)
            data = checked(self, case, what, given, written, now)
            event = self._event(case, id_, what, position, now, written, data, key, asked)
            self._reckon(case, event)
            return self.book.add(case, event)

    def follow_calendar(self) -> int:
        """Reckon the running deadlines by the calendar as it is now, if it is another; return how many have moved."""
        if self.book.calendar_in_use() == self.rules.calendar.edition:
            return 0
        with transaction(self.book.db):
            return self._follow_calendar()

    def remind(self) -> int:
        """Remind those whose work it is of each deadline that is near: a note in the case's history; return how many.

        Who that is, and how they are told: hub/cases/news.py.
        """
        calendar, reminded = self.rules.calendar, 0
        for id_ in [one.id for one in self.book.unreminded(self._clock()) if remind_now(one, calendar, self._clock())]:
            with transaction(self.book.db):
                case, now = self.book.find(id_), self._clock()
                if case is None or not remind_now(case, calendar, now):
                    continue  # somebody has acted meanwhile
                data = {"until": case.deadline}
                event = self._event(case, id_, "remind", "", max(now, case.updated), "", data, "", "")
                event.who = HUB
                self.book.add(case, event)
                reminded += 1
        return reminded

    def site(self, id_: str) -> Site | None:
        """Return a site of the registry."""
        return self._registry.sites.get(id_)

    def similar(self, case: Case) -> list[tuple[Case, float | None]]:
        """Return cases that may be the same (class, distance, time), the nearest first, and how far each is [m].

        Without coordinates those of the same site count, at an unknown distance. Of two that are each about a thing,
        only those about the same one: shops stand wall to wall.
        """
        rule = self.rules.similar
        found = []
        for other in self.book.alike(case.code, case.district, case.reported - rule.days * DAY):
            if other.id == case.id or other.reported > case.reported + rule.days * DAY:
                continue
            far = metres(case, other)
            if case.about and other.about:
                if case.about == other.about:
                    found.append((other, far))
            elif (far is not None and far <= rule.metres) or (far is None and case.site and case.site == other.site):
                found.append((other, far))
        return sorted(found, key=lambda one: math.inf if one[1] is None else one[1])

    def may(self, case: Case) -> list[What]:
        """Return what the user may do with a case as it is."""
        return [what for what in RULES if what != "report" and self._may(case, what)]

    def _may(self, case: Case, what: What) -> bool:
        if not allowed(case, what) or conflict(case, what, self.user.name, joined=self.joined):
            return False
        if hindrance(case, what, max(self._clock(), case.updated)) or not self._role_may(what):
            return False
        if self.user.role == "handler" and "handler" in RULES[what].positions and not self._is_of_department(case):
            return False
        return what != "review" or bool(next_stage(self.book.events(case.id)))

    def _role_may(self, what: What) -> bool:
        able = positions(what, joined=self.joined)
        return bool(able) and (self.user.role == "admin" or self.user.role in able)

    def _position(self, case: Case | None, what: What) -> str:
        """Return in which position the user does an act.

        Raises:
            CaseError: the role does not allow it.
        """
        able = positions(what, joined=self.joined)
        if not able:
            raise CaseError("act", Text(f"{what}: the hub alone does that", f"{ACT[what].zh}仅由系统进行"), 403)
        if self.user.role == "admin":
            return "admin" if what == "comment" else able[0]
        for one in able:
            if one == self.user.role:
                return one
        where = f"case {case.id}" if case else "a report"
        names, names_zh = ", ".join(able), "、".join(POSITION[one].zh for one in able)
        raise CaseError(
            "act",
            Text(
                f"{where}: {self.user.name} is {self.user.role}; {what} needs the role {names}",
                f"{self.user.name}的角色是{self.user.role}，“{ACT[what].zh}”需要{names_zh}",
            ),
            403,
        )

    def _refuse_other_side(self, case: Case, what: What) -> None:
        other = conflict(case, what, self.user.name, joined=self.joined)
        if other:
            raise CaseError(
                "act",
                Text(
                    f"case {case.id}: {self.user.name} has {SIDE[other].en} in it; who judges may neither dispatch nor "
                    f"handle, so somebody else must {what}",
                    f"案件{case.id}：{self.user.name}已在本案中{SIDE[other].zh}；监督与指挥、处置须分离，"
                    f"请由他人“{ACT[what].zh}”",
                ),
                403,
            )

    def _refuse_other_department(self, case: Case) -> None:
        """Refuse a handler of another department; one of a co-handling department may act, too."""
        if self.user.role == "handler" and not self._is_of_department(case):
            name = case.department or "-"
            raise CaseError(
                "act",
                Text(
                    f"case {case.id}: is with the department {name}, to which {self.user.name} does not belong",
                    f"案件{case.id}由{name}处置，{self.user.name}不属于该部门",
                ),
                403,
            )

    def _not_now(self, case: Case, what: What) -> CaseError:
        last = self.book.events(case.id)[-1]
        states = RULES[what].before
        en, zh = ", ".join(states), "、".join(STATE[one].zh for one in states)
        return CaseError(
            "act",
            Text(
                f"case {case.id} is {case.state} ({last.what} by {last.who}); {what} is done when it is: {en}",
                f"案件{case.id}{STATE[case.state].zh}（{last.who}：{ACT[last.what].zh}）；“{ACT[what].zh}”须在以下状态：{zh}",
            ),
        )

    def _is_of_department(self, case: Case) -> bool:
        return not {case.department, *case.co_handlers}.isdisjoint(self.departments())

    def departments(self) -> list[str]:
        """Return the departments for which the user may handle cases: those that name them, or nobody at all."""
        name = self.user.name.partition(" ")[0]
        return [id_ for id_, one in self.rules.departments.items() if not one.people or name in one.people]

    def _placed(self, district: str, site: str, lat: float | None, lon: float | None, place: str) -> dict[str, Any]:
        """Return where a case is.

        Raises:
            CaseError: nowhere, or where the user has no business.
        """
        known = self._registry.sites.get(site)
        if site and (known is None or known.district != district or not self.user.sees(district)):
            raise wrong(
                "site", f"there is no site {site!r} in {district or 'no district'}", f"{district}没有站点{site!r}"
            )
        if district not in self._registry.districts or not self.user.sees(district):
            raise wrong("district", f"there is no district {district!r}", f"没有区县{district!r}")
        if (lat is None) != (lon is None) or (lat is not None and lon is not None and not _on_earth(lat, lon)):
            raise wrong(
                "lat",
                "expected latitude and longitude in degrees (WGS-84), both or neither",
                "经纬度须成对给出（WGS-84，度）",
            )
        if lat is None and known is not None and known.position is not None:
            lat, lon = known.position
        if lat is None and not site and not place:
            raise wrong("place", "expected a site, coordinates, or the place in words", "须给出站点、坐标或地点描述")
        if len(place) > 200:
            raise wrong("place", "must not be longer than 200 characters", "不能超过200字")
        return {"district": district, "site": site, "lat": lat, "lon": lon, "place": place}

    def _event(
        self,
        case: Case | None,
        id_: int,
        what: What,
        position: str,
        now: float,
        text: str,
        data: dict[str, Any],
        key: str,
        asked: str,
    ) -> Event:
        if len(key) > MOST_KEY or not key.isprintable():
            raise wrong("key", f"expected at most {MOST_KEY} printable characters", f"最多{MOST_KEY}个可打印字符")
        return Event(
            casefile=id_,
            seq=case.seq + 1 if case else 1,
            time=now,
            who=self.user.name,
            position=position,
            what=what,
            before=case.state if case else None,
            after=after(case, what),
            text=text,
            data=data,
            joined=self.joined,
            key=key,
            asked=asked,
        )

    def _reckon(self, case: Case, event: Event) -> None:
        """Put the deadline into an event after which it is another."""
        suspended = event.what == "force_close" and case.deadline is None  # it is due as if it had not been suspended
        if event.what not in RECKONED and not suspended:
            return
        try:
            deadline = reckon(case if suspended else apply(case, event), self.rules.calendar)
        except CalendarError as error:
            raise wrong("amount", str(error), f"期限过长，日历无法推算（{error}）") from error
        if deadline is not None:
            if event.what == "grant_extension":
                deadline = max(deadline, case.deadline or deadline)
            event.data |= {"deadline": deadline, "calendar": self.rules.calendar.edition}

    def _follow_calendar(self) -> int:
        calendar = self.rules.calendar
        if self.book.calendar_in_use() == calendar.edition:
            return 0
        now, moved = self._clock(), 0
        self.book.use_calendar(calendar, now)
        for case in self.book.running():
            try:
                new, old = reckon(case, calendar), case.deadline
            except CalendarError:
                continue
            if new is None or old is None or new == old or new <= now < old:
                continue  # nobody becomes late because a calendar was changed
            moment, data = max(now, case.updated), {"deadline": new, "calendar": calendar.edition, "was": old}
            event = self._event(case, case.id, "move_deadline", "", moment, "", data, "", "")
            event.who = HUB
            self.book.add(case, event)
            moved += 1
        return moved

    def _done_by_key(self, key: str, asked: str) -> int | None:
        """Return the case in which the act of this key was done; None: it was not.

        Raises:
            CaseError: another act was done under it.
        """
        known = self.book.find_act(self.user.name, key)
        if known is None:
            return None
        if known.asked != asked:
            raise CaseError(
                "key",
                Text(
                    f"the key {key!r} was used for another act ({known.what}, case {known.casefile}); take a new one",
                    f"该键{key!r}已用于另一操作（案件{known.casefile}：{ACT[known.what].zh}），请换一个",
                ),
            )
        return known.casefile

    def _is_done(self, case: Case, asked: str, seen: int | None) -> bool:
        """Tell whether this very act is on record since the event that its author had read: it was sent twice."""
        if seen is None or seen >= case.seq:
            return False
        return any(
            (event.asked, event.who) == (asked, self.user.name)
            for event in self.book.events(case.id)
            if event.seq > seen
        )

    def _refuse_unread(self, case: Case, seen: int | None) -> None:
        if seen is None or seen >= case.seq:
            return
        news = [one for one in self.book.events(case.id) if one.seq > seen and one.who not in {self.user.name, HUB}]
        if news:
            raise CaseNewsError(case.id, news)


def metres(one: Case, other: Case) -> float | None:
    """Return how far two cases are from each other; None: one has no coordinates."""
    if one.lat is None or one.lon is None or other.lat is None or other.lon is None:
        return None
    a, b = math.radians(one.lat), math.radians(other.lat)
    east, north = math.radians(other.lon - one.lon), b - a
    half = math.sin(north / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(east / 2) ** 2
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(half)))


def _on_earth(lat: float, lon: float) -> bool:
    return -90 <= lat <= 90 and -180 <= lon <= 180


def _digest(asked: Collection[Any] | Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
