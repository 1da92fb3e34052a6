"""Threads of one process compute one after the other, in the order in which they asked."""

import threading
import time

import pytest

from hub.process.turns import Turns


def test_turns_are_given_one_at_a_time_in_the_order_of_asking():
    turns, inside, order = Turns(), threading.Semaphore(1), []

    def compute(number):
        with turns.one():
            assert inside.acquire(blocking=False), "two have a turn"
            order.append(number)
            time.sleep(0.01)
            inside.release()

    with turns.one():
        threads = [threading.Thread(target=compute, args=(number,)) for number in range(5)]
        for number, thread in enumerate(threads):
            thread.start()
            while turns.waiting() <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_turn_that_fails_ends():
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.one():
        _ = 1 / 0
    with turns.one():
        assert turns.waiting() == 0
