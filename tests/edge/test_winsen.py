"""Winsen's dust sensors: the manual's frames, in both modes, and everything a line can do to them."""

from binascii import unhexlify

from edge.drivers import Silent
from edge.drivers.frames import Parser
from edge.drivers.winsen import LENGTHS, Driver, command, decode, intact
from tests.edge.frames import PMS3003, WINSEN, WINSEN_ANSWERS, WINSEN_BAD, WINSEN_COMMANDS
from tests.edge.streams import Line, sampled, withstand

FRAMES = [unhexlify(row[0]) for row in WINSEN]
VALUES = [{"pm1": pm1, "pm25": pm25, "pm10": pm10} for _, pm1, pm25, pm10 in WINSEN]
READ, PASSIVE, ACTIVE, SLEEP = [unhexlify(text) for text, _ in WINSEN_COMMANDS]


def fresh():
    finder = Parser(LENGTHS, intact)
    return lambda data: [decode(frame) for frame in finder.feed(data)]


def test_the_manuals_frames_decode_to_their_known_values():
    assert sampled(Driver(Line(*FRAMES), {"warmup": 0}), 3) == VALUES


def test_a_zh03bs_short_frames_are_taken_too():
    text, _, (pm1, pm25, pm10) = PMS3003[1]
    assert sampled(Driver(Line(unhexlify(text)), {"warmup": 0})) == [{"pm1": pm1, "pm25": pm25, "pm10": pm10}]


def test_an_invalid_frame_is_refused_and_counted():
    driver = Driver(Line(unhexlify(WINSEN_BAD[0][0]), FRAMES[1]), {"warmup": 0})
    assert sampled(driver, 2) == [Silent, VALUES[1]]
    assert driver.rejected == 1


def test_answers_to_commands_are_passed_over():
    driver = Driver(Line(unhexlify(WINSEN_ANSWERS[0][0]) + FRAMES[0]), {"warmup": 0})
    assert sampled(driver) == VALUES[:1]
    assert driver.rejected == 0


def test_whatever_a_line_does_to_frames():
    for order in ((0, 1, 2, 1), (1, 2, 0, 2), (2, 1, 1, 0)):
        withstand(fresh, [FRAMES[n] for n in order], [VALUES[n] for n in order])


def test_commands_are_those_of_the_manual():
    assert [command(0x86), command(0x78, 0x41), command(0x78, 0x40), command(0xA7, 1)] == [READ, PASSIVE, ACTIVE, SLEEP]
    assert command(0xA7, 0) == unhexlify("ff01a7000000000058")


def test_in_question_and_answer_mode_each_sample_is_asked_for():
    line = Line(answers={READ.hex(): [FRAMES[1], FRAMES[2]]})
    driver = Driver(line, {"mode": "passive", "warmup": 0})
    assert not driver.PACED
    assert sampled(driver, 2) == VALUES[1:]
    assert line.sent == [Driver.WAKE, PASSIVE, READ, READ]
