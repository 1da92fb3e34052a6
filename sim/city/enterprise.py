"""An enterprise of the simulated city: its outlet, permit and yearly total, and what it marked in the night before."""

import datetime as dt
from contextlib import closing
from zoneinfo import ZoneInfo

from hub.access.tokens import User
from hub.companies.desk import CompanyDesk
from hub.config.files import Config
from hub.registry.live import Registry
from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.marks.tables import PART as MARKS
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import load_quantities
from sim.city.city import CityBoard

ID, OUTLET, PERMIT = "ceramics", "ceramics-da001", "ceramics-permit"
STACK = "stack"
"""Name of the sensors of a board that measures in a stack."""
HOUR = 3600
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
"""A protocol of a calibration, as far as its kind is told by its content."""


def things_of(board: CityBoard, year: int, zone: ZoneInfo) -> list[Thing]:
    """Return the enterprise and what belongs to it; its permit is stricter than the standard."""
    since, until = (int(dt.datetime(one, 1, 1, tzinfo=zone).timestamp()) for one in (year, year + 5))
    about = {"permit": PERMIT, "outlet": OUTLET, "pollutant": "stack_nox"}
    outlet = {"number": "DA001", "enterprise": ID, "site": board.site.id, "source": (board.id,)}
    permit = {"number": "91440600DEMO001P", "enterprise": ID, "authority": "Municipal bureau 市生态环境局"}
    named = (board.site.en, board.site.zh)
    return [
        Thing("enterprise", ID, *named, district=board.site.district),
        Thing("outlet", OUTLET, "Boiler stack", "锅炉烟囱", district=board.site.district, properties=outlet),
        Thing("discharge_permit", PERMIT, "Permit", "排污许可证", from_=since, until=until, properties=permit),
        Thing("permit_limit", f"{ID}-nox", "NOx", "氮氧化物", properties=about | {"value": 150.0, "reference_o2": 3.5}),
        Thing("permit_total", f"{ID}-nox-year", "NOx", "氮氧化物", properties=about | {"mass_t": 12.0}),
    ]


def know(config: Config, registry: Registry, board: CityBoard, now: float, user: str) -> None:
    """Tell the hub of `config` of the enterprise, as an import does, and log two marks of it as its own people do.

    `now`: Unix s, when the city's time begins; `user`: who belongs to the enterprise.
    """
    with closing(open_compliance(config.data / COMPLIANCE, THINGS, MARKS)) as db:
        year = dt.datetime.fromtimestamp(now, registry.zone).year
        with transaction(db):
            for one in things_of(board, year, registry.zone):
                ThingStore(db).add(one, now, "demo", "simulated")
        person = User(user, "company", company=ID)
        desk = CompanyDesk(db, config, registry, load_quantities(), lambda: now, person)
        begin = int(now) // HOUR * HOUR
        mark = desk.log(
            OUTLET, "calibration", begin, begin + HOUR, "Span gas, weekly 每周标气校准", quantities=["stack_nox"]
        )
        desk.prove(mark.id, "protocol.pdf", PDF)
        desk.log(OUTLET, "maintenance", begin + 8 * HOUR, begin + 9 * HOUR, "New filter of the probe 更换探头滤芯")
