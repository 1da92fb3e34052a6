"""Ultrasonic distance by the width of a pulse: against the maker's arithmetic, the air, and lines that misbehave."""

import asyncio
import sys
import time

from edge.drivers import Faulty, Silent, make
from edge.drivers.hc_sr04 import LONG, NONE, STUCK, Driver
from edge.pulse_host import Pulse
from tests.edge.helpers import raises
from tests.edge.streams import Line, sampled

BIN = {"empty_mm": 1180, "full_mm": 320}
try:
    import machine
except ImportError:
    machine = None


def slow_pulse_us(pin, level, most):
    """Do as machine.time_pulse_us is documented to, on CPython, which has none."""
    for wanted, missed in ((level, -2), (1 - level, -1)):
        began = time.time()
        while pin.value() != wanted:
            if time.time() - began > most / 1e6:
                return missed
    return int((time.time() - began) * 1e6)


class Quick(Driver):
    """The driver at wires whose sound is gone at once."""

    PAUSE = 0.001


class Wires:
    """Two wires whose pings give one width after the other, in us, and then the last one for ever."""

    def __init__(self, *widths):
        self._widths = list(widths)
        self.pings = []

    async def ping(self):
        self.pings.append(time.time())
        return self._widths.pop(0) if len(self._widths) > 1 else self._widths[0]


def heard(settings, *widths, **latest):
    """Return what a driver makes of these widths, with what the board measured last."""
    driver = Quick(Wires(*widths), settings)
    driver.latest = latest
    return sampled(driver)[0]


def near(got, expected):
    assert set(got) == set(expected), got
    for channel in expected:
        assert abs(got[channel] - expected[channel]) < 0.02 * max(1, expected[channel] / 100), (got, expected)


def why(*widths):
    async def run():
        try:
            await Quick(Wires(*widths), {}).sample()
        except (Faulty, Silent) as error:
            return error.flag, str(error)

    return asyncio.run(run())


def test_the_makers_arithmetic_at_15_degrees():
    # User guide: range = time at high level * 340 m/s / 2; at 15 degrees the driver reckons with 340.39 m/s.
    near(heard({}, 5800), {"distance": 5800 * 0.340390 / 2})
    assert abs(heard({}, 5800)["distance"] - 5800 * 0.340 / 2) < 2


def test_sound_is_faster_in_warm_air_and_the_boards_own_thermometer_counts_more():
    near(heard({"air_celsius": 0}, 6000), {"distance": 993.9})  # 6 ms * 331.3 m/s / 2
    near(heard({"air_celsius": 20}, 6000), {"distance": 1030.26})  # 343.42 m/s
    near(heard({"air_celsius": -20}, 6000), {"distance": 957.54})  # 319.18 m/s
    near(heard({"air_celsius": 0}, 6000, temperature=20), {"distance": 1030.26})
    near(heard({}, 6000, temperature=-20, humidity=90), {"distance": 957.54})


def test_a_calibrated_bin_has_the_same_channels_as_with_the_other_sensor():
    assert Driver(None, {}).channels == ("distance",)
    assert Driver(None, BIN).channels == ("distance", "fill")
    half = 2 * 750 / 0.34039  # us
    near(heard(BIN, half), {"distance": 750, "fill": 50})
    assert heard(BIN, 2 * 1300 / 0.34039)["fill"] == 0
    assert heard(BIN, 2 * 200 / 0.34039)["fill"] == 100


def test_one_sample_is_the_median_of_five_pings_that_lie_more_than_60_ms_apart():
    assert Driver.PAUSE > 0.06
    driver = Driver(Wires(6000, 2000, 6010, 9000, 5990), {})
    begun = time.time()
    near(sampled(driver)[0], {"distance": 6000 * 0.34039 / 2})
    pings = driver._port.pings
    assert len(pings) == 5
    for ping in pings:
        assert ping - begun > 0.06
        begun = ping


def test_two_pings_without_use_cost_nothing_and_three_cost_the_sample():
    for bad in (LONG, NONE, STUCK, 100, 25000):  # 100 us: within the blind zone; 25 ms: beyond 4 m
        near(heard({}, 6000, bad, 6000, bad, 6000), {"distance": 6000 * 0.34039 / 2})
    assert heard({}, 6000, LONG, 6000, LONG, 25000) is Faulty
    # Of an even number the nearer of the two in the middle: the nearest echo counts.
    near(heard({}, 6000, 6100, LONG, 6200, 6300), {"distance": 6100 * 0.34039 / 2})


