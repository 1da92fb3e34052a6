"""The hub's time is held against what nobody can set, and doubted where witnesses disagree."""

import pytest

from hub.process.clock import Clock
from hub.process.clock_trust import AWAY, HubClock, kernel_synchronised

TRUE = 1_772_424_000.0  # when the machine's ticks were 0
DAY = 86_400.0


class Machine:
    """A machine whose clock can be set, and boards that know the true time."""

    def __init__(self, folder=None, wrong=0.0, synchronised=False):
        self.ticks, self.wrong, self.folder, self.synchronised = 1000.0, wrong, folder, synchronised
        self.boot = "one"

    @property
    def true(self):
        return TRUE + self.ticks

    def wall(self):
        return self.true + self.wrong

    def start(self, newest=None):
        self.hub = HubClock(
            self.wall,
            folder=self.folder,
            newest=newest,
            steady=lambda: self.ticks,
            synchronised=lambda: self.synchronised,
            boot=self.boot,
        )
        return self.hub

    def run(self, seconds, boards=0, off=0.0, every=2.0):
        """Let time pass; meanwhile so many boards send live, their own clocks being `off`."""
        for _ in range(int(seconds / every)):
            self.ticks += every
            self.hub.look({f"fence-{n}": self.true + off - 5 for n in range(boards)})

    def error(self):
        return self.hub.now() - self.true


@pytest.fixture
def machine():
    made = Machine()
    made.start()
    made.run(20, boards=3)
    assert made.hub.proven
    return made


@pytest.mark.parametrize("jump", [-500 * DAY, -DAY, -3600, -300, 300, 3600, 9 * DAY, 500 * DAY])
def test_a_jump_is_not_followed_not_even_for_one_reading(machine, jump):
    machine.wrong = jump
    assert abs(machine.error()) < 0.1
    machine.run(12, boards=3)
    assert "jumped" in machine.hub.doubt.en
    assert "confirm that it is wrong" in machine.hub.doubt.en
    assert not machine.hub.may_prune
    assert abs(machine.error()) < 0.1
    machine.wrong = 0.0
    machine.run(2, boards=3)
    assert machine.hub.doubt is None
    assert abs(machine.error()) < 0.1


def test_a_wrong_clock_is_doubted_for_as_long_as_it_is_wrong(machine):
    machine.wrong = 9 * DAY
    machine.run(3 * DAY, boards=3, every=60)
    assert machine.hub.doubt
    assert abs(machine.error()) < 0.1


def test_small_steps_are_followed_at_once(machine):
    machine.wrong = -20.0
    assert machine.error() == -20.0
    machine.run(10, boards=3)
    machine.wrong = -40.0
    assert machine.error() == -40.0
    machine.run(10, boards=3)
    assert machine.hub.doubt is None


def test_a_step_that_no_board_can_tell_from_its_delay_is_followed(machine):
    machine.wrong = -60.0
    assert abs(machine.error()) < 0.1
    machine.run(10, boards=3)
    assert machine.hub.doubt is None
    assert machine.error() == -60.0


def test_a_clock_that_is_set_right_is_believed_when_boards_say_so():
    machine = Machine(wrong=-DAY)
    machine.start()
    machine.run(10, boards=3)
    assert "3 of 3 boards" in machine.hub.doubt.en
    machine.wrong = 0.0
    machine.run(4, boards=3)
    assert machine.hub.doubt is None
    assert machine.error() == 0.0


def test_many_boards_in_the_future_or_long_past_are_the_hubs_own_fault_first():
    for wrong in (-DAY, -400, 500 * DAY):
        machine = Machine(wrong=wrong)
        machine.start()
        machine.run(20, boards=5)
        assert machine.hub.doubt, wrong
        assert not machine.hub.may_prune


def test_a_hub_that_starts_days_ahead_is_found_out_by_live_boards():
    machine = Machine(wrong=9 * DAY)
    machine.start()
    machine.run(60, boards=4)
    assert "4 of 4 boards" in machine.hub.doubt.en


def test_old_records_that_come_in_a_hurry_are_no_sign_of_a_wrong_clock():
    machine = Machine()
    machine.start()
    for step in range(100):  # two hours of backlog within 200 s
        machine.ticks += 2
        machine.hub.look({f"fence-{n}": machine.true - 7200 + 72 * step for n in range(4)})
        assert machine.hub.doubt is None


def test_what_waited_at_the_broker_and_is_not_followed_by_anything_is_no_sign_either():
    machine = Machine()
    machine.start(newest=machine.true - 60)
    for minute in range(3):  # each board's newest is a quarter of an hour old, and comes once
        machine.hub.look({f"fence-{n}": machine.true - 900 for n in range(100 * minute, 100 * minute + 100)})
        machine.run(40)
    machine.run(120)
    assert machine.hub.doubt is None


def test_one_board_among_several_is_wrong_by_itself(machine):
    for _ in range(60):
        machine.ticks += 2
        ends = {f"fence-{n}": machine.true for n in range(3)}
        machine.hub.look(ends | {"fence-9": machine.true + DAY})
        assert machine.hub.doubt is None


def test_after_a_reboot_the_log_and_the_boards_tell():
    machine = Machine(wrong=9 * DAY)
    machine.start(newest=machine.true - 60)
    assert "nothing came into the log" in machine.hub.doubt.en
    machine.run(600, boards=3)
    assert machine.hub.doubt

    behind = Machine(wrong=-3600)
    behind.start(newest=behind.true - 60)
    assert "newest message" in behind.hub.doubt.en

    away = Machine()
    away.start(newest=away.true - 3 * DAY)
    assert away.hub.doubt
    away.run(4, boards=1)
    assert away.hub.doubt is None

    soon = Machine()
    soon.start(newest=soon.true - AWAY / 2)
    assert soon.hub.doubt is None


def test_a_restart_on_the_same_run_of_the_machine_keeps_the_time(tmp_path):
    machine = Machine(tmp_path)
    machine.start()
    machine.run(20, boards=2)
    machine.wrong = 9 * DAY
    machine.ticks += 5
    machine.start(newest=machine.true - 5)  # it was killed while the clock was wrong
    assert "jumped" in machine.hub.doubt.en
    assert abs(machine.error()) < 0.1
    machine.wrong = 0.0
    machine.run(2)
    assert machine.hub.doubt is None
    assert machine.hub.proven

    machine.boot = "two"  # the ticks begin anew
    machine.ticks += 7 * DAY
    machine.start(newest=machine.true - 7 * DAY)
    assert machine.hub.doubt
    assert not machine.hub.proven


@pytest.mark.parametrize(("synchronised", "hours"), [(True, 0.2), (False, 1.1)])
def test_without_any_board_a_clock_that_goes_evenly_is_believed_after_a_while(synchronised, hours):
    machine = Machine(synchronised=synchronised)
    machine.start()
    machine.wrong = 3600.0
    machine.run(120)
    assert machine.hub.doubt
    machine.run(hours * 3600)
    assert machine.hub.doubt is None
    assert machine.error() == 3600.0
    assert not machine.hub.may_prune
    machine.run(DAY, every=60)
    assert machine.hub.may_prune


def test_another_process_of_the_hub_holds_the_same_time(machine):
    consumers = Clock(machine.wall, held=machine.hub.held, steady=lambda: machine.ticks)
    machine.wrong = 9 * DAY
    machine.ticks += 1
    assert abs(consumers.now() - machine.true) < 0.1
    machine.run(4, boards=3)
    consumers.use(machine.hub.held)
    assert consumers.doubt == machine.hub.doubt


def test_the_kernel_can_be_asked():
    assert kernel_synchronised() in {True, False, None}
