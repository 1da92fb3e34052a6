"""What the simulated city has done before its day begins: cases of the days before, in every state, and a patrol.

People of the demo's roles do it by the product's own functions, so each step passes the table of what is allowed.
"""

import datetime as dt
import io
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, get_args

from PIL import Image, ImageDraw

from hub.access.tokens import User
from hub.cases.attachments.store import attach
from hub.cases.bridge import open_from_alert
from hub.cases.desk import CaseDesk
from hub.cases.opening import open_cases
from hub.cases.patrol.plates import Plates
from hub.cases.patrol.visits import Photo, Place, take
from hub.cases.rules.records import Shows, Source, What
from hub.cases.rules.rulebook import Rulebook
from hub.config.alerts import Position
from hub.config.files import Config
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import domains

PEOPLE: Mapping[Position, str] = {one: f"{one}-1" for one in get_args(Position)}
"""Who works on cases in the demo."""
SHOP = "shop"
"""The kind of things that are visited on patrol."""
PICTURE = (960, 640)
"""Of a photograph, in pixels."""
RULES = """\
title = "Departments of the simulated city"
edition = "demo"
source = "made up for the demo; put your own in"
source_zh = "演示用，请填入本市规定"
edition_zh = "演示"
verified = "U"

[[department]]
id = "works"
zh = "住房和建设局"
en = "Construction bureau"

[[department]]
id = "streets"
zh = "城市管理局"
en = "Urban management bureau"

[[responsible]]
department = "works"
code = "03"

[[responsible]]
department = "streets"
code = "01"

[[responsible]]
department = "streets"
code = "05"
"""
SETTINGS = """
[cases]
folder = "cases"

[console]
plates = true
plates_contact = "12345"
"""


def write_rules(folder: Path) -> None:
    """Write the city's departments beside the hub's configuration in `folder`, and name them there."""
    (folder / "cases").mkdir()
    (folder / "cases" / "city.toml").write_text(RULES, "utf-8")
    config = folder / "fenceline.toml"
    config.write_text(config.read_text("utf-8") + SETTINGS, "utf-8")


class Act(NamedTuple):
    """What somebody did with a case."""

    at: str
    """How many days before the city's first, and at what time: `2 09:30`; empty: now."""
    who: Position
    what: What
    text: str = ""
    photo: Shows | None = None
    """A photograph goes with it."""
    given: tuple[tuple[str, Any], ...] = ()


class Told(NamedTuple):
    """A report, and what came of it."""

    at: str
    who: Position
    source: Source
    site: str
    code: str
    text: str
    acts: tuple[Act, ...] = ()


