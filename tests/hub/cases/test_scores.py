"""The score of a shop against sums by hand."""

import pytest

from hub.cases.patrol.scores import band_of, mean, scored
from hub.cases.patrol.visits import Seen
from schemas import domains

SCORE = domains.thing_kinds()["shop"].patrol.score
KEPT = Seen({"clean": "pass", "green": "na", "order": "pass"})
BROKEN = Seen({"clean": "pass", "green": "na", "order": "fail"})


@pytest.mark.parametrize(
    ("given", "points", "band"),
    [
        # 20 + 50 + 20 of 90: no sensor speaks for it
        ({"in_force": True, "visits": [KEPT], "open_cases": 0, "breaches": None}, 100.0, "a"),
        # 20 + 50 * 3/4 + 15 = 72.5 of 90
        ({"in_force": True, "visits": [KEPT, BROKEN], "open_cases": 1, "breaches": None}, 80.6, "b"),
        # 0 + 50 * 1/2 + 20 + 10 - 3 * 2 = 49 of 100
        ({"in_force": False, "visits": [BROKEN], "open_cases": 0, "breaches": 3}, 49.0, "d"),
        # a term loses no more than it has: 20 + 25 + 0 + 0
        ({"in_force": True, "visits": [BROKEN], "open_cases": 9, "breaches": 99}, 45.0, "d"),
        # where no document is asked for: 50 + 20 of 70
        ({"in_force": None, "visits": [KEPT], "open_cases": 0, "breaches": None}, 100.0, "a"),
    ],
)
def test_a_score_is_what_its_terms_add_up_to(given, points, band):
    found = scored(SCORE, **given)
    assert (found.points, found.band) == (points, band)
    known = [one for one in found.terms if one.points is not None]
    assert round(100 * sum(one.points for one in known) / sum(one.of for one in known), 1) == points


def test_what_was_not_visited_or_to_which_nothing_applies_has_no_score():
    for visits in ([], [Seen({"clean": "na", "green": "na", "order": "na"})]):
        found = scored(SCORE, in_force=True, visits=visits, open_cases=0, breaches=None)
        assert (found.points, found.band) == (None, "")


def test_bands_begin_with_their_points_and_a_street_has_the_mean_of_those_that_have_a_score():
    assert [band_of(SCORE, points) for points in (100.0, 90.0, 89.9, 75.0, 60.0, 59.9, 0.0)] == list("aabbcdd")
    some = [
        scored(SCORE, in_force=True, visits=visits, open_cases=0, breaches=None) for visits in ([KEPT], [], [BROKEN])
    ]
    assert [one.points for one in some] == [100.0, None, 72.2]
    assert mean(some) == 86.1
    assert mean(some[1:2]) is None
