"""A street with six shops in the console's city with cases: agreements, who answers for them, a clock for tests."""

import contextlib
import datetime as dt
from contextlib import closing

from hub.cases.patrol.plates import Plates
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.change import Context, Origin, apply
from hub.things.entries import Said
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas import domains
from tests.hub.cases.case_city import MONDAY
from tests.hub.console.case_console import case_console
from tests.hub.helpers import CITY, SHANGHAI, query

DAY = 86_400
SHOPS = (
    ("s-1", "Noodle house", "刘记面馆", "catering"),
    ("s-2", "Hardware", "五金店", "retail"),
    ("s-3", "Tea shop", "茶庄", "retail"),
    ("s-4", "Bicycle repair", "修车铺", "repair"),
    ("s-5", "Barber", "理发店", "services"),
    ("s-6", "Grill", "烧烤店", "catering"),
)
AGREEMENTS = {"s-1": 200, "s-2": 200, "s-3": 200, "s-4": 200, "s-5": 10}
"""Days for which each still holds; s-6 has none."""
PHONE = "13900001234"


def shops(district="north", street="lake-road"):
    """Return what a file of the street says."""
    line = {"type": "LineString", "coordinates": [[113.14, 23.02], [113.146, 23.02]]}
    yield said("street", street, "Lake Road", "湖滨路", geometry=line, district=district)
    for number, (id_, en, zh, trade) in enumerate(SHOPS):
        yield said(
            "shop",
            id_,
            en,
            zh,
            district=district,
            geometry={"type": "Point", "coordinates": [113.1401 + number * 0.0001, 23.0201]},
            people=[{"role": "owner", "name": f"Owner of {id_}", "phone": PHONE}],
            properties={"plate": f"SQ-000{number + 1}", "street": street, "trade": trade, "address": f"{number + 1}"},
        )
        if id_ in AGREEMENTS:
            begin = {"from": day(-100), "until": day(AGREEMENTS[id_])}
            yield said(
                "agreement", f"a-{id_}", "Agreement", "责任书", district=district, properties={"shop": id_}, **begin
            )


def said(kind, id_, en, zh, **fields):
    return Said(kind, id_, {"en": en, "zh": zh} | fields)


def day(offset):
    return dt.datetime.fromtimestamp(MONDAY + offset * DAY, SHANGHAI)


class Street:
    """The console of the city (`cases.site`), and what its patrols are kept in."""

    def __init__(self, cases):
        self.cases, self.site, self.data = cases, cases.site, cases.site.config.data

    def know(self, entries, since=MONDAY - 300 * DAY):
        with closing(open_compliance(self.data / "compliance.db", THINGS)) as db, transaction(db):
            context = Context(domains.thing_kinds(), CITY.districts, SHANGHAI)
            apply(ThingStore(db), list(entries), context, Origin(since, "root", "shops.csv"), since=int(since))

    def rows(self, table):
        return query(self.data / "cases.db", f"SELECT * FROM {table}")

    def code(self, shop):
        """Return the code of a shop's plate, as it hangs."""
        with transaction(self.cases.book.db):
            plates = Plates(self.cases.book.db)
            plates.issue("shop", [shop], self.cases.now, "root")
            return plates.codes("shop")[shop]

    def send(self, name, shop, page=None, photo=None, accept="text/html", **fields):
        """Send the form of a shop's page as a browser without scripts does; return the answer."""
        browser = self.cases.who(name)
        there = f"/console/patrol/shop/{shop}"
        form = (page or browser.read(there)).form(there)
        given = {field: value for field, value in form.fields.items() if field != "photo"}
        given |= {"answer-clean": "pass", "answer-green": "na", "answer-order": "pass"} | fields
        headers = {"origin": browser.url, "sec-fetch-site": "same-origin", "accept": accept}
        files = {"photo": photo or ("", b"", "application/octet-stream")}
        browser.last = browser.http.post(there, data=given, files=files, headers=headers)
        return browser.last


@contextlib.contextmanager
def a_street(folder, more='[console]\nplates = true\nplates_contact = "12345"\n'):
    """Serve the console of a city with the street."""
    with case_console(folder, more) as cases:
        street = Street(cases)
        street.know(shops())
        yield street
