"""Plantower frames as real sensors sent them, and everything a line can do to them."""

import asyncio
import time
from binascii import unhexlify

from edge.drivers import Silent, Warming, make
from edge.drivers.frames import Parser
from edge.drivers.plantower import Driver, climate, command, intact, masses
from tests.edge.frames import PLANTOWER_COMMANDS, PMS3003, PMS5003T, PMSX003
from tests.edge.helpers import raises
from tests.edge.streams import Line, sampled, withstand

SET_PASSIVE_DONE = unhexlify("424d0004e1000174")
ASLEEP_DONE = unhexlify("424d0004e4000177")
READ, PASSIVE, ACTIVE, SLEEP, WAKE = [unhexlify(text) for text, _ in PLANTOWER_COMMANDS]


def named(row):
    return {"pm1": row[0], "pm25": row[1], "pm10": row[2]}


FRAMES = [unhexlify(row[0]) for row in PMSX003]
VALUES = [named(row[2]) for row in PMSX003]


def parser(length=32):
    return Parser({b"\x42\x4d\x00" + bytes((length - 4,)): length}, intact)


def feeder(length, decode):
    def fresh():
        finder = parser(length)
        return lambda data: [decode(frame) for frame in finder.feed(data)]

    return fresh


def near(got, expected):
    assert set(got) == set(expected)
    for channel, value in expected.items():
        assert abs(got[channel] - value) < 1e-4, channel


def test_captured_frames_decode_to_their_known_values():
    assert sampled(Driver(Line(b"".join(FRAMES)), {"warmup": 0}), len(FRAMES)) == VALUES


def test_a_pms3003_sends_shorter_frames():
    for text, _, atmospheric in PMS3003:
        assert sampled(Driver(Line(unhexlify(text)), {"model": "PMS3003", "warmup": 0})) == [named(atmospheric)]


def test_a_pms5003t_tells_temperature_and_humidity_of_its_housing():
    for text, _, atmospheric, temperature, humidity in PMS5003T:
        driver = Driver(Line(unhexlify(text)), {"model": "PMS5003T", "warmup": 0})
        expected = named(atmospheric)
        expected.update({"temperature": temperature, "humidity": humidity})
        assert set(driver.channels) == set(expected)
        near(sampled(driver)[0], expected)
        assert sampled(Driver(Line(unhexlify(text)), {"warmup": 0})) == [named(atmospheric)]


PMS5003ST = unhexlify("424d0024000a000f00140009000e00130384012c003c000900020001000c00e701c7000097000458")


def test_a_pms5003st_sends_longer_frames():
    masses_of = {"pm1": 9, "pm25": 14, "pm10": 19}
    near(sampled(Driver(Line(PMS5003ST), {"warmup": 0}))[0], masses_of)
    values = sampled(Driver(Line(PMS5003ST), {"model": "PMS5003ST", "warmup": 0}))[0]
    near(values, dict(masses_of, temperature=23.1, humidity=45.5))


def test_reports_of_another_length_are_named():
    foreign = b"\x42\x4d\x00\x20" + bytes(32)
    foreign += bytes((0, sum(foreign)))
    told = []

    async def run():
        try:
            await Driver(Line(*[foreign] * 9), {"warmup": 0}).sample()
        except Silent as silent:
            told.append(str(silent))

    asyncio.run(run())
    assert "one begins 424D0020" in told[0]


def test_frost_has_a_sign():
    near(climate(bytes(24) + b"\xff\xce\x03\xe8" + bytes(4)), {"temperature": -5, "humidity": 100})


def test_cf1_words_are_the_first_three():
    for text, cf1, atmospheric in PMSX003 + PMS3003:
        assert masses(unhexlify(text), cf1=True) == named(cf1)
        assert masses(unhexlify(text)) == named(atmospheric)
    frame = b"\x42\x4d\x00\x1c" + bytes([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6] + [0] * 14)
    frame += bytes((0, sum(frame)))
    settings = {"cf1": True, "warmup": 0}
    assert sampled(Driver(Line(frame), settings)) == [{"pm1": 1, "pm25": 2, "pm10": 3}]
    assert sampled(Driver(Line(frame), {"warmup": 0})) == [{"pm1": 4, "pm25": 5, "pm10": 6}]


