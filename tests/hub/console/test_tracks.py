"""What a way says: its pieces between gaps, what happened on it, and where it lies in pictures."""

import pytest

from hub.config.files import Console
from hub.console.parts.picture import projection
from hub.console.things.plan import MOST_MARKS, Plan, box_of, points
from hub.console.things.tracks import GAP_S, STOP_S, Scale, facts_of, gaps_in, pieces_of, speeds_of, strips_of
from hub.judge.records import Sample
from schemas.language import Lang


def way(*moments):
    """Return samples of (t, speed, states); each a little farther to the east, None: without a position."""
    return [
        Sample(t, f"x/{t}", *((23.0, 113.0 + t / 1e5) if speed is not None else (None, None)), 15.0, speed, states)
        for t, speed, states in moments
    ]


def test_a_gap_is_a_gap_in_the_way_the_time_line_and_the_facts():
    samples = way((0, 30.0, {}), (60, 30.0, {}), (60 + GAP_S + 1, 30.0, {}), (60 + GAP_S + 60, 30.0, {}))
    assert [[one.t for one in piece] for piece in pieces_of(samples)] == [[0, 60], [181, 240]]
    scale = Scale(0, 240)
    (band,) = gaps_in(samples, scale, Lang.en)
    assert band.x == scale.x(60)
    assert band.width == pytest.approx(scale.x(181) - scale.x(60), abs=0.2)
    assert [(one.t, one.end, one.kind) for one in facts_of(samples, Lang.en)] == [(60, 181, "gap")]
    assert speeds_of(samples, scale)[0].count("M") == 2, "no line through it"


def test_before_the_first_and_behind_the_last_nothing_was_heard_either():
    samples = way((1000, 30.0, {}), (1060, 30.0, {}))
    assert [(band.x, band.width) for band in gaps_in(samples, Scale(0, 2000), Lang.en)] == [(0, 500), (530, 470)]
    assert len(gaps_in([], Scale(0, 2000), Lang.en)) == 1


def test_a_place_without_a_fix_is_no_straight_line():
    samples = way((0, 30.0, {}), (60, None, {}), (120, 30.0, {}))
    assert [[one.t for one in piece] for piece in pieces_of(samples)] == [[0], [120]]


def test_what_became_of_states_is_said_in_the_readers_words():
    samples = way(
        (0, 0.0, {"load": "empty", "cover": "open"}),
        (60, 0.0, {"load": None, "cover": "open"}),
        (120, 0.0, {"load": "full", "cover": "open"}),
        (STOP_S, 20.0, {"load": "full", "cover": "closed"}),
    )
    assert [(one.t, one.text) for one in facts_of(samples, Lang.en)] == [(120, "loaded"), (180, "covered")]
    assert [one.text for one in facts_of(samples, Lang.zh)] == ["装载", "顶盖关闭"]
    load, cover = strips_of(samples, Scale(0, 180), Lang.en)
    assert [(band.look, band.title) for band in load.bands] == [("calm", "empty"), ("loud", "full")]
    assert load.bands[0].x + load.bands[0].width < load.bands[1].x, "while it said nothing, nothing is drawn"
    assert [band.look for band in cover.bands] == ["loud", "calm"]


def test_a_stop_begins_and_ends_where_it_stood_and_not_in_a_gap():
    standing = [(t, 0.0, {}) for t in range(0, STOP_S + 1, 30)]
    stop = facts_of(way(*standing, (STOP_S + 30, 40.0, {})), Lang.en)
    assert [(one.t, one.end, one.kind) for one in stop] == [(0, STOP_S, "stop")]
    apart = facts_of(way((0, 0.0, {}), (60, 0.0, {}), (60 + 2 * STOP_S, 0.0, {})), Lang.en)
    assert [one.kind for one in apart] == ["gap"], "nobody knows that it stood there all the time"


def test_many_near_each_other_are_one_mark_that_leads_nearer():
    plan = Plan(Console(), (113.0, 23.0, 113.1, 23.1), ())
    degrees = [(113.02, 23.02)] * MOST_MARKS + [(113.08, 23.08)] + [(114.0, 24.0)]
    worlds = [projection(Console())(*one) for one in degrees]
    ranks = [4] * MOST_MARKS + [0, 0]
    heaps = plan.heaps(points(worlds), points(degrees), ranks)
    assert [(heap.first, heap.many) for heap in heaps] == [(0, MOST_MARKS), (MOST_MARKS, 1)], "the grave one is on top"
    west, south, east, north = heaps[0].box
    assert west < 113.02 < east
    assert south < 23.02 < north
    assert east - west < 0.01
    few = plan.heaps(points(worlds[-4:]), points(degrees[-4:]), ranks[-4:])
    assert [heap.many for heap in few] == [2, 1], "two on one spot are one mark; the one outside is not drawn"
    assert plan.heaps(points([]), points([]), []) == []


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "nan,0,1,1", "inf,0,1,1", "2,0,1,1", "0,2,1,1", "0,-86,1,1"]
)
def test_what_is_no_piece_of_a_map_is_none(text):
    assert box_of(text) is None
