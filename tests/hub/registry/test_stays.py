"""Where a thing stood at a moment: by its entry, against a slow reading of the same entry."""

import datetime as dt
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.registry.check import EntryError, check
from hub.registry.stays import has_moved, site_at, sites_of, stays_of
from tests.hub.helpers import SHANGHAI

SITES = [
    {"id": id_, "district": "north", "kind": "construction", "en": id_, "zh": id_}
    for id_ in ("pit", "mill", "yard", "dock")
]


def board(**fields):
    """Return a board as the registry's check gives it."""
    return check({"site": [dict(site) for site in SITES], "board": [{"id": "b", **fields}]}).boards["b"]


def local(text):
    return dt.datetime.fromisoformat(text)


def unix(text):
    return local(text).replace(tzinfo=SHANGHAI).timestamp()


@st.composite
def lives(draw):
    """Draw a board's life: its stays, each with a begin and an end, gaps between some of them."""
    marks = sorted(draw(st.lists(st.integers(1, 10_000), min_size=1, max_size=9, unique=True)))
    stays, at = [], -math.inf
    while len(marks) > 1:
        until, marks = marks[0], marks[1:]
        stays.append((draw(st.sampled_from(SITES))["id"], at, until))
        at = until
        if len(marks) > 1 and draw(st.booleans()):
            at, marks = marks[0], marks[1:]
    return [
        *stays,
        (draw(st.sampled_from(SITES))["id"], at if stays else draw(st.sampled_from([at, marks[0]])), math.inf),
    ]


def time(t):
    return dt.datetime.fromtimestamp(t, dt.UTC)


@given(lives(), st.lists(st.integers(0, 10_001), max_size=20))
def test_a_board_stands_where_its_entry_says_or_nowhere(life, moments):
    *before, (site, since, _) = life
    earlier = []
    for (id_, begin, until), last in zip(before, [-math.inf, *(one[2] for one in before)], strict=False):
        start = {} if begin == last else {"from": time(begin)}
        earlier.append({"site": id_, "until": time(until), **start})
    fields = {} if not math.isfinite(since) or (before and since == before[-1][2]) else {"since": time(since)}
    found = board(site=site, earlier=earlier, **fields)
    assert [tuple(stay) for stay in stays_of(found)] == life
    for t in (*moments, *(edge for _, begin, until in life for edge in (begin, until) if math.isfinite(edge))):
        there = [id_ for id_, begin, until in life if begin <= t < until]
        assert [site_at(found, t)] == (there or [None])
    assert all(a.until <= b.since for a, b in pairwise(stays_of(found)))
    assert set(sites_of(found)) == {id_ for id_, _, _ in life}


def test_who_has_never_moved_stands_there_at_any_time():
    found = board(site="pit")
    assert not has_moved(found)
    assert site_at(found, 0) == site_at(found, 2**40) == "pit"


def test_times_without_an_offset_are_local_and_may_be_texts():
    found = board(site="mill", since="2026-12-01T14:00", earlier=[{"site": "pit", "until": local("2026-12-01T09:30")}])
    assert site_at(found, unix("2026-12-01T09:29:59")) == "pit"
    assert site_at(found, unix("2026-12-01T09:30")) is None
    assert site_at(found, unix("2026-12-01T14:00")) == "mill"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"earlier": [{"site": "pitt", "until": "2026-12-01T09:00"}]}, "there is no site 'pitt'"),
        ({"earlier": [{"site": "pit"}]}, "earlier[0].until is missing; expected a date and time such as"),
        (
            {"earlier": [{"site": "pit", "till": "2026-12-01T09:00", "until": "2026-12-01T09:00"}]},
            "did you mean 'until'?",
        ),
        ({"since": "tomorrow"}, "since = 'tomorrow': expected a date and time such as"),
        (
            {"since": "2026-12-01T08:00", "earlier": [{"site": "pit", "until": "2026-12-01T09:00"}]},
            "it was at 'pit' until 2026-12-01 09:00:00+08:00",
        ),
        (
            {
                "earlier": [
                    {"site": "pit", "until": "2026-12-01T09:00"},
                    {"site": "yard", "from": "2026-11-01T09:00", "until": "2026-12-02T09:00"},
                ]
            },
            "expected the oldest first",
        ),
        (
            {"earlier": [{"site": "pit", "from": "2026-12-01T09:00", "until": "2026-12-01T09:00"}]},
            "expected a time later than",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields, told):
    with pytest.raises(EntryError) as refused:
        board(site="mill", **fields)
    assert told in str(refused.value)
    assert (refused.value.kind, refused.value.id) == ("board", "b")
