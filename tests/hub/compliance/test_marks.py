"""What an enterprise marks as invalid, in time and with proof, is judged again; what comes late changes nothing."""

import sqlite3
from contextlib import closing

import pytest

from hub.things.entries import Thing
from hub.things.marks.store import MarkStore
from hub.things.store import ThingStore
from tests.hub.companies.plant import HOUR, Plant
from tests.hub.helpers import NOON

ABOVE, VOID = ("exceeded", "", ""), ("invalid", "marked")


@pytest.fixture
def plant(tmp_path):
    with closing(Plant(tmp_path)) as made:
        yield made


def test_hours_of_which_less_than_45_min_are_left_are_judged_again_and_name_the_mark(plant):
    plant.run(4)
    assert plant.nox() == dict.fromkeys(range(4), ABOVE)
    number = plant.mark(NOON + HOUR + 600, NOON + 3 * HOUR + 600, logged=plant.hub.now)
    plant.hub.judge()
    few = ("exceeded", "", "1")
    assert plant.nox() == {0: ABOVE, 1: (*VOID, "1"), 2: (*VOID, "1"), 3: few}, "10 min take no hour out"
    revisions = [row["revision"] for row in plant.hub.verdicts() if row["start"] == NOON + HOUR]
    assert revisions == [1, 2], "the earlier verdict stays on record"
    plant.hub.judge()
    assert len(plant.hub.verdicts()) == 7, "nothing is judged again without a cause"
    plant.log(number, "reject", plant.hub.now)
    plant.hub.judge()
    assert plant.nox()[1] == ABOVE, "an officer has rejected it"
    plant.log(number, "accept", plant.hub.now)
    plant.log(number, "end", plant.hub.now, {"end": NOON + 2 * HOUR})
    plant.hub.judge()
    assert plant.nox() == {0: ABOVE, 1: (*VOID, "1"), 2: ABOVE, 3: ABOVE}, "it was over earlier than was said"
    plant.log(number, "withdraw", plant.hub.now)
    plant.hub.judge()
    assert plant.nox() == dict.fromkeys(range(4), ABOVE)


def test_an_alert_that_rests_on_marked_hours_alone_ends(plant):
    plant.run(2)
    assert plant.hub.alerts()[0]["state"] == "firing"
    plant.mark(NOON, NOON + 2 * HOUR, logged=plant.hub.now)
    plant.hub.judge()
    assert plant.hub.alerts()[0]["state"] == "resolved"


def test_a_mark_that_was_logged_before_holds_from_the_first_verdict_on(plant):
    plant.mark(NOON, NOON + 2 * HOUR, logged=NOON - HOUR)
    plant.run(3)
    assert plant.nox() == {0: (*VOID, "1"), 1: (*VOID, "1"), 2: ABOVE}
    assert {row["revision"] for row in plant.hub.verdicts()} == {1}


def test_an_hour_in_which_the_plant_was_started_does_not_count_where_the_standard_says_so(plant):
    plant.run(2)
    plant.mark(NOON + HOUR, NOON + HOUR + 600, logged=plant.hub.now, kind="start_up", state="starting")
    plant.hub.judge()
    assert plant.nox() == {0: ABOVE, 1: ("invalid", "starting", "1")}


def test_of_oxygen_that_is_marked_nothing_can_be_converted(plant):
    plant.run(1)
    plant.mark(NOON, NOON + HOUR, logged=plant.hub.now, quantities=("stack_o2",))
    plant.hub.judge()
    assert plant.nox() == {0: (*VOID, "1")}


@pytest.mark.parametrize(
    ("logged", "more"),
    [
        (2, {"proven": False}),
        (37 + 1, {}),
        (2, {"back_s": HOUR}),
        (2, {"quantities": ("stack_pm",)}),
        (2, {"outlet": "da-2"}),
    ],
    ids=["no proof", "after its deadline", "names a time before its logging", "other quantity", "other outlet"],
)
def test_what_is_not_good_changes_nothing(plant, logged, more):
    plant.run(3)
    before = plant.hub.verdicts()
    proven = more.pop("proven", True)
    plant.mark(NOON, NOON + HOUR, logged=NOON + logged * HOUR, proven=proven, **({"back_s": 99 * HOUR} | more))
    plant.hub.judge()
    assert plant.hub.verdicts() == before


