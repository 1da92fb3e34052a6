"""Orders and configurations played back, given twice, or cut short by a reset: each is obeyed once at most."""

import asyncio
import json

from edge import journal
from edge.rising import CENTURY, FRESH, STEP, Rising
from tests.edge.helpers import raises, tmp_dir

NOW = 1795276800  # Unix s
MONTH = 30 * 86400


class Bench:
    """A board's Rising on a folder, and what it was made to do; `restart` is a reset."""

    def __init__(self, folder=None):
        self.path = (folder or tmp_dir()) + "/orders"
        self.now = NOW
        self.done = []
        self.failure = None
        self.restart()

    def restart(self):
        self.rising = Rising(self.path)

    async def act(self, order):
        self.done.append(order["do"])
        if self.failure:
            raise self.failure
        return "done %d" % len(self.done)

    def give(self, order, act=None):
        """Deliver an order; return what is replied, None for nothing."""
        return asyncio.run(self.rising.once(order, self.now, act or self.act))[0]

    def refused(self, order):
        """Deliver an order that must be refused; return why."""
        before = list(self.done)
        ok, why = self.give(order)
        assert not ok, order
        assert self.done == before, order
        return why


def order(do="relay", t=NOW, n=None, **more):
    made = {"id": "a", "do": do, "t": t, "n": t * 1000 if n is None else n}
    made.update(more)
    return made


def test_a_fresh_order_is_obeyed_and_answered():
    bench = Bench()
    assert bench.give(order()) == (True, "done 1")
    assert bench.give(order(n=NOW * 1000 + 1, id="b")) == (True, "done 2")
    for ahead in (FRESH, -FRESH):
        bench = Bench()
        assert bench.give(order(t=NOW + ahead)) == (True, "done 1")


def test_one_of_last_month_or_of_next_is_refused_with_why_whatever_it_orders():
    bench = Bench()
    for do in ("ping", "flag", "relay", "reboot", "update", "calibrate", "dance"):
        for t in (NOW - MONTH, NOW - FRESH - 1, NOW + FRESH + 1):
            why = bench.refused(order(do, t, NOW * 1000))
            assert why.startswith("t: %d is %d s from the board's time" % (t, abs(NOW - t))), why
    assert bench.give(order()) == (True, "done 1")


def test_one_that_is_not_above_the_last_one_obeyed_is_refused_also_after_resets():
    bench = Bench()
    bench.give(order())
    for _ in range(3):
        bench.restart()
        for n in (NOW * 1000 - 1, NOW * 1000, 1):
            why = bench.refused(order(n=n, id="b"))
            assert why == "n: %d is not above %d, the last one obeyed" % (n, NOW * 1000)
    assert bench.give(order(n=NOW * 1000 + 1)) == (True, "done 2")


def test_a_clock_set_back_brings_no_old_order_back():
    bench = Bench()
    bench.give(order(t=NOW - MONTH))
    bench.give(order())
    bench.restart()
    bench.now = NOW - MONTH
    assert bench.refused(order(t=NOW - MONTH, id="b")).startswith("n: ")


def test_an_order_without_a_moment_or_a_number_is_refused_by_name():
    bench = Bench()
    for key in ("t", "n"):
        for value in (None, "5", 1.5, True, [7], {}, 0, -1):
            made = order()
            made[key] = value
            assert bench.refused(made).startswith(key + ": "), value
        del made[key]
        assert bench.refused(made).startswith(key + ": missing; expected")
    assert bench.done == []


def test_the_last_order_delivered_again_gets_its_reply_again_and_nothing_is_done():
    for failure in (None, ValueError("minutes: expected 1 to 1440")):
        bench = Bench()
        bench.failure = failure
        reply = bench.give(order())
        assert reply[0] is (failure is None)
        assert bench.give(order()) == reply
        bench.restart()
        assert bench.give(order()) == reply
        bench.now += MONTH  # late is no harm: nothing is done
        assert bench.give(order()) == reply
        assert len(bench.done) == 1


def test_a_reply_with_anything_in_it_is_kept():
    for told in ("{", "技术员", '"}\\', "\n" * 3, "x" * 1000, ""):
        bench = Bench()

        async def act(_order):
            return told  # noqa: B023

        assert bench.give(order(), act) == (True, told)
        bench.restart()
        assert bench.give(order()) == (True, told)


def test_its_number_is_in_flash_before_anything_is_done_and_a_reset_does_not_do_it_twice():
    bench = Bench()

    async def cut(made):
        assert Rising(bench.path).number == made["n"]
        bench.done.append("begun")
        raise SystemExit  # as a reset does: nothing after it is reached

    for number in (1, 2):
        raises(SystemExit, bench.give, order("update", n=NOW * 1000 + number), cut)
        bench.restart()
        ok, why = bench.give(order("update", n=NOW * 1000 + number))
        assert not ok
        assert "started again" in why
        assert bench.done == ["begun"] * number
    assert bench.give(order(n=NOW * 1000 + 3)) == (True, "done 3")


