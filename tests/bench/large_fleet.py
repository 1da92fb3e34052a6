"""Trucks of a large city for measurements: things with permits, and fixes as judging would have kept them."""

import random
import sqlite3
from collections.abc import Iterator

import msgspec

from hub.judge.records import Sample
from hub.things.entries import Thing
from hub.things.store import ThingStore

DAY, EACH_S = 86_400, 10
WHOLE_DAY = 20
"""So many trucks have a day of fixes, one every 10 s; the others the last minutes of it."""
FEW = 30
COMPANIES, SITES = 100, 300
SIDE = 0.004
"""Of a building site, degrees."""


def fill_trucks(db: sqlite3.Connection, trucks: int, districts: int, now: int) -> None:
    """Add companies, building sites, trucks and their permits, and where each was; call it in a transaction."""
    dice = random.Random(23)
    store = ThingStore(db)
    for thing in _things(trucks, now, dice):
        store.add(thing, now - DAY, "root", "trucks.csv")
    for n in range(trucks):
        heard = now - n % 600
        row = f"v{n}", f"d{n % districts}", f"s{n % districts}", now - DAY, float(heard)
        db.execute(
            "INSERT INTO rule_subject (kind, id, district, site, since, heard) VALUES ('vehicle', ?, ?, ?, ?, ?)", row
        )
        db.executemany(
            "INSERT INTO rule_sample VALUES ('vehicle', ?, ?, ?, ?, 'password', ?)",
            (
                (f"v{n}", one.id, one.t, row[2], msgspec.msgpack.encode(one))
                for one in _way(n, heard, DAY // EACH_S if n < WHOLE_DAY else FEW, dice)
            ),
        )


def _things(trucks: int, now: int, dice: random.Random) -> Iterator[Thing]:
    held = {"from": now - 30 * DAY, "until": now + 300 * DAY}
    for n in range(COMPANIES):
        yield _thing("company", f"c{n}", {})
    for n in range(SITES):
        x, y = 121.2 + dice.random() * 0.5, 31.0 + dice.random() * 0.5
        ring = [[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE], [x, y]]
        said = {"permit": f"P-{n}", "builder": f"c{n % COMPANIES}", "volume_m3": 50_000.0}
        yield _thing("project", f"p{n}", said, **held, geometry={"type": "Polygon", "coordinates": [ring]})
    for n in range(trucks):
        company = f"c{n % COMPANIES}"
        yield _thing("vehicle", f"v{n}", {"plate": f"沪A{n:05}", "company": company, "capacity_m3": 18.0})
        yield _thing("haul_permit", f"h{n}", {"number": f"H-{n}", "vehicle": [f"v{n}"], "company": company}, **held)


def _thing(kind: str, id_: str, properties: dict[str, object], **more: object) -> Thing:
    said = {"kind": kind, "id": id_, "en": f"{kind} {id_}", "zh": f"{kind}{id_}", "properties": properties}
    return msgspec.convert(said | more, Thing)


def _way(n: int, until: int, fixes: int, dice: random.Random) -> Iterator[Sample]:
    lon, lat = 121.2 + dice.random() * 0.5, 31.0 + dice.random() * 0.5
    for k in range(fixes):
        t = until - (fixes - 1 - k) * EACH_S
        trip = t // 1800 % 2
        lon, lat = lon + dice.uniform(-1, 1) * 1e-3, lat + dice.uniform(-1, 1) * 1e-3
        states = {"load": "full" if trip else "empty", "cover": "closed", "lift": "down", "acc": True}
        yield Sample(t, f"v{n}/{t}/0", lat, lon, 15.0, dice.uniform(0, 60), states)
