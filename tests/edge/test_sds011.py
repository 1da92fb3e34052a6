"""Nova SDS011 and SDS198 frames as real sensors sent them, and everything a line can do to them."""

from binascii import unhexlify

from edge.drivers import OverRange, Silent, Warming
from edge.drivers.frames import Parser
from edge.drivers.sds011 import Driver, command, decode, intact
from tests.edge.frames import SDS011, SDS011_ANSWERS, SDS011_BAD, SDS011_COMMANDS, SDS198
from tests.edge.streams import Line, sampled, withstand

FRAMES = [unhexlify(row[0]) for row in SDS011]
COMMANDS = {what: unhexlify(text) for text, what in SDS011_COMMANDS}
READ, PASSIVE, ACTIVE = [COMMANDS[name] for name in ("query data", "set query mode", "set active mode")]


def feeder(head):
    def fresh():
        finder = Parser({head: 10}, intact)
        return lambda data: [decode(frame) for frame in finder.feed(data)]

    return fresh


def test_captured_frames_decode_to_their_known_values():
    for text, pm25, pm10 in SDS011:
        values = sampled(Driver(Line(unhexlify(text)), {"warmup": 0}))[0]
        assert set(values) == {"pm25", "pm10"}
        assert abs(values["pm25"] - pm25) < 1e-4
        assert abs(values["pm10"] - pm10) < 1e-4


def test_an_sds198_measures_tsp():
    for text, tsp in SDS198:
        driver = Driver(Line(unhexlify(text)), {"model": "SDS198", "warmup": 0})
        assert driver.channels == ("tsp",)
        assert sampled(driver) == [{"tsp": tsp}]


def test_another_models_frames_are_no_frames():
    driver = Driver(Line(*[unhexlify(SDS198[0][0])] * 30), {"warmup": 0})
    assert sampled(driver) == [Silent]


def test_at_the_end_of_its_scale_neither_value_counts():
    # 999.9 and 1999.9; PM2.5 alone at its end; PM10 alone at its end.
    for text in ("aac00f271f4e5ac3c0ab", "aac00f27f0205ac363ab", "aac0e8031f4e5ac375ab"):
        assert sampled(Driver(Line(unhexlify(text)), {"warmup": 0})) == [OverRange], text


def test_it_warms_up_for_30_s_unless_told_otherwise():
    assert sampled(Driver(Line(*FRAMES), {})) == [Warming]


def test_of_several_answers_the_last_is_the_one_to_the_question():
    line = Line(answers={READ.hex(): FRAMES[0] + FRAMES[1]})
    assert sampled(Driver(line, {"mode": "passive", "warmup": 0})) == [decode(FRAMES[1])]


def test_invalid_frames_are_refused_and_counted():
    for text, _ in SDS011_BAD:
        driver = Driver(Line(unhexlify(text), FRAMES[3]), {"warmup": 0})
        got = [values for values in sampled(driver, 2) if values is not Silent]
        assert got == [decode(FRAMES[3])]
        assert driver.rejected == 1


def test_answers_to_commands_are_passed_over():
    answers = [unhexlify(text) for text, _ in SDS011_ANSWERS]
    driver = Driver(Line(*answers, FRAMES[0]), {"warmup": 0})
    assert sampled(driver) == [decode(FRAMES[0])]
    assert driver.rejected == 0


def test_whatever_a_line_does_to_frames():
    withstand(feeder(b"\xaa\xc0"), FRAMES, [decode(frame) for frame in FRAMES])
    withstand(feeder(b"\xaa\xcf"), [unhexlify(row[0]) for row in SDS198], [{"tsp": row[1]} for row in SDS198])


def test_commands_are_those_of_the_protocol():
    assert (command(4), command(2, 1, 1), command(2, 1, 0)) == (READ, PASSIVE, ACTIVE)
    # The printed ones mean device A160; ours mean any.
    for what, ours in (("sleep, device A160", Driver.SLEEP), ("wake, device A160", Driver.WAKE)):
        printed = COMMANDS[what]
        meant_for_any = printed[:15] + b"\xff\xff"
        assert ours == meant_for_any + bytes((sum(meant_for_any[2:]) & 0xFF, 0xAB))


def test_a_sensor_in_query_mode_is_asked_for_each_sample():
    line = Line(answers={READ.hex(): [FRAMES[0], FRAMES[1]]})
    driver = Driver(line, {"mode": "passive", "warmup": 0})
    assert not driver.PACED
    assert sampled(driver, 2) == [decode(frame) for frame in FRAMES[:2]]
    assert line.sent == [Driver.WAKE, PASSIVE, READ, READ]


def test_a_sensor_left_in_query_mode_by_another_board_reports_again():
    line = Line(answers={ACTIVE.hex(): FRAMES[0]})
    assert sampled(Driver(line, {"warmup": 0}), 2) == [Silent, decode(FRAMES[0])]
    assert line.sent == [Driver.WAKE, ACTIVE]
