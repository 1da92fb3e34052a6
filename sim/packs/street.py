"""A street with six shops in the simulated city: what an import of a city's list gives, for patrols to begin with."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.change import Context, Origin, apply
from hub.things.entries import Said
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import domains

SHOPS = (
    ("Noodle house", "刘记面馆", "catering"),
    ("Hardware", "五金店", "retail"),
    ("Tea shop", "茶庄", "retail"),
    ("Bicycle repair", "修车铺", "repair"),
    ("Barber", "理发店", "services"),
    ("Grill", "烧烤店", "catering"),
)
KITCHEN = "kitchen"
"""Name of the sensors of a board that measures in a restaurant's kitchen: it is the first shop's."""
WITHOUT = 5
"""The shop that has signed no agreement."""
STEP = 0.0002
"""Between two shops [degrees]."""
YEAR = 365
WHO = "demo"


class Where(NamedTuple):
    """Where the street begins."""

    district: str
    lat: float
    """WGS-84, degrees."""
    lon: float


def know_street(data: Path, where: Where, zone: ZoneInfo, now: float, board: str | None = None) -> int:
    """Tell the hub whose data these are of the street, as an import does; return how many shops there are.

    `board`: what measures in the kitchen of the first one; None: nothing does.
    """
    with closing(open_compliance(data / COMPLIANCE, THINGS)) as db, transaction(db):
        context = Context(domains.thing_kinds(), (), zone)
        said = list(_entries(where, zone, now, board))
        apply(ThingStore(db), said, context, Origin(now, WHO, "simulated"), since=int(now))
    return sum(one.kind == "shop" for one in said)


def _entries(where: Where, zone: ZoneInfo, now: float, board: str | None) -> Iterator[Said]:
    district, lat, lon = where
    line = [[lon + STEP * n, lat + STEP] for n in range(len(SHOPS) + 1)]
    yield _said(
        "street", "lake-road", "Lake Road", "湖滨路", district, geometry={"type": "LineString", "coordinates": line}
    )
    begin = dt.datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    holds = {"from": begin - dt.timedelta(days=YEAR // 2), "until": begin + dt.timedelta(days=YEAR // 2)}
    for number, (en, zh, trade) in enumerate(SHOPS):
        id_ = f"shop-{number + 1}"
        said: dict[str, Any] = {
            "plate": f"SQ-{number + 1:04d}",
            "street": "lake-road",
            "trade": trade,
            "address": f"湖滨路{number + 1}号",
        }
        if board is not None and number == 0:
            said["source"] = [board]
        place = {"type": "Point", "coordinates": [lon + STEP * (number + 0.5), lat + STEP * 1.2]}
        yield _said("shop", id_, en, zh, district, geometry=place, properties=said)
        if number != WITHOUT:
            yield _said(
                "agreement", f"{id_}-agreement", "Agreement", "责任书", district, properties={"shop": id_}, **holds
            )


def _said(kind: str, id_: str, en: str, zh: str, district: str, **fields: Any) -> Said:
    return Said(kind, id_, {"en": en, "zh": zh, "district": district} | fields)