CASES = (
    Told(
        *("8 09:10", "officer", "citizen", "tunnel-portal", "0301"),
        "渣土车夜间装车扰民，来电反映 Trucks are loaded by night, a resident calls",
        (
            Act("8 09:15", "officer", "ask_verification"),
            Act("8 10:05", "collector", "verify", "现场属实 As reported", given=(("found", "exists"),)),
            Act("8 10:10", "officer", "file"),
            Act("8 10:20", "dispatcher", "dispatch"),
            Act("8 10:30", "handler", "receive"),
            Act("8 11:20", "handler", "feed_back", "夜间停止装车 No loading by night any more"),
            Act("8 11:30", "officer", "send_check"),
            Act("8 23:00", "collector", "inspect", "现场安静 It is quiet", given=(("result", "pass"),)),
            Act("7 09:00", "officer", "close"),
        ),
    ),
    Told(
        *("7 08:40", "collector", "patrol", "logistics-park", "0302"),
        "土堆未覆盖，大风扬尘 Heaps of earth without cover, dust in the wind",
        (
            Act("7 08:45", "collector", "attach", photo="before"),
            Act("7 09:00", "officer", "file"),
            Act("7 09:10", "dispatcher", "dispatch"),
            Act("7 09:20", "handler", "receive"),
            Act("7 10:05", "handler", "feed_back", "已覆盖 The heaps are covered"),
            Act("7 10:15", "officer", "send_check"),
            Act("7 11:00", "collector", "inspect", "两处未盖 Two are not", given=(("result", "fail"),)),
            Act("7 11:10", "officer", "rework", "两处土堆仍未覆盖 Two heaps are still open"),
            Act("7 11:50", "handler", "attach", photo="after"),
            Act("7 11:55", "handler", "feed_back", "全部覆盖并洒水 All are covered and wetted"),
            Act("7 14:00", "officer", "send_check"),
            Act("7 15:00", "collector", "inspect", "属实 As told", given=(("result", "pass"),)),
            Act("7 15:20", "officer", "close"),
        ),
    ),
    Told(
        *("6 15:30", "officer", "department", "river-bridge", "0301"),
        "交通局转来：打桩噪声 The traffic bureau passes on: noise of pile driving",
        (
            Act("6 15:40", "officer", "file"),
            Act("6 15:50", "dispatcher", "dispatch"),
            Act("6 16:30", "handler", "receive"),
            Act("6 20:10", "handler", "feed_back", "打桩已停 Pile driving has stopped"),
            Act("5 08:40", "officer", "send_check"),
            Act("5 10:00", "collector", "inspect", given=(("result", "pass"),)),
            Act("5 10:20", "officer", "close"),
        ),
    ),
    Told(
        *("5 14:20", "officer", "citizen", "school", "0302"),
        "反映操场边扬尘 Dust beside the playground, a resident writes",
        (
            Act("5 14:30", "officer", "ask_verification"),
            Act("5 15:30", "collector", "verify", "未见扬尘 No dust seen", given=(("found", "not_exists"),)),
            Act("5 15:40", "officer", "refuse", "现场核实不属实 Not found on site"),
        ),
    ),
    Told(
        *("4 08:50", "collector", "patrol", "office-tower", "0103"),
        "围挡外积存渣土 A heap of muck outside the fence",
        (
            Act("4 08:55", "collector", "attach", photo="before"),
            Act("4 09:10", "officer", "file"),
            Act("4 09:20", "dispatcher", "dispatch"),
            Act("4 09:40", "handler", "receive"),
            Act("4 14:30", "dispatcher", "suspend", "道路施工，车辆无法进入 Road works, no truck gets there"),
        ),
    ),
    Told(
        *("3 10:00", "officer", "citizen", "hospital-wing", "0301"),
        "病房旁切割噪声 Cutting beside the ward, a patient calls",
        (
            Act("3 10:05", "officer", "ask_verification"),
            Act("3 10:40", "collector", "verify", "属实 As reported", given=(("found", "exists"),)),
            Act("3 10:45", "officer", "file"),
            Act("3 10:50", "dispatcher", "dispatch"),
            Act("3 11:00", "handler", "receive"),
            Act("3 11:40", "handler", "feed_back", "切割移至室内 Cutting is done indoors"),
            Act("3 14:10", "officer", "send_check"),
            Act("3 15:00", "collector", "inspect", given=(("result", "pass"),)),
            Act("3 15:10", "officer", "close"),
            Act("2 09:00", "handler", "appeal", "要求重新认定责任 The department asks who is responsible"),
        ),
    ),
    Told(
        *("2 14:00", "officer", "department", "ring-road", "0302"),
        "路面扬尘，车辆未冲洗 Dust on the road, trucks leave unwashed",
        (
            Act("2 14:10", "officer", "file"),
            Act("2 14:20", "dispatcher", "dispatch"),
            Act("2 14:40", "handler", "receive"),
            Act("2 16:00", "supervisor", "supervise", "三日内第二起 The second within three days"),
        ),
    ),
    Told(
        *("1 16:40", "collector", "patrol", "logistics-park", "0103"),
        "出口旁堆放渣土 Muck beside the exit",
        (
            Act("1 16:42", "collector", "attach", photo="before"),
            Act("1 16:50", "officer", "file"),
            Act("1 16:55", "dispatcher", "dispatch"),
            Act("1 17:05", "handler", "receive"),
            Act(*("1 17:20", "handler", "ask_extension", "需两台车 Two trucks are needed"), given=(("amount", 1),)),
        ),
    ),
    Told(
        *("1 17:10", "officer", "citizen", "metro-station", "0301"),
        "昨夜浇筑混凝土噪声 Concrete was poured last night, a resident calls",
        (Act("1 17:15", "officer", "ask_verification"),),
    ),
    Told(
        *("0 05:05", "collector", "patrol", "school", "0302"),
        "渣土车未密闭，沿路遗撒 A truck is not covered and loses earth",
        (Act("0 05:06", "collector", "attach", photo="before"),),
    ),
)
"""Of the days before, in the order in which they were reported."""
PATROL: tuple[tuple[str, str, str, dict[str, str], bool], ...] = (
    ("9 10:00", "shop-1", "", {}, False),
    ("9 10:12", "shop-2", "", {}, False),
    ("2 10:00", "shop-3", "", {}, False),
    ("2 10:10", "shop-4", "修理台摆在人行道 The bench stands on the pavement", {"order": "0507"}, True),
    ("1 10:20", "shop-6", "垃圾桶溢出 The bin runs over", {"clean": "0102"}, True),
)
"""Visits on the street: when, to which shop, what was said, duties that were broken and their class, a photograph."""


