"""Things that are made while trucks drive: verdicts end as if all had been known from the first."""

import json
import random
from contextlib import closing

import msgspec

from hub.compliance.rulings import EVERY, Rulings
from hub.intake.terminals.profiles import Profiles
from hub.log.log import Log
from hub.log.outcomes import Admitted
from hub.registry.live import Registry, Site, Terminal
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire import channels
from hub.wire.channels import Channel, Observed
from hub.wire.jt808 import Position
from hub.wire.terminal import moment_of
from schemas.domains import rules
from sim.trucks.cli import ZONE
from sim.trucks.night import PROFILE, make_night
from tests.hub.helpers import at, query

MIDNIGHT = at("2026-03-02 00:00")
FIXES = Channel("fixes", "fixes/", {"fixes": msgspec.json.Decoder(Observed).decode}, "password")
OF_MUCK = {id_: rule for id_, rule in rules().items() if id_.startswith("muck-")}
LAST = """SELECT rule, subject, start, end, outcome, grade, reason, evidence, editions FROM rule_verdict AS v
    WHERE NOT EXISTS (SELECT 1 FROM rule_verdict AS w WHERE w.rule = v.rule AND w.subject = v.subject
        AND (w.amends = v.start OR w.start = v.start) AND w.revision > v.revision)
    AND reason != 'withdrawn' ORDER BY 1, 2, 3"""


def verdicts(folder, night, when):
    """Return the verdicts that hold in the end on a night of which things become known at `when`, by number."""
    folder.mkdir()
    first = min(fixes[0].t for fixes in night.fixes.values())
    clock = [float(first)]
    site = Site(id="s", district="north", kind="construction", en="S", zh="S")
    terminals = {id_: Terminal(id=id_, site="s", phone=str(n), profile=PROFILE) for n, id_ in enumerate(night.fixes)}
    city = Registry(sites={"s": site}, boards={}, keys={}, zone=ZONE, terminals=terminals)
    head = Profiles().head(PROFILE)
    log = Log(folder / "log.db")
    rulings = Rulings(folder / "compliance.db", city, OF_MUCK, lambda: clock[0], steady=lambda: clock[0])
    things = sorted(range(len(night.things)), key=lambda n: when[n])
    said = sorted((fix.t, id_, fix.body) for id_, fixes in night.fixes.items() for fix in fixes)
    with closing(open_compliance(folder / "compliance.db", THINGS)) as db:
        store = ThingStore(db)
        while said or things:
            clock[0] += EVERY
            while things and when[things[0]] <= clock[0]:
                one = night.things[things.pop(0)]
                ends = {"from": one.valid_from, "until": one.valid_until, "geometry": one.geometry}
                fields = {"kind": one.kind, "id": one.id, "en": one.id, "zh": one.id, "properties": one.properties}
                store.add(msgspec.convert(fields | ends, Thing), clock[0], "tester", "test")
            while said and said[0][0] <= clock[0]:
                _, id_, body = said.pop(0)
                moment = msgspec.to_builtins(moment_of(Position.parse(body), head))
                payload = json.dumps({"moments": [moment]}).encode()
                message = FIXES.decoders["fixes"](payload)
                log.commit(
                    [Admitted(f"fixes/north/s/{id_}/fixes", payload, "north", "s", id_, "fixes", message)], clock[0]
                )
            while entries := log.read(rulings.position(), 1000):
                rulings.take(entries)
            rulings.take([])
        for _ in range(48):
            clock[0] += 1800
            rulings._taken = clock[0]  # it has not paused
            rulings.take([])
    rulings.close()
    log.close()
    rows = query(folder / "compliance.db", LAST)
    # Things are cited in the order in which they were made.
    return [tuple((row | {"editions": sorted(json.loads(row["editions"]))}).values()) for row in rows]


def test_verdicts_end_the_same_whenever_manifests_become_known(tmp_path, monkeypatch):
    monkeypatch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)
    seed = 4  # of the look-alikes the one whose manifest comes late
    night, dice = make_night(seed, MIDNIGHT, 2, 1, 1, hours=0.3), random.Random(seed)
    assert night.late
    night.things.extend(night.late)
    first, last = (edge(fix.t for fixes in night.fixes.values() for fix in fixes) for edge in (min, max))
    known = verdicts(tmp_path / "known", night, [0.0] * len(night.things))
    late = [dice.uniform(first, last + 3600) if one.kind == "manifest" else 0.0 for one in night.things]
    told = verdicts(tmp_path / "told", night, late)
    assert len({rule for rule, *_ in known}) > 5
    assert told == known
