"""Ultrasonic distance: the frame of the maker's page (P), others constructed after it, and what a line does to them."""

from edge.drivers import Faulty, Silent, make
from edge.drivers.a02yyuw import Driver, intact
from edge.drivers.frames import Parser
from tests.edge.helpers import raises
from tests.edge.streams import Line, sampled

PRINTED = b"\xff\x07\xa1\xa7"  # wiki.dfrobot.com, SEN0311: 1953 mm (P)
BIN = {"empty_mm": 1180, "full_mm": 320}


def frame(distance):
    head = bytes((0xFF, distance >> 8, distance & 0xFF))
    return head + bytes((sum(head) & 0xFF,))


def heard(distance, settings):
    """Return what a driver makes of a report that comes after it has asked."""
    return sampled(Driver(Line(answers={"": frame(distance)}), settings))[0]


def why(distance):
    try:
        Driver(None, {})._range.values(distance)
    except Faulty as error:
        return str(error)
    raise AssertionError("not refused")


def test_the_makers_frame():
    assert frame(1953) == PRINTED
    assert sampled(Driver(Line(answers={"": PRINTED}), {})) == [{"distance": 1953}]


def test_a_calibrated_bin_has_a_fill_level():
    assert Driver(None, {}).channels == ("distance",)
    assert Driver(None, BIN).channels == ("distance", "fill")
    assert heard(750, BIN) == {"distance": 750, "fill": 50}
    assert heard(1180, BIN)["fill"] == 0
    assert heard(1500, BIN)["fill"] == 0
    assert heard(320, BIN)["fill"] == 100
    assert heard(100, BIN)["fill"] == 100


def test_what_lies_outside_its_range_is_no_distance_and_no_level():
    assert heard(31, BIN)["distance"] == 31
    assert heard(4500, BIN)["distance"] == 4500
    for distance in (0, 29, 30, 4501, 9999, 0xFEFF):
        assert heard(distance, BIN) is Faulty, distance
    assert why(30) == "30 mm: in the blind zone of 30 mm, or no echo"
    assert why(9999) == "9999 mm: no echo within 4500 mm"
    assert Faulty.flag == "D"


def test_only_what_came_after_the_question_counts():
    line = Line(frame(500), frame(600), answers={"": [frame(700), frame(800) + frame(900)]})
    assert [one["distance"] for one in sampled(Driver(line, {}), 2)] == [700, 900]


def test_a_line_that_says_nothing_or_nonsense_is_silent():
    assert sampled(Driver(Line(), {})) == [Silent]
    assert sampled(Driver(Line(answers={"": b"\x00" * 300}), {})) == [Silent]


def test_a_report_in_two_pieces_after_a_damaged_one():
    class Slow(Line):
        """A line that gives four pieces after the question."""

        async def send(self, data):
            await super().send(data)
            self.pieces = [b"\xa1\xa7" + frame(640)[:3], b"\x00", PRINTED[:1], PRINTED[1:]]

    driver = Driver(Slow(), BIN)
    assert sampled(driver) == [{"distance": 1953, "fill": 0}]
    assert driver.rejected >= 1


def test_whatever_the_line_does_no_other_distance_is_heard():
    def feeder():
        parser = Parser({b"\xff": 4}, intact)
        return lambda data: [one[1] << 8 | one[2] for one in parser.feed(data)]

    def damaged(data, true):
        found = feeder()(data)
        assert set(found) <= set(true), (data, found)
        assert true[-1] in found, (data, found)

    distances = [750, 511, 1953, 2815]
    frames = [frame(distance) for distance in distances]
    withstand_pieces(feeder, b"".join(frames), distances)
    rest = b"".join(frames[1:])
    for at in range(4):
        damaged(frames[0][:at] + frames[0][at + 1 :] + rest, distances)
        damaged(frames[0][at:] + rest, distances)
        for bit in range(8):
            damaged(frames[0][:at] + bytes((frames[0][at] ^ 1 << bit,)) + frames[0][at + 1 :] + rest, distances)
    # Heard from any byte on, one that stays the same is never another: not even 511 mm, in which FF stands three times.
    for distance in range(31, 4501):
        for begin in range(4):
            assert set(feeder()((frame(distance) * 3)[begin:])) == {distance}


def withstand_pieces(feeder, stream, distances):
    for size in range(1, len(stream)):
        feed = feeder()
        got = []
        for start in range(0, len(stream), size):
            got += feed(stream[start : start + size])
        assert got == distances, size


def test_settings_that_fit_no_bin_are_refused_with_their_names():
    plain = {"name": "bin", "type": "a02yyuw", "port": "uart:1:9600:rx=16:tx=17"}
    assert make(plain, None).channels == ("distance",)
    for empty, full, told in (
        (1180, None, "full_mm None: expected both empty_mm and full_mm, in mm, more than 30 and at most 4500"),
        (None, 320, "empty_mm None: expected both"),
        (1180, 30, "full_mm 30: expected both"),
        (9000, 320, "empty_mm 9000: expected both"),
        ("x", 320, "empty_mm x: expected both"),
        (1180, True, "full_mm True: expected both"),
        (1180, 1180, "full_mm 1180: expected less than empty_mm, 1180"),
    ):
        error = str(raises(ValueError, make, dict(plain, empty_mm=empty, full_mm=full), None))
        assert error.startswith("sensor 'bin': " + told), error
