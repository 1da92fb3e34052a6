"""What verdicts of packs' rules tell dashboards, read back from a real InfluxDB with the statements of the panels."""

import datetime as dt
import json
from collections import Counter
from contextlib import closing
from types import SimpleNamespace

import msgspec
import pytest

from dashboards import Lang
from dashboards.generate import queries
from hub.compliance.rule_table import RuleTable
from hub.compliance.rulings import EVERY, GRACE
from hub.compliance.tables import PART
from hub.intake.terminals.profiles import Profiles
from hub.log.outcomes import Admitted
from hub.registry.entries import District
from hub.registry.live import Board, Registry, Site
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire import channels
from hub.wire.channels import Channel, Observed
from hub.wire.jt808 import Position
from hub.wire.terminal import moment_of
from schemas.domains import rules
from sim.trucks.cli import ZONE, midnight
from sim.trucks.night import PROFILE, make_night
from tests.hub.reports.test_reports import database, rows  # noqa: F401 - a fixture
from tests.hub.whole import WholeHub

FIXES = Channel("fixes", "fixes/", {"fixes": msgspec.json.Decoder(Observed).decode}, "password")
PAPERS = ("manifest", "haul_permit")
OF_TRUCKS = {id_: rule for id_, rule in rules().items() if rule.of == "vehicle"}


def city(trucks):
    return Registry(
        sites={"yard": Site(id="yard", district="north", kind="construction", en="Yard", zh="车场")},
        boards={truck: Board(id=truck, site="yard") for truck in trucks},
        keys=dict.fromkeys(trucks, b"1" * 32),
        zone=ZONE,
        named_districts={
            "north": District(id="north", city="town", en="North Bank", zh="北岸区"),
            "south": District(id="south", city="town", en="South Bank", zh="南岸区"),
        },
    )


def know(hub, things):
    with closing(open_compliance(hub.folder / "compliance.db", THINGS)) as db:
        for one in things:
            district = {"project": "north", "dump_site": "south"}.get(one.kind)
            said = {"kind": one.kind, "id": one.id, "en": f"The {one.id}", "zh": f"{one.id}号"}
            said |= {"from": one.valid_from, "until": one.valid_until, "district": district}
            said |= {"properties": one.properties, "geometry": one.geometry}
            ThingStore(db).add(msgspec.convert(said, Thing), hub.now, "tester", "test")


@pytest.fixture
def night(tmp_path, database, monkeypatch):  # noqa: F811
    """Two trucks' first hours of a night as the hub heard them, without any paper: those come a day late."""
    monkeypatch.setitem(channels.CHANNELS, FIXES.prefix, FIXES)
    driven = make_night(5, midnight("2026-11-24"), 2, 1, 0, hours=1.0)
    start = min(fixes[0].t for fixes in driven.fixes.values())
    end = max(fixes[-1].t for fixes in driven.fixes.values())
    head = Profiles().head(PROFILE)
    with WholeHub(tmp_path, city(driven.fixes), start, rules=OF_TRUCKS) as hub:
        know(hub, [one for one in driven.things if one.kind not in PAPERS])
        hub.now = float(start)
        hub.work()
        for begin in range(start, end + 600, 600):
            hub.now = begin + 600.0
            messages = []
            for truck, fixes in driven.fixes.items():
                moments = [moment_of(Position.parse(one.body), head) for one in fixes if begin <= one.t < begin + 600]
                payload = msgspec.json.encode(Observed(moments))
                topic = f"fixes/north/yard/{truck}/fixes"
                said = FIXES.decoders["fixes"](payload)
                messages.append(Admitted(topic, payload, "north", "yard", truck, "fixes", said))
            hub.log.commit(messages, hub.now)
            work(hub)
        work(hub, 3 * GRACE)
        yield SimpleNamespace(hub=hub, driven=driven, start=start, end=end, database=database)


def work(hub, seconds=2 * EVERY):
    """Let the hub work and time pass, in steps in which it never pauses."""
    hub.work()
    for _ in range(int(seconds / EVERY)):
        hub.now += EVERY
        hub.work()


def held(hub):
    """Return what holds of what was said, as the table has it: by rule, subject and start its outcome and reason."""
    with closing(open_compliance(hub.folder / "compliance.db", PART)) as db:
        keys = db.execute("SELECT DISTINCT rule, subject_kind, subject FROM rule_verdict").fetchall()
        return {
            (one.rule, one.subject, one.start): (one.outcome, one.reason)
            for key in keys
            for one in RuleTable(db).said(key)[0]
        }


