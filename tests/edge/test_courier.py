"""Every record reaches the hub exactly as it was made, in whatever order the world breaks on the way."""

import asyncio
import json

from edge import courier as courier_module
from edge import message
from edge.courier import MOST_RECORDS, WINDOW, Courier
from edge.outbox import Outbox, segments
from edge.timeline import Timeline
from tests.edge.helpers import tmp_dir

T0 = 1794999960


class Clock:
    """A board's clocks, turned by hand. `quality` is "none" while the clock is not set."""

    def __init__(self, s=0, quality="ntp"):
        self.s = s
        self.quality = quality

    @property
    def clock_quality(self):
        return self.quality

    def ticks_ms(self):
        return self.s * 1000

    def now_ms(self):
        return (T0 + self.s) * 1000


class Hub:
    """What the hub has: the records by number, each as `(cal, clock, record)`, and the numbers told as lost."""

    def __init__(self):
        self.records = {}
        self.lost = {}
        self.messages = []  # numbers of the first and last record of each telemetry message, in order

    def hear(self, kind, parts):
        heard = json.loads(b"".join(parts).decode())
        first, records = heard["seq"], heard["records"]
        self.messages.append((first, first + len(records) - 1))
        for i, record in enumerate(records):
            entry = (heard["cal"], heard["clock"], record)
            assert self.records.get(first + i, entry) == entry, "sent again, and not the same"
            self.records[first + i] = entry
        return heard["stream"]

    def lose(self, first, last, reason):
        for number in range(first, last + 1):
            self.lost[number] = reason

    def complete(self):
        number = 0
        while number + 1 in self.records or number + 1 in self.lost:
            number += 1
        return number


