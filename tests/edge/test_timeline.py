"""A record's time: right when the clock is right, and never twice the same or out of order when it is not."""

from edge import message
from edge.timeline import Timeline
from tests.edge.helpers import tmp_dir

T0 = 1794999990


class Clock:
    """A board's clocks, turned by hand. `wall` is None while the clock is not set."""

    def __init__(self, ticks=0, wall=None):
        self.ticks = ticks
        self.wall = wall

    @property
    def clock_quality(self):
        return "none" if self.wall is None else "ntp"

    def ticks_ms(self):
        return self.ticks * 1000

    def now_ms(self):
        return (self.wall or 0) * 1000

    def go(self, seconds):
        self.ticks += seconds
        if self.wall is not None:
            self.wall += seconds


def kept(timeline, dt=10):
    now, clock = timeline.now()
    start = now // 1000 // dt * dt
    return message.keep(0, clock, message.record(start, dt, {"pm10": 80}, {}))


def sent(timeline, record):
    placed = message.placed(record, timeline)
    return placed and (placed[1], message.made(b"0 ntp " + placed[2])[1])


def test_with_a_set_clock_a_record_is_sent_as_it_was_made():
    timeline = Timeline(Clock(wall=T0), tmp_dir())
    assert sent(timeline, kept(timeline)) == ("ntp", T0)


def test_a_record_made_before_the_clock_was_set_waits_and_then_gets_its_time():
    board = Clock(ticks=5)
    timeline = Timeline(board, tmp_dir())
    board.go(20)
    record = kept(timeline)
    assert sent(timeline, record) is None
    board.go(600)
    board.wall = T0
    timeline.now()
    assert sent(timeline, record) == ("none", T0 - 600 - 0)
    assert kept(timeline).split(b" ")[1] == b"ntp"


def test_times_given_afterwards_keep_the_interval_s_alignment_and_never_reach_into_the_present():
    for wall in range(T0, T0 + 60):
        board = Clock()
        timeline = Timeline(board, tmp_dir())
        records = []
        for _ in range(5):
            records.append(kept(timeline))
            board.go(10)
        board.wall = wall
        timeline.now()
        times = [sent(timeline, record)[1] for record in records]
        assert [t % 10 for t in times] == [0] * 5
        assert [t - times[0] for t in times] == [0, 10, 20, 30, 40]
        assert wall - 10 < times[-1] + 10 <= wall


def test_a_reset_before_the_clock_is_set_goes_on_with_the_same_timeline():
    folder = tmp_dir()
    first = Timeline(Clock(ticks=100), folder)
    before = kept(first)
    board = Clock(ticks=3)
    again = Timeline(board, folder, message.made(before))
    after = kept(again)
    assert message.made(after)[0] == message.made(before)[0]
    assert message.made(after)[1] == message.made(before)[1] + 10
    board.wall = T0
    again.now()
    assert sent(again, before)[1] + 10 == sent(again, after)[1]


def test_a_place_once_given_survives_a_reset():
    folder = tmp_dir()
    board = Clock()
    timeline = Timeline(board, folder)
    record = kept(timeline)
    board.go(60)
    board.wall = T0
    timeline.now()
    told = sent(timeline, record)
    later = Timeline(Clock(ticks=7), folder, message.made(record))
    assert sent(later, record) == told
    assert message.made(kept(later))[0] == "-2"  # and what is made now, again without a clock, is another timeline
