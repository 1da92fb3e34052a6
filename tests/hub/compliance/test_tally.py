"""What verdicts of a month come to is added up by day as they are given: the same as if each were read."""

import contextlib
import random
from collections import Counter
from dataclasses import replace

import pytest

from hub.compliance.tables import PART
from hub.compliance.verdicts import Tally, VerdictTable
from hub.judge.verdicts import Verdict
from hub.judge.windows import DAY
from hub.storage.compliance_file import open_compliance
from schemas import load_limits
from tests.hub.helpers import at

HOUR = 3600
STANDARD, LIMIT = next((s, n) for s, n in load_limits() if (s.id, n.quantity) == ("GB 13271-2014", "stack_nox"))
SAID = (
    *(("compliant", "", ""), ("exceeded", "violation", ""), ("exceeded", "suspicion", "")),
    *(("invalid", "", "marked"), ("invalid", "", "capture"), ("open", "", "")),
)
FIRST = at("2026-02-27 00:00")
SPANS = [
    pytest.param(at("2026-03-01 00:00"), at("2026-04-01 00:00"), id="a month in China"),
    pytest.param(at("2026-02-28 16:00"), at("2026-03-05 15:00"), id="days that begin at other hours"),
    pytest.param(at("2026-03-01 03:00"), at("2026-03-01 20:00"), id="part of a day"),
    pytest.param(at("2026-03-01 23:00"), at("2026-03-02 02:00"), id="across midnight"),
    pytest.param(at("2025-01-01 00:00"), at("2025-02-01 00:00"), id="before all"),
]


def given(dice):
    """Make a verdict on one hour of some days, of one of two rules at one of two boards."""
    outcome, grade, reason = dice.choice(SAID)
    start = FIRST + dice.randrange(7 * 24) * HOUR
    value = None if outcome == "invalid" and dice.random() < 0.5 else dice.uniform(0.0, 120.0)
    return Verdict(
        district=dice.choice(("d", "e")),
        site=dice.choice(("s", "t")),
        device=dice.choice(("b1", "b2")),
        rule=dice.choice(("r1", "r2")),
        standard=STANDARD,
        limit=LIMIT,
        quantity=dice.choice(("stack_nox", "stack_so2")),
        start=start,
        end=start + HOUR,
        value=value,
        compared=value,
        background=None,
        limit_value=dice.choice((50.0, 80.0, 0.0, None)),
        unit="mg/m³",
        decimals=1,
        capture=1.0,
        outcome=outcome,
        grade=grade,
        reason=reason,
        missing="",
        assumed="",
        permitted=False,
        revision=1,
        judged=float(start + HOUR),
        binding=dice.choice(("binds", "binds", "binds", "informs")),
    )


def fill(db, verdicts):
    """Keep verdicts; some amend others, in whatever order windows are judged."""
    revisions = Counter((row.device, row.rule, row.start) for row in VerdictTable(db).after(0))
    for one in verdicts:
        key = one.device, one.rule, one.start
        revisions[key] += 1
        VerdictTable(db).add(replace(one, revision=revisions[key]))
    assert max(revisions.values()) > 2, "windows were judged again"


def plainly(db, device, start, end):
    """Return what verdicts come to, read one by one."""
    last = {(row.rule, row.start): row for row in VerdictTable(db).after(0) if row.device == device}
    found = {}
    for row in last.values():
        if start <= row.start < end and row.binding == "binds":
            key = row.quantity, row.outcome, row.grade, row.reason
            found.setdefault(key, []).append(row)
    return {
        key: Tally(
            *key,
            len(rows),
            max((row.compared for row in rows if row.compared is not None), default=None),
            max(
                (row.compared / row.limit_value for row in rows if row.compared is not None and row.limit_value),
                default=0,
            ),
        )
        for key, rows in found.items()
    }


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    """A database whose verdicts were kept as they are today."""
    dice = random.Random(7)
    with contextlib.closing(open_compliance(tmp_path_factory.mktemp("tally") / "compliance.db", PART)) as opened:
        fill(opened, [given(dice) for _ in range(900)])
        yield opened


@pytest.fixture(scope="module")
def brought_forward(tmp_path_factory):
    """One of which the greater part was kept before days were added up."""
    path, dice = tmp_path_factory.mktemp("before") / "compliance.db", random.Random(8)
    before = next(number for number, step in enumerate(PART.steps) if "CREATE TABLE verdict_day" in step)
    with contextlib.closing(open_compliance(path, PART._replace(steps=PART.steps[:before]))) as opened:
        fill(opened, [given(dice) for _ in range(700)])
        opened.commit()
    with contextlib.closing(open_compliance(path, PART)) as opened:
        fill(opened, [given(dice) for _ in range(200)])
        yield opened


@pytest.mark.parametrize(("start", "end"), SPANS)
@pytest.mark.parametrize("made", ["db", "brought_forward"])
def test_days_added_up_are_what_each_verdict_says(request, made, start, end):
    opened = request.getfixturevalue(made)
    for device in ("b1", "b2", "nobody"):
        found = VerdictTable(opened).tally(device, start, end)
        assert {one[:4]: one for one in found} == plainly(opened, device, start, end)
        assert len({one[:4] for one in found}) == len(found)


def test_a_verdict_that_is_taken_back_leaves_the_day(tmp_path):
    one = replace(given(random.Random(1)), binding="binds")
    became = (("exceeded", "binds"), ("compliant", "binds"), ("compliant", "informs"))
    found = []
    with contextlib.closing(open_compliance(tmp_path / "compliance.db", PART)) as db:
        for revision, (outcome, binding) in enumerate(became, 1):
            VerdictTable(db).add(replace(one, revision=revision, outcome=outcome, binding=binding))
            tallies = VerdictTable(db).tally(one.device, FIRST, FIRST + 8 * DAY)
            found.append([(tally.outcome, tally.windows) for tally in tallies])
    assert found == [[("exceeded", 1)], [("compliant", 1)], []]
