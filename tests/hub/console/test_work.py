"""The page of the day's work: what heat allows, how rounds went, how full bins are, and attendance in sums alone."""

import datetime as dt
import os
from contextlib import closing

import msgspec
import pytest

from hub.compliance.rulings import Rulings
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Terminal
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire import channels
from hub.wire.channels import Channel, Observed
from schemas import domains
from tests.hub.alerting import write_files
from tests.hub.console.browsing import DESK, PHONE, look_through, visits
from tests.hub.console.pages import USERS, a_console
from tests.hub.helpers import CITY, SHANGHAI, open_all

FIXES = Channel("fixes", "fixes/", {"fixes": msgspec.json.Decoder(Observed).decode}, "password")
PARK = [[[113.1, 23.0], [113.102, 23.0], [113.102, 23.001], [113.1, 23.001], [113.1, 23.0]]]
SENDERS = ("node-1", "node-2", "lorry", "badge-1", "badge-2")


def at(text):
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp())


def thing(kind, id_, en, zh, since=None, until=None, geometry=None, district="north", **properties):
    said = {"kind": kind, "id": id_, "en": en, "zh": zh, "district": district, "geometry": geometry}
    ends = {"from": at(since) if since else None, "until": at(until) if until else None}
    return msgspec.convert(said | ends | {"properties": properties}, Thing)


def spot(lon, lat):
    return {"type": "Point", "coordinates": [lon, lat]}


def shift(n, day, worker, begin="06:00", end="14:00"):
    return thing(
        "shift", f"s-{n}", f"Shift {n}", f"{n}班", f"{day}T{begin}", f"{day}T{end}", worker=worker, beat=["park"]
    )


THINGS_KNOWN = [
    thing("weather_area", "south", "South of the city", "城南", geometry=spot(113.1, 23.0)),
    thing("heat_forecast", "f-3", "3 July", "7月3日", "2026-07-03", "2026-07-04", area="south", max_c=38.5),
    thing("beat", "park", "Park", "公园", geometry={"type": "Polygon", "coordinates": PARK}, weather="south"),
    thing(
        "bin", "bin-1", "Bin at the gate", "门口垃圾桶", geometry=spot(113.1, 23.0), source=["node-1"], waste="kitchen"
    ),
    thing(
        "bin", "bin-2", "Bin at the lake", "湖边垃圾桶", geometry=spot(113.105, 23.0), source=["node-2"], waste="other"
    ),
    thing("bin", "bin-3", "Bin nobody hears", "无信号垃圾桶", geometry=spot(113.107, 23.0), waste="other"),
    thing("round", "r-1", "Round 1", "一号线路", "2026-07-01", "2026-08-01", source="lorry", stops=["bin-1", "bin-2"]),
    thing("worker", "zhang-san", "Zhang", "张三", source=["badge-1"]),
    thing("worker", "li-si", "Li", "李四", source=["badge-2"]),
    *(shift(n, f"2026-07-0{1 + n // 2}", ("zhang-san", "li-si")[n % 2]) for n in range(4)),
    shift(9, "2026-07-03", "zhang-san", "09:00", "14:00"),
]


