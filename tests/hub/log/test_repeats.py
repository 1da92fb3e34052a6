"""A record that comes again counts once; another one under the same number is no repeat and is not lost.

Boards are modelled by what matters here: an outbox that forgets only what is acknowledged, a window, the newest record
sent at once, and a copy of it all that goes on by itself.
"""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.log.log import MOST_BRANCHES, QUIET
from tests.hub.helpers import NOON, Hub, Speaker, query, record

STREAM = "9f3a12c4"


@pytest.fixture
def hub(tmp_path):
    with Hub(tmp_path) as hub:
        yield hub


def said(speaker, count, t, level, **more):
    """Say the next `count` records of 10 s from `t` on."""
    return speaker.telemetry(*[record(t + 10 * n, laeq=level) for n in range(count)], **more)


def stored(hub):
    """Return (stream, number, t, level) of all that consumers get."""
    found = [i for entry in hub.entries() for i in entry.intervals]
    return [(i.stream, i.seq, i.t, i.values.get("laeq") or i.flagged["laeq"][1]) for i in found]


def strange(hub):
    """Return how often the hub saw other content, or could not tell."""
    counts = hub.log.counts()
    return sum(n for (_, reason), n in counts.items() if reason in ("other_content", "not_compared", "holes"))


@pytest.fixture
def restored(hub):
    """A board that sent 400 records and died; another chip goes on at number 101, where its backup ends."""
    first, second = Speaker(), Speaker()
    hub.hear(said(first, 100, NOON - 5000, 60.0))
    hub.hear(said(first, 300, NOON - 4000, 60.0))
    second.next = 101
    hub.now += 3600
    return second


def test_records_of_a_restored_board_are_kept_and_judged(hub, restored):
    assert hub.hear(said(restored, 200, NOON, 85.0, oldest=101)) == {("fence-1", STREAM): 300}
    others = [(stream, seq, level) for stream, seq, _, level in stored(hub) if level == 85.0]
    assert others == [(f"{STREAM}~1", seq, 85.0) for seq in range(101, 301)]
    assert hub.log.counts() == {("", "accepted"): 2, ("fence-1", "other_content"): 1}
    assert hub.quarantine() == []


def test_it_is_told_to_forget_what_it_has_shown_and_no_more(hub, restored):
    """It may have made more than the first one ever sent: what it still holds is in no log."""
    newest = said(restored, 1, NOON + 3000, 85.0, seq=450, oldest=101)
    assert hub.hear(newest) == {("fence-1", STREAM): 100}, "not 400: those are the first board's"
    assert hub.hear(said(restored, 20, NOON, 85.0, seq=101, oldest=101)) == {("fence-1", STREAM): 120}
    assert hub.hear(said(restored, 20, NOON + 400, 85.0, seq=141, oldest=121)) == {("fence-1", STREAM): 120}
    hub.restart()
    assert hub.hear(said(restored, 20, NOON + 200, 85.0, seq=121, oldest=121)) == {("fence-1", STREAM): 160}
    for seq in range(161, 441, 20):
        acks = hub.hear(said(restored, 20, NOON + 10 * (seq - 101), 85.0, seq=seq, oldest=seq))
        assert acks == {("fence-1", STREAM): seq + 19}
    assert hub.hear(said(restored, 9, NOON + 3400, 85.0, seq=441, oldest=441)) == {("fence-1", STREAM): 450}
    others = Counter(seq for _, seq, _, level in stored(hub) if level == 85.0)
    assert others == Counter(range(101, 451))


def test_its_repeats_are_repeats(hub, restored):
    message = said(restored, 20, NOON, 85.0, oldest=101)
    hub.hear(message)
    for _ in range(2):
        before = hub.entries()
        assert hub.hear(message, message) == {("fence-1", STREAM): 120}
        assert hub.entries() == before
        hub.restart()
    assert hub.log.counts()["", "duplicate"] == 4


def test_half_repeat_half_new(hub):
    first, second = Speaker(), Speaker()
    common = [record(NOON - 3000 + 10 * n, laeq=60.0) for n in range(10)]
    hub.hear(first.telemetry(*common, *[record(NOON - 2900 + 10 * n, laeq=61.0) for n in range(5)]))
    mixed = second.telemetry(*common[5:], *[record(NOON - 900 + 10 * n, laeq=85.0) for n in range(8)], seq=6, oldest=6)
    assert hub.hear(mixed) == {("fence-1", STREAM): 18}
    assert [entry.fresh for entry in hub.entries()] == [[(1, 16)], [(16, 19)], [(11, 16)]]
    levels = Counter(level for *_, level in stored(hub))
    assert levels == {60.0: 10, 61.0: 5, 85.0: 8}
    assert hub.hear(mixed) == {("fence-1", STREAM): 18}
    assert len(stored(hub)) == 23


