"""A night of muck trucks in the console's city: bodies of 0200 in the log, judged by the pack, with its things."""

import contextlib
import datetime as dt
from contextlib import closing

import msgspec

from hub.compliance.rulings import Rulings
from hub.intake.terminals.profiles import Profiles
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Terminal
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.channels import Observed
from hub.wire.jt808 import Position
from hub.wire.terminal import Of, identity_of_fix, moment_of, pack
from hub.wire.terminal_kinds import FIX, PREFIX
from schemas import domains
from sim.trucks.night import PROFILE, make_night
from tests.hub.alerting import write_files
from tests.hub.console.pages import USERS, a_console
from tests.hub.helpers import CITY, SHANGHAI, open_all

MIDNIGHT = int(dt.datetime(2026, 3, 2, tzinfo=SHANGHAI).timestamp())
NAMES = {
    "company": ("Company", "企业"),
    "vehicle": ("Truck", "渣土车"),
    "project": ("Site", "出土工地"),
    "dump_site": ("Dump site", "消纳场"),
    "corridor": ("Route", "路线"),
    "haul_permit": ("Haul permit", "准运证"),
    "manifest": ("Manifest", "联单"),
    "dead_zone": ("Tunnel", "隧道"),
    "speed_zone": ("School", "学校路段"),
    "built_up_area": ("City", "建成区"),
}
EVERYBODY = (*USERS, ("root-north", "admin", ("north",)))
BATCH = 500


def thing_of(edition):
    """Return a simulated edition as people enter it."""
    en, zh = NAMES[edition.kind]
    said = {"kind": edition.kind, "id": edition.id, "en": f"{en} {edition.id}", "zh": f"{zh}{edition.id}"}
    said |= {"from": edition.valid_from, "until": edition.valid_until, "properties": edition.properties}
    return msgspec.convert(said | ({"geometry": edition.geometry} if edition.geometry else {}), Thing)


def registry_of(trucks):
    """Return the city with a terminal for each truck: one after the other of the north and of the south."""
    terminals = {
        id_: Terminal(id=id_, site="tower" if n % 2 == 0 else "mill", phone=f"{13900000000 + n}", profile=PROFILE)
        for n, id_ in enumerate(trucks)
    }
    return msgspec.structs.replace(CITY, terminals=terminals)


class Haulage:
    """The trucks of a night in the data folder of a hub, told up to `hours` after midnight."""

    def __init__(self, folder, trucks=2, planted=2, seed=1, hours=22.0):
        self.folder = folder
        self.night = make_night(seed, MIDNIGHT, trucks, planted, 0, 1.0)
        self.now = MIDNIGHT + 3600.0 * hours
        self.registry = registry_of(self.night.fixes)
        self.open()

    def open(self):
        open_all(self.folder / "compliance.db").close()
        self.know(*map(thing_of, self.night.things))
        told = [(fix.t, truck, fix.body) for truck, fixes in self.night.fixes.items() for fix in fixes]
        self.say(sorted(one for one in told if one[0] <= self.now))

    def know(self, *things, who="root", source="trucks.csv", made=None):
        with closing(open_compliance(self.folder / "compliance.db", THINGS)) as db, transaction(db):
            for thing in things:
                ThingStore(db).add(thing, self.now - 7200 if made is None else made, who, source)

    def say(self, told):
        """Commit fixes (t, truck, body) to the log as they come, and judge."""
        clock = [float(told[0][0])]
        head = Profiles().head(PROFILE)
        rules = {id_: rule for id_, rule in domains.rules().items() if rule.of == "vehicle"}
        with (
            closing(Log(self.folder / "log.db")) as log,
            closing(
                Rulings(self.folder / "compliance.db", self.registry, rules, lambda: clock[0], steady=lambda: clock[0])
            ) as rulings,
        ):
            for at in range(0, len(told), BATCH):
                part = told[at : at + BATCH]
                clock[0] = float(part[-1][0])
                log.commit([self.admitted(head, *one) for one in part], clock[0])
                rulings.take(log.read(rulings.position(), BATCH * 2))
            clock[0] = max(clock[0], self.now)
            rulings.take([])

    def admitted(self, head, t, truck, body):
        site = self.registry.site_of(truck)
        phone = self.registry.terminals[truck].phone
        payload = pack(msgspec.structs.replace(head, of=Of(phone, 1, 0)), body)
        said = Observed([moment_of(Position.parse(body), head)])
        topic = f"{PREFIX}{site.district}/{site.id}/{truck}/{FIX}"
        admitted = Admitted(topic, payload, site.district, site.id, truck, FIX, said)
        return msgspec.structs.replace(admitted, identity=identity_of_fix(body))


@contextlib.contextmanager
def a_haulage(folder, **more):
    """Serve the console of a city with trucks: `city.trucks` tells what there is."""
    config = write_files(folder)
    trucks = Haulage(folder / "data", **more)
    with a_console(config, trucks.registry, lambda: trucks.now, EVERYBODY) as site:
        site.trucks = trucks
        yield site