def test_a_cut_at_each_byte_of_its_file_obeys_nothing_twice():
    bench = Bench()
    bench.give(order())
    with open(bench.path, "rb") as file:
        content = file.read()
    for cut in range(len(content) + 1):
        again = Bench()
        again.give(order(t=NOW - 60))
        with open(again.path + ".new", "wb") as file:
            file.write(content[:cut])
        again.restart()
        assert again.give(order(t=NOW - 60)) == (True, "done 1"), cut
        assert again.refused(order(t=NOW - 60, id="b")).startswith("n: "), cut
        assert again.give(order(id="c")) == (True, "done 2"), cut


def test_a_damaged_file_is_noticed_and_old_orders_are_refused_by_their_time():
    bench = Bench()
    bench.give(order())
    with open(bench.path, "rb") as file:
        content = file.read()
    for damaged in [content[:cut] for cut in range(len(content))] + [content[:12] + b"9" + content[13:], bytes(60)]:
        with open(bench.path, "wb") as file:
            file.write(damaged)
        again = Bench(bench.path[: -len("/orders")])
        assert again.rising.number == 0, damaged
        assert "damaged" in journal.tail(1)[0]
        assert again.refused(order(t=NOW - MONTH)).startswith("t: ")
        assert again.give(order()) == (True, "done 1")


def test_an_order_that_flash_does_not_take_is_not_done():
    bench = Bench()
    bench.rising._path = bench.path + "/no such folder/orders"
    assert bench.refused(order()).startswith("not kept, so not done: ")
    bench.rising._path = bench.path
    assert bench.give(order()) == (True, "done 1")


def test_one_delivered_again_while_the_board_is_at_it_is_done_once_and_answered_once():
    bench = Bench()

    async def run():
        over = asyncio.Event()

        async def live(made):
            bench.done.append(made["do"])
            await over.wait()
            return "5 minutes"

        first = asyncio.create_task(bench.rising.once(order("live"), NOW, live))
        await asyncio.sleep(0)
        again = await bench.rising.once(order("live"), NOW, live)
        later = await bench.rising.once(order("relay", n=NOW * 1000 + 1, id="b"), NOW, bench.act)
        still = await bench.rising.once(order("live"), NOW, live)
        over.set()
        return [again, still, later, await first]

    replies = asyncio.run(run())
    assert replies == [(None, False), (None, False), ((True, "done 2"), True), ((True, "5 minutes"), True)]
    assert bench.done == ["live", "relay"]
    bench.restart()
    assert bench.give(order("relay", n=NOW * 1000 + 1, id="b")) == (True, "done 2")


def test_without_a_clock_only_ping_is_obeyed():
    bench = Bench()
    bench.now = 0
    for do in ("flag", "relay", "reboot", "update", "calibrate", "live", "log", "selftest"):
        assert bench.refused(order(do)).startswith("t: the board's clock is not set")
    for made in (order("ping"), order("ping", t=NOW - MONTH), {"id": "b", "do": "ping"}):
        assert bench.give(made)[0] is True
    assert bench.rising.number == 0  # its number could not be judged
    bench.now = NOW
    assert bench.give(order())[0] is True


def test_a_number_too_high_by_mistake_does_not_lock_the_board():
    bench = Bench()
    for n in (2**53 - 1, NOW * 1000 + FRESH * 1000 + 1):
        assert bench.refused(order(n=n)).startswith("n: %d; expected at most " % n)
    bench.give(order(n=(NOW + FRESH) * 1000))
    bench.now += 2 * FRESH
    assert bench.give(order(t=bench.now))[0] is True


def test_when_both_clocks_were_decades_ahead_a_sender_that_counts_goes_on():
    bench = Bench()
    bench.now = far = NOW + 73 * 365 * 86400
    bench.give(order(t=far))
    bench.now = NOW
    assert bench.refused(order()) == "n: %d is not above %d, the last one obeyed" % (NOW * 1000, far * 1000)
    for more in (1, STEP):
        assert bench.give(order(n=bench.rising.number + more))[0] is True
    assert bench.refused(order(n=bench.rising.number + STEP + 1)).startswith("n: ")


def test_whatever_goes_wrong_with_an_order_there_is_a_reply():
    for kind in (ValueError, TypeError, KeyError, IndexError, OSError, MemoryError):
        bench = Bench()
        bench.failure = kind("why")
        ok, why = bench.give(order())
        assert not ok
        assert "why" in why


def test_the_revision_reached_outlives_orders_and_orders_outlive_it():
    bench = Bench()
    bench.give(order())
    bench.rising.reached(7)
    bench.restart()
    assert bench.rising.revision == 7
    assert bench.give(order()) == (True, "done 1")
    bench.give(order(n=NOW * 1000 + 1))
    bench.restart()
    assert (bench.rising.revision, bench.rising.number) == (7, NOW * 1000 + 1)
    assert CENTURY > NOW * 1000
    with open(bench.path) as file:
        assert json.loads(file.read()[9:])["n"] == NOW * 1000 + 1
