"""The cases of a large city for measurements: real histories, made by the desk once, then told again at other times.

People of four roles go through a few courses at the desk. Each case is one of them, moved to another day, place and
number, and added event by event as the hub adds them; so every history adds up to its case.
"""

import random
import tempfile
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from hub.access.tokens import User
from hub.cases.book import CaseBook
from hub.cases.desk import CaseDesk
from hub.cases.opening import open_cases
from hub.cases.rules.records import Event
from hub.cases.rules.rulebook import Rulebook
from hub.registry.live import Registry
from hub.storage.database import transaction

YEAR = 365 * 86_400
RULES = """title = "Departments of the large city"
edition = "1"
source = "the measurement"
verified = "U"
[[department]]
id = "greens"
zh = "园林局"
en = "Parks"
[[department]]
id = "roads"
zh = "市政局"
en = "Roads"
[[responsible]]
department = "roads"
"""
SENT = (("off", "file"), ("dis", "dispatch"), ("han", "receive"))
DONE = (("han", "feed_back"), ("off", "send_check"), ("col", "inspect"))
COURSES = (
    (2, ()),
    (1, SENT[:1]),
    (2, SENT),
    (1, (*SENT, ("han", "ask_extension"))),
    (1, (*SENT, DONE[0])),
    (78, (*SENT, *DONE, ("off", "close"))),
    (10, (*SENT, *DONE, ("off", "rework"), *DONE, ("off", "close"))),
    (5, (("off", "refuse"),)),
)
"""How many of a hundred cases take which course."""
ROLES = {"off": "officer", "col": "collector", "dis": "dispatcher", "han": "handler"}
PARTS = {"inspect": {"result": "pass"}, "ask_extension": {"amount": 1}, "dispatch": {}}
CODES = ("0301", "0302", "0102", "0508")


def write_rules(folder: Path) -> None:
    """Write the rulebook of the large city."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "city.toml").write_text(RULES, "utf-8")


def fill_cases(data: Path, rules: Path, registry: Registry, count: int, now: float) -> None:
    """Make `count` cases of the last year in a data folder."""
    courses = _courses(rules, registry, now)
    sites, dice = sorted(registry.sites.values(), key=lambda one: one.id), random.Random(23)
    weights = [share for share, _ in COURSES]
    with closing(open_cases(data)) as db:
        db.execute("PRAGMA synchronous = OFF")  # only here, where nothing is lost with it
        book = CaseBook(db)
        for begin in range(0, count, 1000):
            with transaction(db):
                for n in range(begin, min(count, begin + 1000)):
                    # Whoever is late in the year is still worked on: the last weeks have the cases that are not over.
                    opened = now - YEAR * (1 - n / count) - 3600
                    recent = n > 0.9 * count
                    at = dice.choices(range(len(COURSES)), weights)[0] if recent else dice.choice((5, 5, 5, 5, 6, 7))
                    _add(book, dice.choice(courses[at]), n + 1, opened, dice.choice(sites), dice)
        book.use_calendar(Rulebook(rules, registry.zone).calendar, now)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("ANALYZE")


def _add(book, events: list[Event], id_: int, opened: float, site, dice: random.Random) -> None:
    case, moved = None, opened - events[0].time
    who = f"-{dice.randrange(40)}"
    for event in events:
        data = dict(event.data)
        if event.what == "report":
            lat, lon = site.position
            data |= {"number": f"20260101{id_:06d}", "district": site.district, "site": site.id, "lat": lat, "lon": lon}
            data |= {"place": f"Lake Road {id_ % 977}"}
        if data.get("deadline"):
            data["deadline"] += moved
        told = replace(event, id=0, casefile=id_, time=event.time + moved, data=data, who=event.who + who, key="")
        case = book.add(case, told)


def _courses(rules: Path, registry: Registry, now: float) -> list[list[list[Event]]]:
    """Return for each course its history, for each code."""
    clock = [now - 30 * 86_400]
    site = min(registry.sites.values(), key=lambda one: one.id)
    with tempfile.TemporaryDirectory() as folder, closing(open_cases(Path(folder))) as db:
        book = Rulebook(rules, registry.zone)
        desks = {
            name: CaseDesk(db, book, registry, lambda: clock[0], User(name, role))  # type: ignore[arg-type]
            for name, role in ROLES.items()
        }
        made = []
        for _, acts in COURSES:
            histories = []
            for code in CODES:
                case = desks["off"].report("department", site.district, code, "as it was seen", place="Lake Road")
                for name, what in acts:
                    clock[0] += 900
                    given = PARTS.get(what, {})
                    if what == "file":
                        given = {"amount": 8, "unit": "work_hour"}
                    desks[name].act(case.id, what, "as the course has it", **given)
                histories.append(desks["off"].book.events(case.id))
            made.append(histories)
        return made
