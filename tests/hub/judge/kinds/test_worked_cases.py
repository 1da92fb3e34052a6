"""Worked cases of each kind of rules, by hand: cases/*.toml; the verdicts in the end, and in whatever order it came."""

import random
import tomllib
from pathlib import Path

import pytest

from hub.judge.kinds import KINDS
from hub.judge.kinds.world import World, names_in
from tests.hub.judge.kinds.plane import Bench, box, line, local, point, rule, sample, thing

CASES = {
    f"{path.stem}: {case['name']}": (content, case)
    for path in sorted((Path(__file__).parent / "cases").glob("*.toml"))
    for content in [tomllib.loads(path.read_text("utf-8"))]
    for case in content["case"]
}
END = local("2026-03-12T00:00:00")
UNITS = {"true": True, "false": False}


def value(text):
    try:
        return UNITS[text] if text in UNITS else float(text)
    except ValueError:
        return text


def read_sample(text):
    """Return the sample of "08:00:00 100,40 r=10 v=30 load=full"."""
    time, place, *rest = text.split()
    more = {name: value(part) for name, part in (one.split("=") for one in rest)}
    if place == "nofix":
        return sample(local(time), id_=time, **more)
    x, y = (None, None) if place == "-" else map(float, place.split(","))
    return sample(local(time), x, y, more.pop("r", 0.0), more.pop("v", None), time, **more)


def read_thing(one):
    shapes = {"box": lambda it: box(*it), "line": lambda it: line(*it), "point": lambda it: point(*it)}
    geometry = next((make(one[name]) for name, make in shapes.items() if name in one), None)
    times = {name: local(one[name]) for name in ("since", "until") if name in one}
    return thing(one["kind"], one["id"], geometry, **times, **one.get("properties", {}))


def shown(verdict, like):
    """Return a verdict as a case writes it, with as much of it as the case says."""
    words = [verdict.start, verdict.end, verdict.outcome, verdict.grade, verdict.reason or "-"]
    said = like.split()[5:]
    if said and said[0] != "?":
        assert verdict.value == pytest.approx(float(said[0]), abs=0.0051), (verdict, like)
    if len(said) > 1:
        assert [f"{one.id}/{one.edition}" for one in verdict.editions] == said[1:]
    return words


def written(text):
    start, end, *words = text.split()[:5]
    return [local(start), local(end), *words]


@pytest.mark.parametrize("name", CASES)
def test_a_worked_case_gives_the_verdicts_that_were_worked_out_by_hand(name):
    content, case = CASES[name]
    said = dict(content["rule"])
    wanted = sorted(case["expected"], key=written)
    samples = [read_sample(text) for text in case["samples"].splitlines() if text]
    days = {local("00:00:00", one.id[:10]) for one in samples if "T" in one.id} or {local("00:00:00")}
    for order in (0, 1, 2):
        bench = Bench(
            rule(said["kind"], said.get("grade", "violation"), said.get("of", "vehicle"), **said["params"]),
            *map(read_thing, content.get("thing", ())),
            since=min(days),
        )
        mixed = random.Random(order).sample(samples, len(samples)) if order else samples
        for one in mixed:
            bench.add(one)
            if order == 2:
                bench.judge(one.t)
        bench.judge(max(days) + 86_400 + 7201)
        held = sorted(bench.held.values(), key=lambda one: one.start)
        # A rule of shifts judges every day; the case is about the first.
        held = [one for one in held if one.start < max(days) + 86_400]
        assert [shown(one, like) for one, like in zip(held, wanted, strict=True)] == [written(like) for like in wanted]
        for one in held:
            assert set(one.evidence) <= {sample.id for sample in samples}
            assert one.samples == len(one.evidence)


class Followed(World):
    """A world that notes which things a rule looks at by name; what it sweeps or finds by place is known elsewhere."""

    def __init__(self, editions=()):
        self.followed = set()
        super().__init__(editions)

    def _note(self, terms):
        self.followed |= {(term.edition.kind, term.edition.id) for term in terms}
        return terms

    def in_force(self, kind, id_, t):
        found = super().in_force(kind, id_, t)
        self._note([found] if found else [])
        return found

    def terms(self, kind, id_):
        return self._note(super().terms(kind, id_))

    def held_by(self, kind, property_, id_):
        return self._note(super().held_by(kind, property_, id_))

    def held_at(self, kind, property_, id_, t):
        return self._note(super().held_at(kind, property_, id_, t))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_rule_follows_leads_back_to_whom_it_judges(kind, monkeypatch):
    """Else a thing that is entered late would change no verdict: `Rulings._concerned` would not find the subject."""
    monkeypatch.setattr("tests.hub.judge.kinds.plane.World", Followed)
    for content, case in (one for one in CASES.values() if one[0]["rule"]["kind"] == kind):
        said = dict(content["rule"])
        things = [read_thing(one) for one in content.get("thing", ())]
        bench = Bench(rule(kind, said.get("grade", "violation"), said.get("of", "vehicle"), **said["params"]), *things)
        samples = [read_sample(text) for text in case["samples"].splitlines() if text]
        bench.add(*samples)
        bench.judge(END)
        world, named = (
            bench.world,
            {name for one in things for said in one.properties.values() for name in names_in(said)},
        )
        for key in world.followed:
            placed = any(term.edition.geometry for term in world.terms(*key))
            if not placed and key[0] not in world.swept and key[1] not in named:
                assert "truck" in world.reached([key[1]]), f"{kind}: what changes in {key} would not be judged again"


def test_an_end_of_a_reference_that_leads_nowhere_is_found():
    """That the test above can fail: an order that names nobody, looked up by its own name."""
    world = World([thing("order", "o-1"), thing("shift", "s-1", beat="b-1"), thing("beat", "b-1", area="truck")])
    assert "truck" not in world.reached(["o-1"])
    assert "truck" in world.reached(["s-1"])


def test_every_kind_has_worked_cases():
    assert {content["rule"]["kind"] for content, _ in CASES.values()} == set(KINDS)
