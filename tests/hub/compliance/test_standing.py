"""How sites stand now: what is kept in memory is what the table says, after whatever was committed."""

import random

import pytest

from hub.compliance import standing
from hub.compliance.standing import Standing
from hub.compliance.tables import PART
from hub.compliance.verdicts import VerdictTable
from hub.storage.compliance_file import open_compliance
from hub.storage.database import transaction
from tests.hub.alerting import DAY, NIGHT, NINE, WINDOW, verdict

SPAN, NOW = 3 * 3600, NINE + 10 * WINDOW


@pytest.fixture
def db(tmp_path):
    path = tmp_path / "compliance.db"
    found = open_compliance(path, PART)
    yield found
    found.close()


def add(db, *verdicts):
    with transaction(db):
        for one in verdicts:
            VerdictTable(db).add(one)


def outcomes(kept, db, sites=("tower", "mill"), now=NOW):
    return {site: sorted(outcome for outcome, _ in found) for site, found in kept.of(db, sites, now).items()}


def test_the_newest_window_of_each_rule_at_each_board_counts(db):
    kept = Standing(SPAN)
    add(
        db,
        verdict(74.0, start=NOW - 5000),
        verdict(60.0, start=NOW - 2500),
        verdict(74.0, device="fence-2", start=NOW - 900),
    )
    assert outcomes(kept, db) == {"tower": ["compliant", "exceeded"]}
    assert kept.of(db, ["mill"], NOW) == {}, "nobody is told of sites that were not asked for"


def test_what_is_committed_counts_at_once_and_late_data_amend(db):
    kept = Standing(SPAN)
    add(db, verdict(60.0, start=NOW - 2500))
    assert outcomes(kept, db) == {"tower": ["compliant"]}
    add(db, verdict(74.0, start=NOW - 4000))
    assert outcomes(kept, db) == {"tower": ["compliant"]}, "an older window, judged later"
    add(db, verdict(74.0, start=NOW - 2500, revision=2))
    assert outcomes(kept, db) == {"tower": ["exceeded"]}
    add(db, verdict(74.0, start=NOW - 1000, binding="informs", device="fence-2"))
    assert outcomes(kept, db) == {"tower": ["exceeded"]}, "what does not bind says nothing of the site"
    assert outcomes(kept, db, now=NOW + SPAN) == {"tower": []}, "after three hours nothing is known"


def test_a_database_that_was_put_back_is_read_anew(db, tmp_path):
    kept = Standing(SPAN)
    add(db, verdict(60.0, start=NOW - 2500), verdict(74.0, start=NOW - 1000))
    assert outcomes(kept, db) == {"tower": ["exceeded"]}
    other = open_compliance(tmp_path / "earlier.db", PART)
    add(other, verdict(60.0, start=NOW - 2500))
    assert outcomes(kept, other) == {"tower": ["compliant"]}
    other.close()


@pytest.mark.parametrize("most", [2, 1000])
def test_it_is_what_a_look_at_the_whole_table_gives(db, monkeypatch, most):
    monkeypatch.setattr(standing, "MOST_NEW", most)
    dice, kept = random.Random(5), Standing(SPAN)
    for _ in range(60):
        add(
            db,
            *(
                verdict(
                    dice.choice((60.0, 74.0, None)),
                    start=NOW - WINDOW * dice.randrange(12),
                    device=dice.choice(("fence-1", "fence-2", "stack-1")),
                    rule=dice.choice((DAY, NIGHT)),
                    revision=dice.randrange(1, 4),
                    binding=dice.choice(("binds", "binds", "informs")),
                )
                for _ in range(dice.randrange(1, 5))
            ),
        )
        fresh = Standing(SPAN)
        assert outcomes(kept, db) == outcomes(fresh, db)
        by_hand = {}
        rows = db.execute(
            "SELECT site, device, rule, start, revision, id, outcome FROM verdict "
            "WHERE binding = 'binds' AND start >= ? ORDER BY start, revision, id",
            (NOW - SPAN,),
        )
        for site, device, rule, *_, outcome in rows:
            by_hand.setdefault(site, {})[device, rule] = outcome
        assert outcomes(kept, db) == {site: sorted(set(found.values())) for site, found in by_hand.items()}


@pytest.mark.parametrize("most", [1, 7, 500])
def test_lists_of_verdicts_are_what_a_look_at_the_whole_table_gives(db, most):
    dice, table = random.Random(6), VerdictTable(db)
    add(
        db,
        *(
            verdict(
                dice.choice((60.0, 60.0, 74.0, None)),
                start=NOW - WINDOW * dice.randrange(40),
                device=dice.choice(("fence-1", "fence-2", "stack-1")),
                revision=n + 1,
            )
            for n in range(300)
        ),
    )
    every = sorted(table.after(0), key=lambda one: -one.id)
    for district in ("", "north", "south", "nowhere"):
        for districts in ((), ("north",), ("north", "south")):
            for outcome in ("", "compliant", "exceeded", "open"):
                for before in (None, 150):
                    found = table.search(
                        district=district, districts=districts, outcome=outcome, before=before, limit=most
                    )
                    wanted = [
                        one.id
                        for one in every
                        if district in {"", one.district}
                        and (not districts or one.district in districts)
                        and outcome in {"", one.outcome}
                        and (before is None or one.id < before)
                    ]
                    assert [one.id for one in found] == wanted[:most]
