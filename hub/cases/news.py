"""Tells whom each step of a case concerns, in words: what `hub.notify` sends to the recipients that ask for cases."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime

from hub.cases.book import CaseBook
from hub.cases.opening import open_cases
from hub.cases.rules.machine import replay, waits_for
from hub.cases.rules.records import Case, Event, What
from hub.cases.rules.rulebook import LiveRulebook
from hub.cases.rules.texts import ACT
from hub.cases.tables import FILE
from hub.config.alerts import Position
from hub.config.files import Config
from hub.notify.news import News
from hub.registry.live import Registry
from schemas.language import Text

CONCERNS: dict[What, tuple[Position, ...]] = {
    "report": ("officer",),
    "ask_verification": ("collector",),
    "verify": ("officer",),
    "file": ("dispatcher",),
    "send_back": ("officer",),
    "dispatch": ("handler",),
    "return": ("dispatcher",),
    "ask_extension": ("dispatcher",),
    "grant_extension": ("handler",),
    "deny_extension": ("handler",),
    "suspend": ("handler",),
    "resume": ("handler",),
    "add_co_handler": ("handler",),
    "remove_co_handler": ("handler",),
    "supervise": ("officer", "dispatcher", "handler"),
    "feed_back": ("officer",),
    "send_check": ("collector",),
    "inspect": ("officer",),
    "rework": ("handler",),
    "close": ("handler",),
    "force_close": ("officer", "handler"),
    "appeal": ("supervisor",),
    "review": ("supervisor",),
    "uphold": ("officer", "handler"),
    "reject_appeal": ("officer", "handler"),
    "move_deadline": ("handler",),
}
"""Whom a step concerns: who is to act next, and whose work it judges. Of what is not here, nobody is told.

A reminder (`remind`) concerns those whose act the case waits for then.
"""
DAY = 86_400.0


class CaseNews:
    """The steps of a hub's cases as news; the database is opened when it is asked, and need not be there yet."""

    def __init__(self, config: Config, registry: Callable[[], Registry]) -> None:
        self._config, self._registry = config, registry
        self._rules = LiveRulebook(config.cases.folder, registry().zone)

    def begin(self, now: float) -> int:
        """Return the newest step of more than a day ago: a hub that learns to tell of cases does not tell of years."""
        with self._book() as book:
            return book.last_event(now - DAY) if book else 0

    def after(self, step: int, most: int) -> list[News]:
        """See `NewsSource`."""
        with self._book() as book:
            return [self._news(book, event) for event in book.events_after(step, most)] if book else []

    def find(self, steps: Iterable[int]) -> dict[int, News]:
        """See `NewsSource`."""
        with self._book() as book:
            events = book.events_by_id(steps) if book else []
            return {event.id: self._news(book, event) for event in events} if book else {}

    @contextmanager
    def _book(self) -> Iterator[CaseBook | None]:
        if not (self._config.data / FILE).exists():
            yield None
            return
        with closing(open_cases(self._config.data)) as db:
            yield CaseBook(db)

    def _news(self, book: CaseBook, event: Event) -> News:
        case = replay(book.events(event.casefile)[: event.seq])  # as it was then, whoever has it now
        assert case, "an event is one of its history"
        named = event.data.get("department")
        departments = tuple(filter(None, {case.department, *case.co_handlers, named}))
        title, body = self._words(case, event)
        positions = waits_for(case) if event.what == "remind" else CONCERNS.get(event.what, ())
        return News(case.id, event.id, event.time, case.district, case.site, positions, departments, title, body)

    def _words(self, case: Case, event: Event) -> tuple[Text, Text]:
        rules, zone = self._rules.current(), self._registry().zone
        code = rules.code(case.code, case.district)
        site = self._registry().sites.get(case.site)
        kind = Text(code.en, code.zh) if code else Text(case.code, case.code)
        places = (Text(site.en, site.zh) if site else None, Text(case.place, case.place) if case.place else None)
        where = [one for one in places if one]
        what = ACT[event.what]
        title = Text(
            f"case {case.number} {what.en}: {', '.join([kind.en, *(one.en for one in where)])}",
            f"案件{case.number}{what.zh}：{'，'.join([kind.zh, *(one.zh for one in where)])}",
        )
        when = f"{datetime.fromtimestamp(event.time, zone):%Y-%m-%d %H:%M}"
        en, zh = [f"By {event.who}, {when}."], [f"{event.who}，{when}。"]
        department = rules.departments.get(str(event.data.get("department", "")))
        if department:
            en.append(f"Department: {department.en}.")
            zh.append(f"部门：{department.zh}。")
        if deadline := event.data.get("deadline") or event.data.get("until"):
            until = f"{datetime.fromtimestamp(deadline, zone):%Y-%m-%d %H:%M}"
            en.append(f"Deadline: {until}.")
            zh.append(f"期限：{until}。")
        if event.text:
            en.append(event.text)
            zh.append(event.text)
        if address := self._config.console_address:
            link = f"{address.rstrip('/')}/console/cases/{case.id}"
            en.append(link)
            zh.append(link)
        return title, Text("\n".join(en), "\n".join(zh))
