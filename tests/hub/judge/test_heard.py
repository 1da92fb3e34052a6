"""Up to when nothing is missing of what is said of somebody."""

import random

import pytest

from hub.judge.heard import HOLE, SILENT, Heard
from hub.judge.records import Sample
from hub.judge.windows import DAY

WAIT = 300


def said(t, source="t-1"):
    return Sample(t, f"{source}/{t}/0")


def hear(heard, times, source="t-1"):
    for t in times:
        heard.add(said(t, source))


def test_who_is_heard_without_a_hole_has_nothing_left_to_send():
    heard = Heard()
    hear(heard, range(1000, 1400, 10))
    assert heard.upto(1000) == 1390
    hear(heard, [1400])
    assert heard.upto(1001) == 1400


def test_what_follows_a_hole_waits_until_the_hole_is_old():
    heard = Heard()
    hear(heard, [*range(1000, 1400, 10), *range(1390 + HOLE + 1, 1800, 10)])
    last = max(range(1390 + HOLE + 1, 1800, 10))
    assert heard.upto(1100) == 1390
    assert heard.upto(1390 + HOLE) == 1390 + HOLE
    assert heard.upto(1390 + HOLE + 1) == last
    assert heard.upto(1390 + HOLE + 2) == last


def test_a_batch_that_fills_the_hole_ends_the_waiting():
    heard = Heard()
    hear(heard, [*range(1000, 1200, 10), *range(1500, 1600, 10)])
    assert heard.upto(1100) == 1190
    hear(heard, range(1200, 1500, 10))
    assert heard.upto(1100) == 1590


def test_who_falls_silent_is_waited_for_and_the_first_word_of_somebody_too():
    heard = Heard()
    hear(heard, [1000])
    assert heard.upto(700) == 700
    assert heard.upto(1000) == 1000
    assert heard.upto(1400) == 1400


def test_of_several_sources_the_one_that_is_behind_decides_until_it_is_given_up():
    heard = Heard()
    hear(heard, range(1000, 1400, 10))
    hear(heard, range(1000, 1200, 10), source="t-2")
    assert heard.upto(1050) == 1190
    assert heard.upto(1250) == 1250
    end = 1200 + SILENT + WAIT
    hear(heard, range(1400, end + WAIT, 10))
    assert heard.upto(1190 + SILENT) == 1190 + SILENT
    assert heard.upto(1200 + SILENT) == end + WAIT - 10


def test_it_never_goes_back_also_when_it_goes_on_from_what_was_kept():
    heard = Heard()
    hear(heard, range(1000, 1400, 10))
    assert heard.upto(1100) == 1390
    hear(heard, [1000], source="t-2")
    assert heard.upto(1100) == 1390
    assert Heard(heard.ready).upto(1200) == 1390


@pytest.mark.parametrize("seed", range(20))
def test_in_whatever_order_it_comes_as_a_plain_reading_of_all_of_it_says(seed):
    draw = random.Random(seed)
    times = sorted(draw.sample(range(DAY // 20), 90))
    heard, there, until, best = Heard(), [], 0, 0
    arriving = sorted(times, key=lambda t: t + (draw.random() < 0.3) * draw.randrange(900))
    for n, t in enumerate(arriving):
        there.append(t)
        heard.add(said(t))
        until = max(until, t - WAIT)
        if draw.random() < 0.2:  # the process begins anew, with what it has kept
            heard = Heard(heard.ready)
            hear(heard, [one for one in there if one >= until - HOLE])
        best = max(best, plain(there, until))
        assert heard.upto(until) == max(best, until), (n, t)


def plain(times, until):
    """Go over all of it: from the last one that is old on, as long as none is missing."""
    last = max((t for t in times if t <= until), default=None)
    for t in sorted(times):
        if last is not None and last < t <= last + HOLE:
            last = t
    return max(until, last or 0)
