"""`Numbers` is a set of numbers, only smaller: compared with Python's own set."""

from hypothesis import given
from hypothesis import strategies as st

from hub.log.numbers import Numbers

SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(-2, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=30)


def members(ranges):
    return [number for first, after in ranges for number in range(first, after)]


@given(SPANS)
def test_numbers_are_a_set(spans):
    numbers, plain = Numbers(), set()
    for first, after in spans:
        fresh = numbers.add(first, after)
        assert members(fresh) == sorted(set(range(first, after)) - plain)
        assert all(begin < end for begin, end in fresh)
        plain.update(range(first, after))
        assert members(numbers.ranges) == sorted(plain)
        assert numbers.complete == next(n for n in range(100) if n + 1 not in plain)


@given(SPANS)
def test_they_are_kept_in_as_few_ranges_as_can_be(spans):
    numbers = Numbers()
    for first, after in spans:
        numbers.add(first, after)
    ends = [end for span in numbers.ranges for end in span]
    assert ends == sorted(set(ends))


@given(SPANS, SPANS)
def test_they_go_on_where_they_were_kept(before, after):
    through, kept = Numbers(), Numbers()
    for span in before:
        through.add(*span)
        kept.add(*span)
    kept = Numbers(kept.ranges)
    assert [through.add(*span) for span in after] == [kept.add(*span) for span in after]
    assert through.ranges == kept.ranges


def test_records_that_arrive_nearly_in_order():
    numbers = Numbers()
    assert numbers.add(1, 31) == [(1, 31)]
    assert numbers.add(61, 91) == [(61, 91)]
    assert numbers.complete == 30
    assert numbers.add(1, 61) == [(31, 61)]
    assert numbers.complete == 90
    assert numbers.ranges == [(1, 91)]