class Board:
    """Outbox, timeline and courier on a folder; `publish` decides what becomes of a message, `lost` of a loss."""

    def __init__(self, folder=None, clock=None, publish=None, lost=None, **outbox):
        self.folder = folder or tmp_dir()
        self.clock = clock or Clock()
        self.hub = Hub()
        self.outbox = Outbox(self.folder, **outbox)
        last = self.outbox.last
        self.timeline = Timeline(self.clock, self.folder, message.made(last) if last else None)
        self.courier = Courier(self.outbox, self.timeline, publish or self._deliver, lost or self._lose)

    def _lose(self, stream, first, last, reason):
        assert stream == self.outbox.stream
        self.hub.lose(first, last, reason)
        return True

    async def _deliver(self, kind, parts):
        await asyncio.sleep(0)
        self.hub.hear(kind, parts)

    def make(self, value=80, cal=0):
        """Make a record of ten seconds and let them pass; return its number."""
        now, clock = self.timeline.now()
        kept = message.keep(cal, clock, message.record(now // 10000 * 10, 10, {"pm10": value}, {}))
        seq = self.outbox.append(kept)
        self.courier.made(seq, kept)
        self.clock.s += 10
        return seq

    def acknowledge(self):
        self.courier.acknowledged(self.outbox.stream, self.hub.complete())

    async def settle(self):
        """Let the courier send all that it will send now."""
        self.courier._wake.set()  # a second is over
        heard = -1
        while heard != len(self.hub.messages):
            heard = len(self.hub.messages)
            for _ in range(20):
                await asyncio.sleep(0)


async def end(task):
    """End a task: CPython's wait_for (3.11) may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


def run_by(clock, coroutine):
    """Run a coroutine while the courier's seconds are those of the clock."""
    real = courier_module.ticks_ms, courier_module.ticks_diff
    courier_module.ticks_ms = lambda: clock.s * 1000
    courier_module.ticks_diff = lambda later, earlier: later - earlier
    try:
        asyncio.run(coroutine)
    finally:
        courier_module.ticks_ms, courier_module.ticks_diff = real


def play(board, steps):
    """Run `steps()`, an async function, beside the board's courier."""

    async def both():
        task = asyncio.create_task(board.courier.run())
        await steps()
        await end(task)
        board.outbox.close()

    run_by(board.clock, both())


def test_what_piled_up_goes_oldest_first_in_messages_of_bounded_size():
    board = Board()
    for _ in range(50):
        board.make()

    async def steps():
        await board.settle()
        assert board.hub.messages == []  # not connected
        board.courier.begin()
        await board.settle()

    play(board, steps)
    backlog = [numbers for numbers in board.hub.messages if numbers != (50, 50)]
    assert [first for first, _ in backlog][:2] == [1, MOST_RECORDS + 1]
    assert all(last - first < MOST_RECORDS for first, last in backlog)
    assert sorted(board.hub.records) == list(range(1, 51))


def test_the_newest_record_goes_first_while_older_ones_wait():
    made = []

    async def publish(kind, parts):
        board.hub.hear(kind, parts)
        if len(board.hub.messages) in (2, 4):
            made.append(board.make())
        await asyncio.sleep(0)

    board = Board(publish=publish)
    for _ in range(100):
        board.make()

    async def steps():
        board.courier.begin()
        await board.settle()

    play(board, steps)
    assert made == [101, 102]
    assert board.hub.messages[0] == (100, 100)  # made before the connection, and still the newest
    assert board.hub.messages[2] == (101, 101)
    assert board.hub.messages[4] == (102, 102)
    assert sorted(board.hub.records) == list(range(1, 103))


def test_even_when_the_hub_acknowledges_nothing_the_newest_is_sent_at_once():
    board = Board()
    for _ in range(3 * WINDOW):
        board.make()

    async def steps():
        board.courier.begin()
        await board.settle()
        in_window = max([last for first, last in board.hub.messages if first != last])
        assert WINDOW <= in_window < WINDOW + MOST_RECORDS
        assert board.make() == 3 * WINDOW + 1
        await board.settle()
        assert board.hub.messages[-1] == (3 * WINDOW + 1, 3 * WINDOW + 1)

    play(board, steps)


def test_records_of_another_calibration_or_clock_never_share_a_message():
    board = Board()
    kinds = []
    for i in range(60):
        board.clock.quality = "rtc" if i // 7 % 2 else "ntp"
        kinds.append((i // 5, board.clock.quality))
        board.make(cal=i // 5)

    async def steps():
        board.courier.begin()
        await board.settle()

    play(board, steps)
    assert [board.hub.records[number + 1][:2] for number in range(60)] == kinds
    for first, last in board.hub.messages:
        assert len(set(kinds[first - 1 : last])) == 1


def test_what_is_not_acknowledged_is_sent_again_after_a_time():
    board = Board()
    for _ in range(5):
        board.make()

    async def steps():
        board.courier.begin()
        await board.settle()
        board.hub = Hub()  # it lost all
        board.clock.s += 14
        await board.settle()
        assert board.hub.records == {}
        board.clock.s += 2
        await board.settle()
        assert sorted(board.hub.records) == [1, 2, 3, 4, 5]
        board.acknowledge()
        assert board.outbox.oldest == 6

    play(board, steps)


def test_a_record_lost_on_the_way_is_sent_again_while_the_hub_goes_on_acknowledging_what_was_before():
    # A broker that throws away what it cannot hold for the hub keeps the board's connection; and the hub
    # acknowledges the same number with each newer record that it hears.
    for lost in (2, 30, 31):
        board = Board()

        async def steps():
            board.courier.begin()  # noqa: B023
            for i in range(2 * WINDOW):
                board.make()  # noqa: B023
                await board.settle()  # noqa: B023
                if i + 1 == lost:  # noqa: B023
                    del board.hub.records[lost]  # noqa: B023
                board.acknowledge()  # noqa: B023
                if i > lost and lost in board.hub.records:  # noqa: B023
                    return

        play(board, steps)
        assert lost in board.hub.records


def test_records_made_before_the_clock_is_set_wait_and_then_all_go():
    board = Board(clock=Clock(quality="none"))
    for _ in range(40):
        board.make()

    async def steps():
        board.courier.begin()
        await board.settle()
        assert board.hub.messages == []
        board.clock.quality = "ntp"
        board.make()
        await board.settle()
        assert sorted(board.hub.records) == list(range(1, 42))
        board.acknowledge()
        assert board.outbox.oldest == 42

    play(board, steps)
    times = [board.hub.records[number][2]["t"] for number in range(1, 42)]
    assert times == [T0 + 10 * i for i in range(41)]
    assert [board.hub.records[number][1] for number in (1, 40, 41)] == ["none", "none", "ntp"]


def test_the_clock_set_after_a_reset_frees_what_was_made_before_it():
    first = Board(clock=Clock(quality="none"))
    for _ in range(3):
        first.make()
    first.outbox.close()
    board = Board(first.folder, Clock(quality="none"))
    board.make()

    async def steps():
        board.courier.begin()
        await board.settle()
        assert board.hub.messages == []
        board.clock.quality = "ntp"
        board.make()
        await board.settle()

    play(board, steps)
    assert sorted(board.hub.records) == [1, 2, 3, 4, 5]
    times = [board.hub.records[number][2]["t"] for number in range(1, 6)]
    assert times == sorted(set(times))


def test_a_torn_file_of_places_never_gives_a_record_an_impossible_time():
    board = Board(clock=Clock(s=40, quality="none"))
    board.make()
    board.make()
    board.clock.quality = "ntp"
    board.timeline.now()
    kept = board.outbox.read(9, 9999)[1]
    board.outbox.close()
    with open(board.folder + "/timelines", "rb") as file:
        content = file.read()
    wrong = []
    for cut in range(len(content) + 1):
        folder = tmp_dir()
        with open(folder + "/timelines", "wb") as file:
            file.write(content[:cut])
        told = []
        for s in (100, 200, 300):  # the board starts again, and again: a time once given stays
            timeline = Timeline(Clock(s=s), folder, message.made(kept[1]))
            timeline.now()
            told.append([json.loads(message.placed(each, timeline)[2])["t"] - T0 for each in kept])
        if told != [told[0]] * 3 or not 30 <= told[0][0] == told[0][1] - 10 <= 80:
            wrong.append((cut, told))
    assert wrong == []


def test_losses_are_told_with_their_reason_and_the_rest_arrives():
    board = Board(segment_records=5, max_bytes=1500)
    for _ in range(60):
        board.make()
    lost = board.outbox.oldest - 1
    path = segments(board.folder)[1][2]
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content.replace(b'"pm10":80', b'"pm10":81', 1))
    damaged = lost + 6

    async def steps():
        board.courier.begin()
        await board.settle()

    play(board, steps)
    expected = {damaged: "damaged"}
    for number in range(1, lost + 1):
        expected[number] = "overflow"
    assert board.hub.lost == expected
    assert board.hub.complete() == 60
    assert sorted(board.hub.records) == [n for n in range(lost + 1, 61) if n != damaged]
    assert board.outbox.dropped == lost + 1


def test_a_loss_that_could_not_be_kept_is_told_when_it_can():
    fail = [True]

    def lost(stream, *loss):
        if not fail:
            board.hub.lose(*loss)
        return not fail

    board = Board(lost=lost, segment_records=5, max_bytes=1500)
    for _ in range(60):
        board.make()

    async def steps():
        board.courier.begin()
        await board.settle()
        assert board.hub.lost == {}
        fail.clear()
        board.courier.begin()
        await board.settle()

    play(board, steps)
    assert board.hub.complete() == 60
    assert set(board.hub.lost.values()) == {"overflow"}


def test_a_damaged_record_counts_once_however_often_it_is_read():
    board = Board()
    for _ in range(3):
        board.make()
    path = segments(board.folder)[0][2]
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content.replace(b'"pm10":80', b'"pm10":81', 1))

    async def steps():
        for _ in range(4):
            board.courier.begin()
            await board.settle()

    play(board, steps)
    assert board.hub.lost == {1: "damaged"}
    assert board.outbox.dropped == 1


class Chance:
    """The same numbers on every interpreter: a linear congruence (Numerical Recipes)."""

    def __init__(self, seed):
        self._state = seed

    def below(self, n):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % n

    def one_in(self, n):
        return self.below(n) == 0


class World:
    """A board, a hub and a bad line between them, played by chance; the board may be restarted at any moment."""

    def __init__(self, seed):
        self.chance = Chance(seed)
        self.hub = Hub()
        self.made = {}
        self.acks = []
        self.peace = False
        self.folder = tmp_dir()
        self.cal = 0
        self.clock = Clock(quality="none")

    def start(self):
        board = self.board = Board(self.folder, self.clock, self.publish, segment_records=7)
        board.hub = self.hub
        self.stream = board.outbox.stream
        self.task = asyncio.create_task(board.courier.run())

    async def publish(self, kind, parts):
        """Deliver or not, acknowledge or not; meanwhile the board measures and hears older acknowledgements."""
        chance = self.chance
        board = self.board
        parts = list(parts)
        if not self.peace:
            if chance.one_in(4):
                self.make()
            if chance.one_in(3):
                await asyncio.sleep(0)
            if self.acks and chance.one_in(3):
                self.hear_ack(board)
            if chance.one_in(12):
                raise OSError("connection lost before the broker had it")
            if chance.one_in(12):
                return  # the broker had it and lost it
        assert self.hub.hear(kind, parts) == self.stream
        self.acks.append((self.stream, self.hub.complete()))
        if not self.peace and chance.one_in(12):
            raise OSError("connection lost before its acknowledgement")

    def hear_ack(self, board):
        """Hear one of the acknowledgements under way, in any order, or lose it; some come twice."""
        i = self.chance.below(len(self.acks))
        ack = self.acks[i] if self.chance.one_in(4) else self.acks.pop(i)
        if not self.chance.one_in(5):
            board.courier.acknowledged(*ack)

    def make(self):
        if self.chance.one_in(15):
            self.cal += 1
        value = self.chance.below(900)
        now, _ = self.board.timeline.now()
        seq = self.board.make(value, self.cal)
        assert seq not in self.made
        self.made[seq] = (self.cal, self.clock.quality, value, now // 10000 * 10)

    async def step(self):
        chance = self.chance
        what = chance.below(10)
        if what < 4:
            self.make()
        elif what == 4 and self.acks:
            self.hear_ack(self.board)
        elif what == 5:
            self.clock.s += chance.below(30)
        elif what == 6 and not self.board.courier.ready:
            self.board.courier.begin()
        elif what == 7 and chance.one_in(3):
            self.clock.quality = ("none", "ntp", "rtc")[chance.below(3)]
        elif what == 8 and chance.one_in(4):
            await self.stop()
            self.clock.s += chance.below(100)
            self.start()
        await self.board.settle()

    async def stop(self):
        await end(self.task)
        self.board.outbox.close()

    async def run(self, steps):
        self.start()
        for _ in range(steps):
            await self.step()
        self.peace = True
        self.clock.quality = "ntp"
        self.make()
        self.board.courier.begin()
        for _ in range(100):
            await self.board.settle()
            self.acks.clear()
            self.board.acknowledge()
            self.clock.s += 6
            if self.board.outbox.oldest == self.board.outbox.next:
                break
        await self.stop()


def test_whatever_happens_the_hub_has_every_record_exactly_as_it_was_made():
    for seed in range(12):
        world = World(seed)
        run_by(world.clock, world.run(150))
        assert sorted(world.hub.records) == sorted(world.made), seed
        assert world.hub.lost == {}
        for number, (cal, clock, value, t) in world.made.items():
            sent_cal, sent_clock, record = world.hub.records[number]
            assert (sent_cal, sent_clock, record["v"]) == (cal, clock, {"pm10": value}), (seed, number)
            assert clock == "none" or record["t"] == t, (seed, number)
            assert record["t"] % 10 == 0
        unset = [world.hub.records[n][2]["t"] for n in sorted(world.made) if world.made[n][1] == "none"]
        assert all(t >= T0 - 10 for t in unset), seed
        assert world.board.outbox.oldest == world.board.outbox.next, seed