def test_an_unknown_model_or_mode_is_told_with_what_there_is():
    for settings, expected in (({"model": "PMS1"}, "PMSx003"), ({"mode": "query"}, "active or passive")):
        settings.update({"name": "dust", "type": "plantower", "port": "uart:1"})
        told = str(raises(ValueError, make, settings, Line()))
        assert "dust" in told
        assert expected in told


def test_whatever_a_line_does_to_frames():
    withstand(feeder(32, masses), FRAMES[:1] + FRAMES[4:], VALUES[:1] + VALUES[4:])
    rows = PMS5003T[:4]
    withstand(feeder(32, masses), [unhexlify(row[0]) for row in rows], [named(row[2]) for row in rows])
    rows = PMS3003 + PMS3003
    withstand(feeder(24, masses), [unhexlify(row[0]) for row in rows], [named(row[2]) for row in rows])


def test_garbage_that_looks_like_a_head_is_passed_over():
    finder = parser()
    assert len(finder.feed(b"\x42\x4d\x42\x42\x4d\x00\x1c\x01" + FRAMES[0] + FRAMES[1])) == 2
    assert finder.rejected == 1


def test_the_driver_gives_one_frame_at_a_time_and_counts_what_it_refused():
    bad = FRAMES[0][:-1] + b"\x00"
    driver = Driver(Line(FRAMES[0] + FRAMES[1][:10], FRAMES[1][10:], bad, FRAMES[4]), {"warmup": 0})
    assert driver.PACED
    assert sampled(driver, 3) == [VALUES[0], VALUES[1], Silent]
    assert driver.rejected == 1
    assert sampled(driver, 2) == [VALUES[4], Silent]


def test_talk_without_frames_is_as_good_as_silence():
    driver = Driver(Line(*[bytes(32)] * 9), {"warmup": 0})
    assert sampled(driver) == [Silent]
    assert driver.rejected == 0


def test_commands_are_those_of_the_manual():
    ours = [command(*numbers) for numbers in ((0xE2, 0), (0xE1, 0), (0xE1, 1), (0xE4, 0), (0xE4, 1))]
    assert ours == [READ, PASSIVE, ACTIVE, SLEEP, WAKE]


def test_answers_to_commands_are_passed_over():
    driver = Driver(Line(SET_PASSIVE_DONE + FRAMES[0], ASLEEP_DONE, FRAMES[1]), {"warmup": 0})
    assert sampled(driver, 2) == VALUES[:2]
    assert driver.rejected == 0


def test_a_passive_sensor_is_asked_for_each_sample():
    line = Line(answers={"424de100000170": SET_PASSIVE_DONE, "424de200000171": [FRAMES[0], FRAMES[4], b"", FRAMES[6]]})
    driver = Driver(line, {"mode": "passive", "warmup": 0})
    assert not driver.PACED
    assert sampled(driver, 4) == [VALUES[0], VALUES[4], Silent, VALUES[6]]
    # After the silence it is woken and told its mode again: it may have been without power.
    assert line.sent == [WAKE, PASSIVE, READ, READ, READ, WAKE, PASSIVE, READ]


def test_an_old_report_is_no_answer():
    line = Line(FRAMES[0], answers={"424de200000171": FRAMES[4]})
    assert sampled(Driver(line, {"mode": "passive", "warmup": 0})) == [VALUES[4]]


def test_an_active_sensor_that_fell_silent_is_woken():
    line = Line(FRAMES[0], answers={"424de100010171": FRAMES[4]})
    assert sampled(Driver(line, {"warmup": 0}), 3) == [VALUES[0], Silent, VALUES[4]]
    assert line.sent == [WAKE, ACTIVE]


def test_samples_while_it_warms_up_say_so():
    driver = Driver(Line(*FRAMES), {"warmup": 0.3})
    assert sampled(driver, 2) == [Warming, Warming]
    time.sleep(0.35)
    assert sampled(driver) == [VALUES[2]]  # the frames of the warm-up are gone


def test_asleep_until_woken_then_warming_up():
    line = Line(answers={"424de100010171": FRAMES[4] + FRAMES[6]})
    driver = Driver(line, {"warmup": 0.3})
    asyncio.run(driver.sleep())
    time.sleep(0.35)
    assert sampled(driver) == [Warming]
    asyncio.run(driver.wake())
    assert sampled(driver) == [Warming]
    time.sleep(0.35)
    assert sampled(driver) == [VALUES[6]]
    assert line.sent == [SLEEP, WAKE, ACTIVE]