def test_a_proof_that_comes_after_the_deadline_does_not_make_a_mark_good(plant):
    plant.run(1)
    number = plant.mark(NOON, NOON + HOUR, logged=plant.hub.now, proven=False)
    plant.log(number, "proof", NOON + 38 * HOUR, {"sha256": "0", "name": "late.pdf", "media": "x", "size": 1})
    plant.log(number, "accept", NOON + 38 * HOUR)
    plant.hub.judge()
    assert plant.nox() == {0: ABOVE}, "not even an officer's accepting makes up for it"


def test_killed_between_a_mark_and_judging_the_verdicts_are_the_same(plant):
    plant.run(2)
    plant.mark(NOON, NOON + HOUR, logged=plant.hub.now)
    plant.hub.restart()
    plant.hub.judge()
    plant.hub.restart()
    plant.hub.judge()
    assert plant.nox() == {0: (*VOID, "1"), 1: ABOVE}
    assert len(plant.hub.verdicts()) == 3


def test_another_source_of_the_outlet_takes_its_marks_along(plant):
    plant.run(2)
    plant.mark(NOON, NOON + 2 * HOUR, logged=plant.hub.now)
    plant.hub.judge()
    assert plant.nox() == dict.fromkeys(range(2), (*VOID, "1"))
    properties = {"number": "DA001", "enterprise": "mill-co", "source": ("elsewhere",)}
    with plant.db() as db:
        ThingStore(db).add(Thing("outlet", "da-1", "Stack", "烟囱", properties=properties), 1.0, "root", "")
    plant.hub.judge()
    assert plant.nox() == dict.fromkeys(range(2), ABOVE)


def test_what_was_logged_is_not_changed_nor_removed_nor_back_dated(plant):
    number = plant.mark(NOON, NOON + HOUR, logged=NOON)
    for sql in (
        "UPDATE mark_event SET logged = 1",
        "DELETE FROM mark_event",
        "INSERT OR REPLACE INTO mark_event VALUES (1, 1, 'mark', 0, 'mill-1', '', '{}')",
        "INSERT INTO mark_event VALUES (99, 99, 'mark', 1, 'mill-1', '', '{}')",
    ):
        with pytest.raises(sqlite3.IntegrityError), plant.db() as db:
            db.execute(sql)
    # A clock that was set back cannot help either: what is logged next was not logged before.
    with plant.db() as db:
        store = MarkStore(db)
        store.add(number, "withdraw", NOON - 9 * HOUR, "mill-1", "")
        assert [event.logged for event in store.events(number)] == [NOON, NOON, NOON]


def test_a_mark_lets_the_days_of_its_own_outlet_alone_be_calculated_again(plant):
    said = {"number": "DA002", "enterprise": "mill-co", "source": ("stack-2",), "site": "mill"}
    plant.add("outlet", "da-2", "Stack 2", "烟囱2", **said)
    plant.run(3)
    with plant.db() as db:
        db.execute("INSERT INTO emission_hour SELECT 'stack-2', start, content, 1 FROM emission_hour")
        names = ", ".join(row[1] for row in db.execute("PRAGMA table_info(emission_day)") if row[1] != "outlet")
        # What no calculation would come to: it is there afterwards only if nobody calculates.
        db.execute(f"INSERT INTO emission_day (outlet, {names}) SELECT 'da-2', {names} FROM emission_day")
        db.execute("UPDATE emission_day SET measured_kg = 123 WHERE outlet = 'da-2'")

    def valid():
        with plant.db() as db:
            return dict(db.execute("SELECT outlet, valid FROM emission_day WHERE pollutant = 'stack_nox'").fetchall())

    def other():
        with plant.db() as db:
            found = db.execute("SELECT measured_kg, stale FROM emission_day WHERE outlet = 'da-2'").fetchall()
        return set(found)

    assert valid() == {"da-1": 3, "da-2": 3}
    number = plant.mark(NOON + HOUR, NOON + 2 * HOUR, logged=plant.hub.now)
    plant.judge()
    assert (valid(), other()) == ({"da-1": 2, "da-2": 3}, {(123.0, 0)})
    second = plant.mark(NOON, NOON + HOUR, logged=plant.hub.now)
    plant.log(number, "withdraw", plant.hub.now)
    plant.judge()
    assert (valid(), other()) == ({"da-1": 2, "da-2": 3}, {(123.0, 0)}), "one more is marked, one no more"
    plant.log(second, "reject", plant.hub.now)
    plant.judge()
    assert (valid(), other()) == ({"da-1": 3, "da-2": 3}, {(123.0, 0)})
