"""Simulated trucks: what is planted is found, what only looks like it is not, and a hub says what judging here says."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hub.compliance.rule_table import RuleTable
from hub.compliance.rulings import Rulings
from hub.compliance.tables import PART
from hub.log.log import Log
from hub.registry.live import Registry, Site, Terminal
from hub.storage.compliance_file import open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from schemas.domains import rules
from schemas.errors import UserError
from sim.trucks import cli
from sim.trucks.judged import KIND, judge_night, score
from sim.trucks.night import BREACHES, LOOK_ALIKES, make_night
from tests.hub.helpers import SHANGHAI, at
from tests.hub.intake.terminals.terminal import TerminalHub

MIDNIGHT = at("2026-03-02 00:00")
FENCELINE = Path(sys.executable).with_name("fenceline")


@pytest.fixture(scope="module")
def night():
    """A night with each kind of breach and each kind of look-alike, of a seed that was not used while building."""
    return make_night(4711, MIDNIGHT, len(BREACHES) + len(LOOK_ALIKES), len(BREACHES), len(LOOK_ALIKES), hours=0.5)


@pytest.fixture(scope="module")
def finds(night):
    return judge_night(night, rules(), SHANGHAI)


def test_what_is_planted_is_found_and_what_looks_like_it_is_not(night, finds):
    scored = score(finds, night.planted)
    assert scored.planted == len(BREACHES)
    assert scored.recall >= 0.95, scored.missed
    assert scored.precision >= 0.95, scored.false


def test_every_find_has_its_evidence_and_who_answers_for_it(finds):
    for one in finds:
        assert one.evidence
        assert "company" in {cited.kind for cited in one.editions}, one
    assert all(one.lat is not None for one in finds if one.rule in ("muck-dumped", "muck-dug"))


def test_a_miss_and_a_false_find_are_counted(night, finds):
    some = next(one for one in night.planted if not one.brought)
    without = [one for one in finds if (one.subject, one.rule) != (some.truck, some.rule)]
    assert score(without, night.planted).missed == (some,)
    fewer = [one for one in night.planted if one != some]
    assert {one.subject for one in score(finds, fewer).false} == {some.truck}
    assert score([*finds, *finds], night.planted)[:4] == score(finds, night.planted)[:4]  # repetitions count once


def test_the_same_seed_makes_the_same_bytes():
    first, again, other = (make_night(seed, MIDNIGHT, 2, 1, 1, hours=0.5) for seed in (5, 5, 6))
    assert first == again
    assert first.fixes != other.fixes


def test_more_breaches_than_trucks_are_refused():
    with pytest.raises(UserError, match="each needs a truck of its own, and there are 3"):
        make_night(1, MIDNIGHT, 3, 3, 1)


def test_a_hub_that_gets_it_by_tcp_says_the_same(tmp_path):
    # A hub lets go of what is older than eight days.
    night = make_night(8, cli.midnight(""), 3, 2, 1, hours=0.5)
    cli.write(night, tmp_path / "out", "tower")
    numbers = {truck: cli.phone(n) for n, truck in enumerate(night.fixes)}
    with TerminalHub(tmp_path, (tmp_path / "out" / "terminals.toml").read_text("utf-8")) as hub:
        made = sum(map(len, night.fixes.values()))
        assert asyncio.run(cli.send(night, "127.0.0.1", hub.port, None)) == made
        hub.stop()
    log = Log(tmp_path / "data" / "log.db")
    terminals = {truck: Terminal(id=truck, site="tower", phone=phone) for truck, phone in numbers.items()}
    sites = {"tower": Site(id="gate-7", district="chancheng", kind="construction", en="Gate", zh="门")}
    city = Registry(sites=sites, boards={}, keys={}, zone=SHANGHAI, terminals=terminals)
    with closing(open_compliance(tmp_path / "judged.db", THINGS)) as db:
        for one in (*night.things, *night.late):
            said = {"kind": one.kind, "id": one.id, "en": one.id, "zh": one.id, "geometry": one.geometry}
            dates = {"from": one.valid_from, "until": one.valid_until}
            ThingStore(db).add(msgspec.convert(said | dates | {"properties": one.properties}, Thing), 0, "t", "t")
    of_trucks = {id_: rule for id_, rule in rules().items() if rule.of == KIND}
    rulings = Rulings(tmp_path / "judged.db", city, of_trucks, time.time)
    while entries := log.read(rulings.position(), 1000):
        rulings.take(entries)
    while rulings._cold:  # what came late is gone through again in turns
        rulings.take([])
    rulings.close()
    log.close()
    with closing(open_compliance(tmp_path / "judged.db", PART)) as db:
        held = [one for id_ in of_trucks for one in RuleTable(db).breaches(id_, 0)]
    here = judge_night(night, rules(), SHANGHAI)

    def plain(one):
        return one.subject, one.rule, one.start, one.end, one.grade, one.reason

    assert here
    assert {plain(one) for one in held if one.grade == rules()[one.rule].grade} == set(map(plain, here))


def test_the_command_tells_what_was_planted_and_how_much_of_it_was_found(tmp_path):
    ran = subprocess.run(
        [FENCELINE, "sim", "trucks", "--trucks", "2", "--breaches", "1", "--look-alikes", "1", "--hours", "0.5"],
        capture_output=True, check=True, timeout=150,
    )  # fmt: skip
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row.get("found") for row in rows[:-1]] == [True]
    assert (rows[-1]["planted"], rows[-1]["recall"], rows[-1]["precision"]) == (1, 1.0, 1.0)
