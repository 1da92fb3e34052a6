"""The audit trail: who did what and when, of everything that people do, the newest first.

Each package gives what is in its own tables; here it is put in one order. People see acts in their districts, an admin
also what was done with users and messages. What the hub does by itself stands at each alert.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response

from hub.access.desk import UserDesk
from hub.access.tokens import Access
from hub.access.words import ACTS, ROLE_NAMES
from hub.alerts.text import WHAT
from hub.console.pages.told import manages
from hub.console.parts.sheet import csv_file
from hub.console.web import Shared, Visit, visiting
from hub.notify.proving import trail as proofs
from hub.notify.recipients import recipients
from hub.notify.tables import PART as NOTIFY
from hub.orders.book import OrderBook
from hub.orders.desired.book import DesiredBook
from hub.orders.kinds import NAMES as ORDERS
from hub.orders.tables import PART as ORDER_PART
from hub.storage.compliance_file import open_compliance
from hub.things.store import ThingStore
from schemas.chinese import in_chinese
from schemas.language import Text

SAME = 60.0
"""The hub's time and the machine's are one as long as they differ by less [s]."""
PAGE, MOST_CSV = 50, 10_000
"""Acts on a page, and in one file."""
MOST_NUMBER = 2**63 - 1
CURSOR = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)~(\d)~(\d{1,19})", re.ASCII)
Short = Annotated[str, Query(max_length=100)]
TESTED = {
    "asked": Text("test message sent", "发送测试消息"),
    "taken": Text("test message was taken", "测试消息已被接收"),
    "refused": Text("test message was not taken", "测试消息未被接收"),
}
ADDED = Text("thing added", "新增对象")
EDITED = Text("thing changed", "更改对象")
EVERYWHERE = Text("all districts", "全部区")


class Act(NamedTuple):
    """Something that somebody did."""

    time: float
    """Unix s."""
    rank: int
    """Of the source: with the number it decides between acts of one moment."""
    number: int
    kind: str
    who: str
    what: str
    about: str
    link: str
    """The page of what it is about; empty: it has none."""
    detail: str
    real: bool
    """Whether the time is the machine's own and not the hub's, which in a simulation is another one."""


class Asked(NamedTuple):
    """What is looked for. Times are Unix s."""

    who: str
    since: float
    before: tuple[float, int, int]
    """Only acts below this moment, rank and number."""


class Part(NamedTuple):
    """What one source is asked for: what of it lies below the moment and number."""

    visit: Visit
    before: tuple[float, int]
    most: int
    since: float
    who: str


class Source(NamedTuple):
    """Where acts are on record."""

    name: Text
    find: Callable[[Part], Iterator[tuple[float, int, str, str, str, str, str]]]
    """Gives time, number, who, what, about, link, detail of each act."""
    admin: bool = False
    """Whether only an admin sees it."""
    real: bool = False
    """Whether its times are the machine's own, by which sessions and messages go; all others are the hub's."""


def add_audit(router: APIRouter, shared: Shared) -> None:
    """Add the page and its file."""
    visitor = Depends(visiting(shared))

    @router.get("/audit")
    def show_audit(
        visit: Annotated[Visit, visitor],
        kind: Short = "",
        who: Short = "",
        since: Short = "",
        until: Short = "",
        before: Short = "",
    ) -> Response:
        found = _search(visit, kind, _asked(visit, who, since, until, before), PAGE + 1)
        given = {"kind": kind, "who": who.strip(), "since": since, "until": until}
        query = {name: value for name, value in given.items() if value}
        last = found[PAGE - 1] if len(found) > PAGE else None
        cursor = {"before": f"{last.time!r}~{last.rank}~{last.number}"} if last else {}
        return visit.page(
            "audit.html",
            acts=found[:PAGE],
            wanted=given,
            kinds=[(name, visit.say(source.name)) for name, source in _open_to(visit).items()],
            query=urlencode(query),
            following=urlencode(query | cursor) if last else "",
            simulated=abs(visit.now - time.time()) > SAME,
        )

    @router.get("/audit.csv")
    def list_audit(
        visit: Annotated[Visit, visitor], kind: Short = "", who: Short = "", since: Short = "", until: Short = ""
    ) -> Response:
        iso = visit.page_formats.iso
        rows = [
            (iso(one.time), one.who, one.kind, one.what, one.about, one.detail)
            for one in _search(visit, kind, _asked(visit, who, since, until, ""), MOST_CSV)
        ]
        return csv_file("audit.csv", ("time", "who", "kind", "what", "about", "detail"), rows)


def _search(visit: Visit, kind: str, asked: Asked, most: int) -> list[Act]:
    found = []
    for rank, (name, source) in enumerate(SOURCES.items()):
        if kind not in {"", name} or name not in _open_to(visit):
            continue
        moment, at, number = asked.before
        # Of the acts of that very moment those of a lower rank follow, of a higher one none does.
        below = number if rank == at else MOST_NUMBER if rank < at else -1
        part = Part(visit, (moment, below), most, asked.since, asked.who)
        for when, own, who, what, about, link, detail in source.find(part):
            found.append(Act(when, rank, own, visit.say(source.name), who, what, about, link, detail, source.real))
    return sorted(found, key=lambda one: one[:3], reverse=True)[:most]


def _asked(visit: Visit, who: str, since: str, until: str, before: str) -> Asked:
    """Return what an address asks for; what makes no sense in it is left out."""
    first, last = _day(since), _day(until)
    at = (float(MOST_NUMBER), len(SOURCES), MOST_NUMBER)
    if last:
        at = (_start(visit, last + timedelta(days=1)), -1, MOST_NUMBER)
    if given := CURSOR.fullmatch(before):
        at = min(at, (float(given[1]), int(given[2]), min(int(given[3]), MOST_NUMBER)))
    return Asked(who.strip(), _start(visit, first) if first else 0.0, at)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(1971, 1, 1) <= found <= date(9000, 1, 1) else None


def _start(visit: Visit, day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=visit.registry.zone).timestamp()


def _open_to(visit: Visit) -> dict[str, Source]:
    return {name: source for name, source in SOURCES.items() if visit.may("admin") or not source.admin}


_Found = Iterator[tuple[float, int, str, str, str, str, str]]


def _alerts(part: Part) -> _Found:
    visit = part.visit
    found = visit.desk.book.trail(
        part.before, part.most, since=part.since, who=part.who, districts=visit.user.districts
    )
    for event, site in found:
        about = f"{visit.say(Text('alert', '告警'))} {event.alert} ({_site(visit, site)})"
        link = f"/console/alerts/{event.alert}"
        detail = event.detail_zh if visit.lang == "zh" else event.detail
        yield event.time, event.id, event.who, visit.say(WHAT[event.what]), about, link, detail


def _maintenance(part: Part) -> _Found:
    visit = part.visit
    sites = list(visit.registry.sites) if visit.user.districts else None
    found = visit.desk.maintenance.trail(part.before, part.most, since=part.since, who=part.who, sites=sites)
    moment = visit.page_formats.moment
    for number, when, window in found:
        ended = bool(number % 2)
        what = Text("window taken back", "撤回维护时段") if ended else Text("window opened", "设置维护时段")
        who = (window.removed_by if ended else window.who) or ""
        about = f"{_site(visit, window.site)} {window.device}".rstrip()
        detail = f"{moment(window.begins)} – {moment(window.ends)}: {window.reason}"
        yield when, number, who, visit.say(what), about, "/console/maintenance", detail


def _orders(part: Part) -> _Found:
    visit = part.visit
    with closing(open_compliance(visit.shared.compliance, ORDER_PART)) as db:
        found = OrderBook(db).trail(
            part.before, part.most, since=part.since, who=part.who, districts=visit.user.districts
        )
    for one in found:
        detail = f"{one.reason} {json.dumps(one.told) if one.told else ''}".strip()
        link = f"/console/fleet/{one.device}" if one.device in visit.registry.boards else ""
        yield one.given, one.id, one.who, visit.say(ORDERS[one.what]), one.device, link, detail


def _desired(part: Part) -> _Found:
    visit = part.visit
    places = None
    if visit.user.districts:
        places = [f"site {id_}" for id_ in visit.registry.sites] + [f"board {id_}" for id_ in visit.registry.boards]
    with closing(open_compliance(visit.shared.compliance, ORDER_PART)) as db:
        found = DesiredBook(db).trail(part.before, part.most, since=part.since, who=part.who, places=places)
    for one in found:
        settings = ", ".join(f"{key} = {value}" for key, value in one.settings.items())
        what = visit.say(Text("configuration changed", "更改配置"))
        link = ""
        if one.place == "board" and one.name in visit.registry.boards:
            link = f"/console/fleet/{one.name}"
        elif one.place == "pack" or one.name in visit.registry.sites:
            link = f"/console/templates/{one.place}/{one.name}"
        yield one.made, one.id, one.who, what, one.name, link, f"{settings} {one.reason}".strip()


def _access(part: Part) -> _Found:
    visit = part.visit
    known = UserDesk(visit.db, visit.user, visit.shared.clock).users()
    names = [user.name for user, _, _ in known] if visit.user.districts else None
    here = {user.name for user, _, revoked in known if revoked is None}
    for one in Access(visit.db).trail(part.before, part.most, since=part.since, who=part.who, names=names):
        districts = ", ".join(one.districts) or visit.say(EVERYWHERE)
        role = visit.say(ROLE_NAMES[one.role])
        detail = (
            visit.say(Text(f"{role}, {districts}", f"{role}，{districts}"))
            if one.what in {"added", "changed", "revoked"}
            else ""
        )
        link = f"/console/users/{one.name}" if one.name in here else ""
        yield one.time, one.id, one.who, visit.say(ACTS[one.what]), one.name, link, detail


def _things(part: Part) -> _Found:
    visit, left, before = part.visit, part.most, part.before
    store = ThingStore(visit.db)
    # Those of other districts are passed over: what is left is looked for behind them.
    while left > 0 and (rows := store.trail(before, part.most, part.since, part.who)):
        for row in rows:
            thing = row.thing()
            if thing.district is None or visit.user.sees(thing.district):
                what = visit.say(EDITED if row.number > 1 else ADDED)
                name = visit.say(Text(thing.en, thing.zh))
                about = name if row.id in name else f"{name} ({row.id})"
                detail = visit.say(Text(f"edition {row.number}, {row.source}", f"第{row.number}版，{row.source}"))
                yield row.made, row.serial, row.who, what, about, f"/console/things/{row.kind}/{row.id}", detail
                left -= 1
        before = rows[-1].made, rows[-1].serial


def _channels(part: Part) -> _Found:
    visit = part.visit
    names = None
    if visit.user.districts:
        names = [one.name for one in recipients(visit.shared.config) if manages(visit, one)]
    with closing(open_compliance(visit.shared.compliance, NOTIFY)) as db:
        found = proofs(db, part.before, part.most, since=part.since, who=part.who, names=names)
    for one in found:
        what = visit.say(TESTED[one.what])
        yield (
            one.time,
            one.id,
            one.who,
            what,
            one.recipient,
            "/console/told",
            visit.say(Text(one.detail, in_chinese(one.detail))),
        )


def _site(visit: Visit, id_: str) -> str:
    site = visit.registry.sites.get(id_)
    return visit.say(Text(site.en, site.zh)) if site else id_ or visit.say(Text("the hub", "数据中心"))


SOURCES: dict[str, Source] = {
    "alerts": Source(Text("alerts", "告警"), _alerts),
    "maintenance": Source(Text("maintenance", "维护时段"), _maintenance),
    "orders": Source(Text("orders to boards", "设备指令"), _orders),
    "configuration": Source(Text("configuration of boards", "设备配置"), _desired),
    "access": Source(Text("users", "用户"), _access, admin=True, real=True),
    "messages": Source(Text("messages", "消息通道"), _channels, admin=True, real=True),
    "things": Source(Text("things", "对象"), _things),
}
"""By the name that stands in the address. Their order decides between acts of one moment: only ever added to."""