class Casework:
    """Works on the cases of the hub of `config` in the place of the demo's people.

    `now`: Unix s, when the city's day begins.
    """

    def __init__(self, config: Config, registry: Registry, now: float) -> None:
        self._config, self._registry = config, registry
        self._day = dt.datetime.fromtimestamp(now, registry.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        self._rules = Rulebook(config.cases.folder, registry.zone)
        self._time = now

    def know(self) -> int:
        """Put on record what was done before the day; return how many cases there are."""
        with closing(open_cases(self._config.data)) as db:
            desks = {one: self._desk(db, one) for one in PEOPLE}
            for told in CASES:
                self._tell(desks, told)
            self._walk(desks["collector"])
            return desks["officer"].book.next_id() - 1

    def open_about(self, alert: int, now: float) -> int:
        """Open a case about an alert, as the officer does; return its number. `now`: Unix s."""
        self._time = now
        with closing(open_cases(self._config.data)) as db:
            return open_from_alert(self._desk(db, "officer"), self._config.data / COMPLIANCE, alert).id

    def go_on(self, case: int, act: Act, now: float) -> None:
        """Do one more act with a case. `now`: Unix s; an act that names a time is done then."""
        self._time = now
        with closing(open_cases(self._config.data)) as db:
            self._go({act.who: self._desk(db, act.who)}, case, [act])

    def _desk(self, db: sqlite3.Connection, who: Position) -> CaseDesk:
        return CaseDesk(db, self._rules, self._registry, lambda: self._time, User(PEOPLE[who], who))

    def _at(self, moment: str) -> None:
        """Set the time; empty: it stays."""
        if moment:
            days, of_day = moment.split()
            hour, minute = map(int, of_day.split(":"))
            day = self._day - dt.timedelta(days=int(days))
            self._time = day.replace(hour=hour, minute=minute).timestamp()

    def _tell(self, desks: Mapping[Position, CaseDesk], told: Told) -> None:
        self._at(told.at)
        site = self._registry.sites.get(told.site)
        if site is None:
            return  # it is not in this city
        case = desks[told.who].report(told.source, site.district, told.code, told.text, site=site.id)
        self._go(desks, case.id, told.acts)

    def _go(self, desks: Mapping[Position, CaseDesk], case: int, acts: Sequence[Act]) -> None:
        for act in acts:
            self._at(act.at)
            if act.photo is not None:
                attach(desks[act.who], self._config, case, f"{act.photo}.jpg", drawn(act.photo), act.photo)
            else:
                desks[act.who].act(case, act.what, act.text, **dict(act.given))

    def _walk(self, desk: CaseDesk) -> None:
        patrol = domains.thing_kinds()[SHOP].patrol
        assert patrol is not None, "shops are visited"
        with closing(open_compliance(self._config.data / COMPLIANCE, THINGS)) as db:
            shops = {one.id: one for one in ThingStore(db).rows(SHOP)}
        for number, (at, id_, text, broken, pictured) in enumerate(PATROL):
            self._at(at)
            shop = shops[id_].thing()
            lon, lat = (shop.geometry or {})["coordinates"]
            words = f"{shop.zh} {shop.en}，{shop.properties['plate']}，{shop.properties['address']}"
            place = Place(SHOP, id_, str(shop.district), words, lat, lon)
            form = {"key": f"demo-visit-{number}", "text": text}
            for duty in patrol.duty:
                form[f"answer-{duty}"] = "fail" if duty in broken else "pass"
                form[f"code-{duty}"] = broken.get(duty, "")
            photo = Photo("street.jpg", drawn("before")) if pictured else None
            take(desk, self._config, patrol, place, form, photo, self._time)
        with transaction(desk.book.db):
            Plates(desk.book.db).issue(SHOP, list(shops), self._time, PEOPLE["officer"])


def drawn(shows: Shows) -> bytes:
    """Return what stands for a photograph, as JPEG: a fence with heaps of earth before it, open, or under a net."""
    picture = Image.new("RGB", PICTURE, "#b9cbd8")
    draw = ImageDraw.Draw(picture)
    width, height = PICTURE
    for number in range(12):  # the fence
        left = number * width // 12
        draw.rectangle((left, 230, left + width // 12 - 6, 420), fill="#4f7fa3" if number % 2 else "#5d8db1")
    draw.rectangle((0, 420, width, height), fill="#8d8f90")
    draw.rectangle((0, 420, width, 440), fill="#c9c6bd")
    earth = "#7a5a3a" if shows == "before" else "#3f6b45"
    for left, top, right in ((90, 330, 470), (420, 370, 720), (650, 345, 930)):
        draw.polygon([(left, 480), ((left + right) // 2, top), (right, 480)], fill=earth)
    if shows == "before":
        draw.polygon([(150, 480), (860, 480), (960, 590), (40, 560)], fill="#93714d")
    draw.text((24, height - 52), "simulated photograph", fill="white", font_size=32)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()
