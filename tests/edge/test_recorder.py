"""From a driver's samples to the record in the outbox: what an instrument cannot have measured, and what it can."""

import asyncio
import json
from array import array
from math import pi, sin

from edge import calibration, recorder
from edge.board_host import Board
from edge.drivers import Silent, hc_sr04, i2s_mic, modbus
from edge.outbox import Outbox
from edge.timeline import Timeline
from tests.edge.helpers import tmp_dir

NOISE = {
    "name": "noise",
    "address": 1,
    "registers": [{"channel": "laf", "register": 0, "scale": 0.1, "range": [30, 130]}],
}
RATE, FULL = 32000, 0x7FFFFF


class Ticks(Board):
    """A host's board whose time goes on when it is told to."""

    now = 0

    def ticks_ms(self):
        return self.now


class Bus:
    """A bus with a transmitter whose register holds one number after the other; None: it is silent."""

    def __init__(self, raws):
        self.lock = asyncio.Lock()
        self._raws = list(raws)

    async def send(self, data):
        pass

    async def receive(self, _most, _timeout):
        raw = self._raws.pop(0)
        if raw is None:
            raise Silent("nothing")
        return modbus.sealed(bytes((1, 3, 2, raw >> 8, raw & 255)))

    def distrust(self):
        pass


def made(driver, how=None, **others):
    """Return a recorder with one sensor, or some, and its board."""
    folder = tmp_dir()
    if how:
        with open(folder + "/calibration.json", "w") as file:
            json.dump({"id": 1, "channels": how}, file)
    board = Ticks({"folder": folder})
    kept = calibration.Calibration(folder + "/calibration.json")
    outbox = Outbox(folder)
    outbox.close()  # no record is made here
    timeline, sensors = Timeline(board, folder), dict(others, one=driver)
    return recorder.Recorder(board, timeline, outbox, sensors, 10, 1, kept, lambda *_: None), board


def take(each, driver, times):
    """Let the recorder take samples; return what the interval's record says."""

    async def run():
        for _ in range(times):
            try:
                each._take(driver, await driver.sample())
            except recorder.drivers.NoSample as reason:
                each._miss("one", driver, reason.flag, reason.least)

    asyncio.run(run())
    values, flags = each._aggregator.close()
    return json.loads(recorder.message.record(0, 10, values, flags, each._aggregator.least))


def test_a_register_of_a_dead_head_costs_its_sample():
    driver = modbus.Driver(Bus([652] * 9 + [0xFFFF]), NOISE)
    told = take(made(driver)[0], driver, 10)
    assert told["v"]["laeq"] == 65.2
    assert "f" not in told


def test_a_transmitter_at_the_end_of_its_scale_gives_a_level_that_is_certain():
    driver = modbus.Driver(Bus([652] * 9 + [1300]), NOISE)
    told = take(made(driver)[0], driver, 10)
    assert told["v"] == {}
    assert told["f"]["laeq"] == told["f"]["lafmax"] == "T"
    assert told["r"] == {"laeq_least": 120.0, "lafmax_least": 130.0}


def test_the_certain_level_is_corrected_as_every_other_is():
    driver = modbus.Driver(Bus([1300] * 2), NOISE)
    told = take(made(driver, {"laf": {"offset": -0.5}})[0], driver, 2)
    assert told["r"] == {"laeq_least": 129.5, "lafmax_least": 129.5}