def test_each_way_to_have_no_distance_says_which_it_is():
    assert why(LONG) == ("D", "no echo within 4000 mm")
    assert why(25000) == ("D", "4254 mm: no echo within 4000 mm")
    assert why(100) == ("D", "17 mm: in the blind zone of 20 mm, or no echo")
    assert why(NONE) == ("B", "no pulse after the trigger: check supply, trigger and echo wire")
    flag, told = why(STUCK)
    assert flag == "D"
    assert told.startswith("the echo line is high before the trigger")
    # A copy whose line stays high for 200 ms has no echo: that it is then found high is the same trouble.
    assert why(LONG, STUCK, STUCK, STUCK, LONG)[1] == "no echo within 4000 mm"


def test_settings_are_refused_with_their_names():
    plain = {"name": "bin", "type": "hc_sr04", "port": "echo:trigger=5:echo=18"}
    assert make(plain, None).channels == ("distance",)
    for change, told in (
        (
            {"port": "uart:1:9600:rx=16:tx=17"},
            "port 'uart:1:9600:rx=16:tx=17': expected a line such as echo:trigger=5:echo",
        ),
        ({"type": "a02yyuw"}, "port 'echo:trigger=5:echo=18': expected a line such as uart:1:9600"),
        ({"air_celsius": 90}, "air_celsius 90: expected a number from -50 to 70"),
        ({"air_celsius": "warm"}, "air_celsius 'warm': expected a number from -50 to 70"),
        ({"empty_mm": 1180}, "full_mm None: expected both empty_mm and full_mm, in mm, more than 20 and at most 4000"),
        ({"empty_mm": 4001, "full_mm": 320}, "empty_mm 4001: expected both"),
    ):
        error = str(raises(ValueError, make, dict(plain, **change), None))
        assert error.startswith("sensor 'bin': " + told), error


def test_a_host_asks_for_the_width_over_a_connection():
    def asked(*pieces):
        class Pieces(Line):
            """A line that gives these pieces after the question."""

            async def send(self, data):
                await super().send(data)
                assert data == b"!"
                self.pieces = list(pieces)

        pulse = Pulse(None, "tcp:127.0.0.1:1")
        pulse._line = Pieces(b"-2\n")
        try:
            return asyncio.run(pulse.ping())
        except Silent as error:
            return str(error)

    assert asked(b"5800\n") == 5800
    assert asked(b"-1\n") == LONG
    assert asked(b"\xff\n").startswith("no width of a pulse")
    assert asked(b"12", b"34\n") == 1234
    assert asked(b"x" * 16).startswith("no width of a pulse")
    assert asked() == "nothing"


class Pin(getattr(machine, "PinBase", object)):
    """A pin. The echo's is high from the `begin`th look after the trigger until the `end`th, whatever the time."""

    OUT, IN = 1, 0

    def __init__(self, number, mode, value=None):
        assert (number, mode, value) in ((5, Pin.OUT, 0), (18, Pin.IN, None))
        self._trigger = number == 5
        self._begin, self._end = Pin.course

    def value(self, level=None):
        if self._trigger:
            Pin.levels.append(level)
            Pin.looks = 0
            return level
        Pin.looks += 1
        return int(self._begin <= Pin.looks < self._end)


class Chip:
    """The module `machine` of a chip, as far as the wires need it; MicroPython times the pulse itself."""

    Pin = Pin
    time_pulse_us = staticmethod(getattr(machine, "time_pulse_us", slow_pulse_us))


def pinged(begin, end):
    """Return what the chip's wires give for such a pulse, and the levels at the trigger."""
    Pin.course, Pin.looks, Pin.levels = (begin, end), 0, []
    before = sys.modules.get("machine")
    sys.modules["machine"] = Chip
    bare = not hasattr(time, "sleep_us")
    if bare:
        time.sleep_us = lambda us: time.sleep(us / 1e6)
    try:
        sys.modules.pop("edge.pulse_esp32", None)
        from edge.pulse_esp32 import Pulse as Wired

        return asyncio.run(Wired(5, 18).ping()), Pin.levels
    finally:
        sys.modules.pop("edge.pulse_esp32", None)
        del sys.modules["machine"]
        if before:
            sys.modules["machine"] = before
        if bare:
            del time.sleep_us


def test_the_chip_triggers_and_times_the_pulse_by_the_interpreters_own_clock():
    width, levels = pinged(3, 60)
    assert 0 <= width < 30000
    assert levels == [1, 0]
    assert pinged(1000000000, 0)[0] == NONE
    assert pinged(3, 1000000000)[0] == LONG
    assert pinged(0, 1000000000) == (STUCK, [])  # it is not asked
