"""SPS30 answers as a real sensor and the data sheet give them, and everything a line can do to them."""

import asyncio
from binascii import unhexlify

from edge.drivers import Faulty, Silent, Warming
from edge.drivers.sps30 import LONGEST, READ, START, STOP, Driver, Parser, decode, question
from tests.edge.frames import SPS30, SPS30_ANSWERS, SPS30_COMMANDS
from tests.edge.helpers import raises
from tests.edge.streams import Line, sampled, withstand

MEASURED = [unhexlify(row[0]) for row in SPS30]
COMMANDS = {what: text for text, what in SPS30_COMMANDS}
ANSWERS = {what: unhexlify(text) for text, what in SPS30_ANSWERS}
START_TEXT, READ_TEXT = COMMANDS["start measurement, float"], COMMANDS["read values"]
STARTED, NOTHING_NEW = unhexlify("7e00000000ff7e"), ANSWERS["no new data"]


def with_state(command, state):
    return b"\x7e\x00" + bytes((command, state, 0, ~(command + state) & 0xFF)) + b"\x7e"


def fresh():
    parser = Parser()
    return lambda data: [decode(values) for _, _, values in parser.feed(data)]


def driver_of(*readings, start=STARTED, settings=None):
    line = Line(answers={START_TEXT: start, READ_TEXT: list(readings)})
    return Driver(line, settings or {"warmup": 0}), line


def test_captured_answers_decode_to_their_known_values():
    driver, line = driver_of(*MEASURED)
    got = sampled(driver, len(MEASURED))
    for values, (_, pm1, pm25, pm10) in [(got[n], SPS30[n]) for n in range(len(SPS30))]:
        assert set(values) == {"pm1", "pm25", "pm10"}
        assert abs(values["pm1"] - pm1) < 6e-4
        assert abs(values["pm25"] - pm25) < 6e-4
        assert abs(values["pm10"] - pm10) < 6e-4
    assert [sent.hex() for sent in line.sent] == [START_TEXT] + [READ_TEXT] * len(MEASURED)


def test_the_data_sheets_answers_are_whole():
    for text, _ in SPS30_ANSWERS:
        ((command, state, data),) = Parser().feed(unhexlify(text))
        assert (command, state, len(data)) == (int(text[4:6], 16), 0, int(text[8:10], 16))
    assert decode(Parser().feed(ANSWERS["all-zero float reply"])[0][2]) == {"pm1": 0, "pm25": 0, "pm10": 0}


def test_commands_are_those_of_the_data_sheet():
    assert question(START, b"\x01\x03").hex() == START_TEXT
    assert question(STOP).hex() == COMMANDS["stop measurement"]
    assert question(READ).hex() == READ_TEXT
    assert question(0x80, b"\x00").hex() == COMMANDS["read auto cleaning interval (checksum 7E is stuffed)"]
    assert question(0xD0, b"\x03").hex() == COMMANDS["device information: serial"]


def test_whatever_a_line_does_to_answers():
    withstand(fresh, MEASURED[:4], [fresh()(frame)[0] for frame in MEASURED[:4]])
    stuffed = MEASURED[5:8] + MEASURED[2:3]
    withstand(fresh, stuffed, [fresh()(frame)[0] for frame in stuffed])


def test_bad_answers_are_refused_and_counted():
    driver, _ = driver_of(MEASURED[0][:-2] + b"\x00\x7e", MEASURED[1])
    first, second = sampled(driver, 2)
    assert first is Silent
    assert second == fresh()(MEASURED[1])[0]
    assert driver.rejected == 1


def test_before_the_first_value_it_is_warming_up():
    driver, _ = driver_of(NOTHING_NEW, NOTHING_NEW, MEASURED[0])
    assert sampled(driver, 3) == [Warming, Warming, fresh()(MEASURED[0])[0]]


def test_a_value_that_is_not_there_yet_is_asked_for_again():
    driver, line = driver_of(MEASURED[0], NOTHING_NEW, MEASURED[1])
    driver.PAUSE = 0
    assert sampled(driver, 2) == [fresh()(MEASURED[0])[0], fresh()(MEASURED[1])[0]]
    assert len(line.sent) == 4


def test_a_sensor_that_stops_giving_values_is_started_again():
    driver, line = driver_of(*([MEASURED[0]] + [NOTHING_NEW] * Driver.TRIES + [MEASURED[1]]))
    driver.PAUSE = 0
    assert sampled(driver, 3)[1:] == [Silent, fresh()(MEASURED[1])[0]]
    assert [sent.hex() for sent in line.sent].count(START_TEXT) == 2


def test_a_sensor_that_was_without_power_is_started_again():
    driver, line = driver_of(MEASURED[0], with_state(READ, 0x43), MEASURED[1], b"", MEASURED[2])
    got = sampled(driver, 5)
    assert got == [fresh()(MEASURED[0])[0], Warming, fresh()(MEASURED[1])[0], Silent, fresh()(MEASURED[2])[0]]
    assert [sent.hex() for sent in line.sent].count(START_TEXT) == 3


def test_a_sensor_that_measures_already_is_not_disturbed():
    driver, _ = driver_of(MEASURED[0], start=with_state(START, 0x43))
    assert sampled(driver) == [fresh()(MEASURED[0])[0]]


def test_what_the_sensor_says_of_itself_is_a_fault():
    for state in (0x80, 0xC3, 0x04):
        driver, _ = driver_of(with_state(READ, state), MEASURED[0])
        assert sampled(driver, 2) == [Faulty, fresh()(MEASURED[0])[0]], state


def test_masses_that_make_no_sense_are_a_fault():
    for first in ("7fc00000", "7f800000", "bf800000"):  # not a number, infinite, -1
        raises(Faulty, decode, unhexlify(first) + bytes(36))
    raises(Faulty, decode, bytes(20))


def test_a_receiver_that_hears_the_question_first():
    echo = {START_TEXT: unhexlify(START_TEXT) + STARTED, READ_TEXT: [unhexlify(READ_TEXT) + MEASURED[0]]}
    driver = Driver(Line(answers=echo), {"warmup": 0})
    assert sampled(driver) == [fresh()(MEASURED[0])[0]]
    assert driver.rejected == 0


def test_the_answer_may_follow_a_damaged_one():
    driver, _ = driver_of(MEASURED[0][:-2] + b"\x00\x7e" + MEASURED[1])
    assert sampled(driver) == [fresh()(MEASURED[1])[0]]
    assert driver.rejected == 1


def test_talk_without_answers_is_as_good_as_silence():
    driver, _ = driver_of(bytes(LONGEST + 10), MEASURED[0])
    assert sampled(driver, 2) == [Silent, fresh()(MEASURED[0])[0]]


def test_asleep_until_woken():
    driver, line = driver_of(MEASURED[0], MEASURED[1])
    line.answers[question(STOP)] = unhexlify("7e00010000fe7e")
    sampled(driver)
    asyncio.run(driver.sleep())
    assert sampled(driver) == [Warming]
    asyncio.run(driver.wake())
    assert sampled(driver) == [fresh()(MEASURED[1])[0]]


def test_it_warms_up_for_30_s_unless_told_otherwise():
    driver, _ = driver_of(MEASURED[0], settings={"name": "dust"})
    assert sampled(driver) == [Warming]