class Work:
    """A city with bins, a round and two workers; `now` is its clock."""

    def __init__(self, folder):
        self.folder, self.now = folder, float(at("2026-07-02T20:00"))
        terminals = {id_: Terminal(id=id_, site="tower", phone=f"{139 * 10**8 + n}") for n, id_ in enumerate(SENDERS)}
        self.registry = msgspec.structs.replace(CITY, terminals=terminals)
        open_all(folder / "compliance.db").close()
        with closing(open_compliance(folder / "compliance.db", THINGS)) as db, transaction(db):
            for one in THINGS_KNOWN:
                ThingStore(db).add(one, self.now - 7 * 86_400, "root", "city.toml")
        self.say()

    def say(self):
        clock = [float(at("2026-07-01T00:00"))]
        rules = domains.rules()
        path = self.folder / "compliance.db"
        with (
            closing(Log(self.folder / "log.db")) as log,
            closing(Rulings(path, self.registry, rules, lambda: clock[0], steady=lambda: clock[0])) as rulings,
        ):
            told = []
            for t in range(at("2026-07-01T00:00"), int(self.now), 1800):
                told.append((t, "node-1", {"states": {"fill": 91.0 if t > at("2026-07-02T12:00") else 20.0 + t % 7}}))
                told.append((t, "node-2", {"states": {"fill": 40.0 + t % 7}}))
                hour = t % 86_400 // 3600
                if hour >= 22 or hour < 6:  # UTC: 06:00 to 14:00 there
                    here = {"lat": 23.0005, "lon": 113.101, "radius": 15.0}
                    told += [
                        (t + minute * 600, badge, here | {"states": {"worn": worn, "steps": float(t + minute)}})
                        for minute in range(3)
                        for badge, worn in (("badge-1", True), ("badge-2", False))
                    ]
                told.append((t, "lorry", {"lat": 23.02, "lon": 113.1, "radius": 5.0, "speed": 0.0, "states": {}}))
            for t, source, moment in sorted(told, key=lambda one: one[0]):
                clock[0] = float(t)
                payload = msgspec.json.encode({"moments": [{"t": t} | moment]})
                topic = f"fixes/north/tower/{source}/fixes"
                said = FIXES.decoders["fixes"](payload)
                log.commit([Admitted(topic, payload, "north", "tower", source, "fixes", said)], clock[0])
                rulings.take(log.read(rulings.position(), 100))
            while clock[0] < self.now:
                clock[0] = min(clock[0] + 30, self.now)
                rulings.take([])


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)
        config = write_files(folder)
        work = Work(folder / "data")
        with a_console(config, work.registry, lambda: work.now, USERS) as site:
            yield site


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["2026-07-03", "38.5 °C", "few hours, none in the hottest", "12:00–14:00", "Bin at the gate", "full"]),
        ("zh", ["2026-07-03", "38.5 °C", "限时作业", "12:00–14:00", "门口垃圾桶", "满溢"]),
    ],
)
def test_it_tells_what_must_be_cancelled_tomorrow_and_which_bins_are_full(city, lang, words):
    page = city.browser("inspector", lang).read("/console/work")
    assert [word for word in words if word not in page.text] == []
    assert "/console/things/shift/s-9" in page.links
    assert "/console/things/round/r-1" in page.links
    assert ("0% done" if lang == "en" else "完成0%") in page.text


def test_no_person_is_named_and_few_shifts_are_no_sum(city):
    page = city.browser("inspector", "en").read("/console/work")
    assert [word for word in ("zhang", "Zhang", "li-si", "badge") if word in page.text] == []
    assert "Fewer than 5 shifts were judged" in page.text


def test_a_day_without_a_forecast_and_one_that_is_none(city):
    browser = city.browser("inspector", "en")
    assert "no maximum announced" in browser.read("/console/work?day=2026-07-04").text
    assert browser.http.get("/console/work?day=never").status_code == 422
    page = city.browser("inspector", "en").read("/console/work?day=2026-07-02")
    assert "Shift 2" in page.text


@pytest.mark.parametrize(("lang", "size", "scheme"), [("zh-CN", PHONE, "dark"), ("en", DESK, "light")])
def test_it_fits_and_keeps_nobody_out(chromium, city, lang, size, scheme):
    from axe_playwright_python.sync_playwright import Axe

    with visits(chromium, city) as visit:
        page = visit("root", size, lang, scheme=scheme)
        page.goto(f"{city.url}/console/work")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        look_through(Axe(), page)
        if "SHOTS" in os.environ:
            page.screenshot(path=f"{os.environ['SHOTS']}/work-{lang}.png", full_page=True)