def test_two_copies_that_run_at_once_lose_nothing(hub):
    """They make records of the same moments; whoever is behind is not told to forget by the other's numbers."""
    ahead, behind = Speaker(), Speaker()
    hub.hear(said(ahead, 50, NOON - 4000, 60.0))
    for n in range(30):
        t = NOON - 3000 + 60 * n
        hub.hear(said(ahead, 6, t, 70.0 + n % 3, oldest=ahead.next))
        acks = hub.hear(said(behind, 6, t, 80.0 + n % 3, oldest=behind.next))
        assert acks[("fence-1", STREAM)] <= behind.next - 1
        if n % 10 == 9:
            hub.restart()
    levels = Counter(level // 10 for *_, level in stored(hub))
    assert (levels[7], levels[8]) == (180, 180)
    assert len({(stream, seq) for stream, seq, *_ in stored(hub)}) == len(stored(hub))


def test_when_the_copy_is_gone_the_board_is_acknowledged_again(hub):
    ahead, behind = Speaker(), Speaker()
    hub.hear(said(ahead, 50, NOON - 4000, 60.0))
    hub.hear(said(behind, 6, NOON - 3000, 80.0, oldest=1))
    assert hub.hear(said(ahead, 1, NOON - 3000, 70.0, oldest=51)) == {("fence-1", STREAM): 6}
    hub.now += QUIET
    hub.hear(said(ahead, 1, NOON - 3000, 70.0, seq=51, oldest=51))
    assert hub.hear(said(ahead, 1, NOON - 2990, 70.0, oldest=51)) == {("fence-1", STREAM): 52}


def test_copies_that_measured_the_same_moments_under_the_same_numbers(hub):
    """Powered together in the workshop: only what they measured tells them apart."""
    one, other = Speaker(), Speaker()
    hub.hear(said(one, 6, NOON - 600, 60.1))
    hub.hear(said(other, 6, NOON - 600, 60.2))
    assert sorted(level for *_, level in stored(hub)) == [60.1] * 6 + [60.2] * 6


def test_more_copies_than_anybody_makes_are_in_quarantine(hub):
    copies = [Speaker() for _ in range(MOST_BRANCHES + 3)]
    for n, copy in enumerate(copies):
        assert hub.hear(said(copy, 3, NOON - 600, 60.0 + n)) == {("fence-1", STREAM): 3}
    assert len(stored(hub)) == 3 * (MOST_BRANCHES + 1)
    assert [(row["reason"], row["authentic"]) for row in hub.quarantine()] == [("other_content", 1)] * 2


def test_under_the_number_of_a_refused_record_it_is_kept_since_nobody_can_tell(hub):
    board = Speaker()
    hub.hear(board.batch(1, 5), board.unusable(6, 8))
    assert hub.hear(board.batch(5, 9)) == {("fence-1", STREAM): 9}
    assert [seq for _, seq, *_ in stored(hub)] == [1, 2, 3, 4, 5, 9]
    assert [(row["reason"], row["detail"][:15]) for row in hub.quarantine()] == [
        ("unknown_quantity", "record 6: 'phlo"),
        ("not_compared", "records 6 to 8:"),
    ]


def test_what_was_pruned_cannot_be_compared_and_is_kept_in_quarantine(hub):
    board = Speaker()
    for seq in range(1, 6):
        hub.hear(board.batch(seq, seq))
    hub.log.prune(NOON + 99, done=5)
    assert hub.hear(board.batch(1, 5)) == {("fence-1", STREAM): 5}
    assert [(row["reason"], row["authentic"]) for row in hub.quarantine()] == [("not_compared", 1)]
    later = said(Speaker(), 3, NOON - 600, 85.0, seq=1, oldest=1)
    hub.hear(later)
    assert len(stored(hub)) == 4, "what is later than anything known needs no comparison"


def test_a_board_that_makes_up_holes_without_end_is_kept_in_quarantine(hub):
    board = Speaker()
    for first in range(3, 2403, 400):
        hub.hear(*(board.batch(seq, seq) for seq in range(first, first + 400, 2)))
    kept, refused = len(hub.entries()), hub.quarantine()
    assert (kept, len(refused)) == (1000, 200)
    assert {(row["reason"], row["authentic"], row["fresh"]) for row in refused} == {("holes", 1, None)}
    assert hub.hear(board.batch(1, 400), board.batch(401, 800), board.batch(801, 1200), board.batch(1201, 1600)) == {
        ("fence-1", STREAM): 1601
    }
    assert hub.hear(board.batch(2001, 2402), board.batch(1601, 2000))[("fence-1", STREAM)] == 2402
    assert Counter(seq for _, seq, *_ in stored(hub)) == Counter(range(1, 2403))


def test_streams_that_a_board_makes_up_do_not_stay_in_memory(hub):
    board = Speaker()
    for n in range(2000):
        board.stream, board.next = f"{n:08x}", 1
        hub.hear(board.batch(1, 2))
    assert len(hub.log._streams._streams["fence-1"]) <= 16
    assert len(hub.log._streams._unwritten) <= 16
    board.stream = f"{3:08x}"
    assert hub.hear(board.batch(1, 3)) == {("fence-1", board.stream): 3}
    assert len(stored(hub)) == 2000 * 2 + 1
    hub.restart()
    assert hub.hear(board.batch(1, 4)) == {("fence-1", board.stream): 4}
    assert len(query(hub.folder / "log.db", "SELECT * FROM message")) == 2002


class Model:
    """A board: numbers from 1, each with what was measured; it forgets what is acknowledged."""

    def __init__(self, level, copied=None):
        self.speaker, self.level = Speaker(), level
        self.made = list(copied.made) if copied else []
        self.oldest = copied.oldest if copied else 1
        self.cursor = self.oldest

    @property
    def next(self):
        return len(self.made) + 1

    def measure(self, t):
        self.made.append((t, round(self.level + len(self.made) % 190 / 10, 1)))

    def say(self, first, last):
        texts = [record(t, laeq=level) for t, level in self.made[first - 1 : last]]
        return self.speaker.telemetry(*texts, seq=first, oldest=self.oldest)

    def newest(self):
        return self.say(self.next - 1, self.next - 1)

    def window(self):
        """Say what comes next, oldest first, 5 at a time and 15 ahead of the acknowledgement."""
        messages = []
        while self.cursor < self.next and self.cursor - self.oldest < 15:
            last = min(self.cursor + 4, self.next - 1)
            messages.append(self.say(self.cursor, last))
            self.cursor = last + 1
        return messages

    def hear(self, acks):
        seq = acks.get(("fence-1", STREAM), 0)
        if self.oldest <= seq < self.next:
            self.oldest = seq + 1
            self.cursor = max(self.cursor, self.oldest)


STEPS = st.lists(
    st.sampled_from(
        ["measure", "measure", "live", "send", "send", "lost", "deaf", "rewind", "restart", "step", "pause"]
    ),
    min_size=5,
    max_size=40,
)


class Life:
    """What happens to a board; `clock` is its time, which goes on from one board to the next."""

    def __init__(self, hub, dice):
        self.hub, self.dice, self.clock = hub, dice, NOON

    def drive(self, board, steps):
        for step in steps:
            getattr(self, step)(board)
            assert_kept(self.hub, board)

    def measure(self, board):
        for _ in range(self.dice.randint(1, 12)):
            self.clock += 10
            board.measure(self.clock)

    def live(self, board):
        """Say the newest record at once, whatever else waits."""
        self.clock += 10
        board.measure(self.clock)
        board.hear(self.hub.hear(board.newest()))

    def send(self, board, *, deaf=False, loses=False):
        messages = board.window()
        if loses and messages:
            messages.pop(self.dice.randrange(len(messages)))
        acks = self.hub.hear(*messages) if messages else {}
        if not deaf:
            board.hear(acks)

    def lost(self, board):
        """Send; a message does not reach the hub."""
        self.send(board, loses=True)

    def deaf(self, board):
        """Send; the acknowledgement does not reach the board."""
        self.send(board, deaf=True)

    def rewind(self, board):
        board.cursor = board.oldest

    def restart(self, _):
        self.hub.restart()

    def step(self, _):
        """Set the clock, as a time server does."""
        self.clock += 10 * self.dice.randint(-100, 100)

    def pause(self, _):
        self.clock += 10 * self.dice.randint(1, 500)


def assert_kept(hub, *boards):
    """What a board was told to forget is there."""
    there = {(t, level) for _, _, t, level in stored(hub)}
    for board in boards:
        forgotten = board.made[: board.oldest - 1]
        assert set(forgotten) <= there


def finish(hub, board):
    """Let a board send all that it has, as it does while it lives."""
    for _ in range(200):
        if board.oldest == board.next:
            return
        board.cursor = board.oldest
        board.hear(hub.hear(*board.window()))
    raise AssertionError(f"the board does not get on: {board.oldest} of {board.next}")


@settings(max_examples=60, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_an_honest_board_gives_no_other_content_whatever_is_lost(steps, dice):
    """Acknowledgements lost, messages lost, sent again in other pieces, the clock stepped either way, restarts."""
    with tempfile.TemporaryDirectory() as folder, Hub(Path(folder)) as hub:
        hub.now = NOON + 10**6
        board = Model(60.0)
        Life(hub, dice).drive(board, steps)
        finish(hub, board)
        assert Counter((seq, t, level) for _, seq, t, level in stored(hub)) == Counter(
            (seq, t, level) for seq, (t, level) in enumerate(board.made, 1)
        )
        assert strange(hub) == 0
        assert hub.quarantine() == []


@settings(max_examples=60, deadline=None)
@given(STEPS, STEPS, STEPS, st.randoms(use_true_random=False))
def test_a_board_and_what_was_restored_from_its_backup_lose_nothing(before, between, after, dice):
    with tempfile.TemporaryDirectory() as folder, Hub(Path(folder)) as hub:
        hub.now = NOON + 10**6
        life, first = Life(hub, dice), Model(60.0)
        life.drive(first, before)
        backup = Model(90.0, first)
        life.drive(first, between)  # then it dies
        hub.now += 3600
        life.drive(backup, after)
        finish(hub, backup)
        assert_kept(hub, first, backup)
        there = stored(hub)
        assert len(set(there)) == len(there)
        assert max(Counter((t, level) for _, _, t, level in there).values(), default=1) == 1, "nothing counts twice"
        assert hub.quarantine() == []