def points(database):  # noqa: F811
    found = rows(database, "ruling", "*")
    assert len({(row["rule"], row["subject"], row["time"]) for row in found}) == len(found), "two points of one verdict"
    return {(row["rule"], row["subject"], row["time"]): (row["outcome"], row["reason"] or "") for row in found}


def test_what_a_panel_reads_is_what_holds_also_after_papers_that_come_late(night):
    hub, database = night.hub, night.database  # noqa: F811
    assert points(database) == held(hub)
    loads = rows(database, "load")
    assert loads
    assert {(row["nominal"], row["amount"], row["material"]) for row in loads} == {(1, 18.0, "-")}
    before = {outcome for (rule, *_), outcome in points(database).items() if rule == "muck-manifest"}
    assert before == {("exceeded", "no_manifest")}

    know(hub, [one for one in (*night.driven.things, *night.driven.late) if one.kind in PAPERS])
    work(hub)

    now = points(database)
    assert now == held(hub)
    assert ("compliant", "") in {outcome for (rule, *_), outcome in now.items() if rule == "muck-manifest"}
    after = rows(database, "load")
    assert {(row["subject"], row["time"]) for row in after} == {(row["subject"], row["time"]) for row in loads}
    assert {row["nominal"] for row in after} == {0}
    assert {(row["taken_in"], row["left_in"]) for row in after} <= {("north", "south"), ("north", "-"), ("-", "south")}
    assert len(rows(database, "load")) == len(after)
    assert after[0]["company_en"].startswith("The ")


def compare(night, found, lang):
    """Breaches per 100 trips are those that hold, beside the trips whose manifests were asked for."""
    holds = held(night.hub)
    trips = Counter(truck for rule, truck, _ in holds if rule == "muck-manifest")
    with closing(open_compliance(night.hub.folder / "compliance.db", PART)) as db:
        said = [
            one for rule, truck in {key[:2] for key in holds} for one in RuleTable(db).said((rule, "vehicle", truck))[0]
        ]
    broken = Counter(one.subject for one in said if one.outcome == "exceeded" and one.grade == "violation")
    assert broken
    each = {row["subject"]: row for row in found["compared_each"]}
    assert each.keys() == set(night.driven.fixes)
    for truck, row in each.items():
        assert (row["trips"], row["broken"]) == (trips[truck], broken[truck])
        assert row["per_trips"] == pytest.approx(100 * broken[truck] / trips[truck])
        assert row[f"subject_{lang}"] == (f"{truck}号" if lang == "zh" else f"The {truck}")
    assert sum(row["trips"] for row in found["compared"]) == trips.total()
    assert sum(row["broken"] for row in found["compared"]) == broken.total()


def test_every_panel_of_the_dashboard_finds_rows(night):
    hub, database = night.hub, night.database  # noqa: F811
    know(hub, [one for one in night.driven.things if one.kind in PAPERS])
    work(hub, 180)
    start, end = (dt.datetime.fromtimestamp(t, ZONE) for t in (night.start - 3600, hub.now + 60))
    for lang in Lang:
        asked = [one for one in queries(lang, ".*", ".*", ".*", start, end) if one.dashboard == "haulage"]
        found = {one.query: database.query(one.statement, "fenceline") for one in asked if "$" not in one.panel}
        assert [query for query, answer in found.items() if not answer] == []
        (taken,) = (row for row in found["taken"] if row["taken_in"] == "north")
        assert taken["loads"] == len([row for row in rows(database, "load") if row["taken_in"] == "north"])
        assert taken["amount"] == pytest.approx(
            sum(row["amount"] for row in rows(database, "load") if row["taken_in"] == "north")
        )
        assert taken[f"taken_in_{lang}"] == ("北岸区" if lang == "zh" else "North Bank")
        assert 0 < found["kept"][0]["kept"] <= 1
        compare(night, found, lang)
    assert json.dumps(found)


def test_a_store_filled_from_the_beginning_shows_the_same(night, monkeypatch):
    """Reports read verdicts in pieces: whatever the pieces, the same stands there in the end."""
    hub, database = night.hub, night.database  # noqa: F811
    know(hub, [one for one in (*night.driven.things, *night.driven.late) if one.kind in PAPERS])
    work(hub)
    whole = points(database)
    monkeypatch.setattr("hub.reports.law.MOST", 3)
    hub.reports._keep("ruling", 0)
    hub.close()
    hub.open()
    hub.now += 61
    hub.work()
    assert points(database) == whole == held(hub)