class Mic:
    """A microphone that hears `quiet` dB at 1 kHz and once a second for 20 ms `blow` dB, cut at 120 dB."""

    def __init__(self, quiet, blow):
        def wave(level):
            tops = [FULL * 10 ** ((level - 120) / 20) * sin(2 * pi * 1000 * i / RATE) for i in range(32)]
            return array("i", [max(-FULL - 1, min(FULL, int(top))) * 256 for top in tops])

        self._quiet, self._blow = wave(quiet), wave(blow)
        self._at = 0

    async def readinto(self, buffer):
        piece = bytearray()
        while len(piece) < len(buffer):
            piece += bytes(self._blow if self._at % RATE < RATE // 50 else self._quiet)
            self._at += 32
        buffer[:] = piece
        await asyncio.sleep(0)
        return len(buffer)


def heard(blow):
    driver = i2s_mic.Driver(Mic(60, blow), {"name": "noise"})
    each = made(driver)[0]
    take(each, driver, 8)  # while the microphone settles
    return take(each, driver, 16)


def where_it_works(test):
    """Sound levels need an interpreter of 32 bits on MicroPython."""
    from tests.edge.test_acoustics import where_it_works as known

    return known(test)


@where_it_works
def test_blows_that_clip_are_never_left_out():
    just_not = heard(119)["v"]["laeq"]
    told = heard(126)
    assert told["v"] == {}
    assert told["f"]["laeq"] == told["f"]["lafmax"] == "T"
    assert told["r"]["laeq_least"] > just_not > 100
    assert told["r"]["lafmax_least"] > told["r"]["laeq_least"]


class Damp:
    """A dust sensor and a hygrometer, as one driver; humidity None: it gives none."""

    PACED = False
    channels = ("pm10", "humidity")
    rejected = 0
    humidity = 80

    async def sample(self):
        return {"pm10": 180} if self.humidity is None else {"pm10": 180, "humidity": self.humidity}


def test_a_humidity_that_is_too_old_corrects_nothing():
    driver = Damp()
    each, board = made(driver, {"pm10": {"kappa": 0.33}})
    told = take(each, driver, 4)
    assert abs(told["v"]["pm10"] - 100) < 1
    driver.humidity = None
    board.now += recorder.AIR_LASTS
    assert abs(take(each, driver, 4)["v"]["pm10"] - 100) < 1
    board.now += 1
    told = take(each, driver, 4)
    assert "pm10" not in told["v"]
    assert told["f"]["pm10"] == "D"


def test_dust_in_fog_is_flagged_and_the_humidity_is_kept():
    driver = Damp()
    driver.humidity = 98
    told = take(made(driver, {"pm10": {"kappa": 0.33}})[0], driver, 4)
    assert told["v"] == {"humidity": 98}
    assert told["f"] == {"pm10": "D"}
    driver.humidity = 95
    assert "pm10" in take(made(driver, {"pm10": {"kappa": 0.33}})[0], driver, 4)["v"]


def test_a_value_that_a_sensor_has_not_costs_itself_only():
    class Half(Damp):
        humidity = float("nan")

    driver = Half()
    told = take(made(driver)[0], driver, 4)
    assert told["v"] == {"pm10": 180}
    assert told["f"] == {"humidity": "D"}


class Thermometer:
    """A sensor of the air; a temperature of None: it fails."""

    PACED = False
    channels = ("temperature",)
    rejected = 0

    def __init__(self, temperature):
        self.temperature = temperature

    async def sample(self):
        if self.temperature is None:
            raise Silent("nothing")
        return {"temperature": self.temperature}


def test_a_distance_by_sound_is_corrected_by_what_the_boards_thermometer_said_lately():
    class Wires:
        async def ping(self):
            return 6000  # us

    class Quick(hc_sr04.Driver):
        PAUSE = 0

    air, driver = Thermometer(-20), Quick(Wires(), {"air_celsius": 20})
    each, board = made(driver, air=air)

    def distance():
        return take(each, driver, 1)["v"]["distance"]

    assert distance() == 1030  # 343.42 m/s by its settings, while nothing was measured
    take(each, air, 1)
    assert distance() == 958  # 319.18 m/s
    air.temperature = None
    board.now += recorder.AIR_LASTS
    take(each, air, 1)
    assert distance() == 958
    board.now += 1
    take(each, air, 1)
    distance()
    assert distance() == 1030
    assert "temperature" not in each.latest
