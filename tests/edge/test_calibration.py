"""A calibration corrects as its docstring says, under an id that can be trusted, whatever is sent or torn."""

import builtins
import io
import json

from edge.calibration import Calibration
from edge.drivers import NoSample
from tests.edge.helpers import raises, tmp_dir

FIRST = {"id": 3, "channels": {"pm10": {"gain": 1.5, "offset": -20}}}
SECOND = {"id": 14, "channels": {"pm10": {"gain": 1.25, "offset": 15}, "laf": {"points": [[94.5, 94.0]]}}}


def written(content):
    """Return the path of a calibration file with this content."""
    path = tmp_dir() + "/calibration.json"
    with open(path, "w") as file:
        json.dump(content, file)
    return path


def corrected(how, value, humidity=None):
    """Return what a sample of PM10 becomes by one channel's calibration."""
    calibration = Calibration(written({"id": 1, "channels": {"pm10": how}}))
    latest = {} if humidity is None else {"humidity": humidity}
    return calibration.correct({"pm10": value}, latest)["pm10"]


def near(a, b):
    return abs(a - b) < 1e-4


def test_without_a_file_it_is_id_0_and_corrects_nothing():
    calibration = Calibration(tmp_dir() + "/calibration.json")
    assert calibration.id == 0
    assert calibration.correct({"pm10": 80, "laf": 66.5}, {}) == {"pm10": 80, "laf": 66.5}


def test_gain_is_applied_before_offset_and_each_may_be_absent():
    assert corrected({"gain": 1.5, "offset": -20}, 80) == 100
    assert corrected({"gain": 1.5}, 80) == 120
    assert corrected({"offset": -20}, 80) == 60
    assert corrected({}, 80) == 80


def test_only_the_channels_it_names_are_corrected():
    calibration = Calibration(written(FIRST))
    assert calibration.correct({"pm10": 80, "pm25": 40}, {}) == {"pm10": 100, "pm25": 40}


def test_one_point_is_a_shift():
    for raw in (30, 94.5, 120):
        assert near(corrected({"points": [[94.5, 94.0]]}, raw), raw - 0.5)


def test_several_points_are_joined_by_lines_that_go_on_beyond_the_ends():
    points = [[0, 10], [100, 110], [200, 310]]
    for raw, true in ((-10, 0), (0, 10), (50, 60), (100, 110), (150, 210), (200, 310), (300, 510)):
        assert near(corrected({"points": points}, raw), true), raw


def test_humidity_takes_the_water_from_an_optical_reading():
    # 1 + (kappa / 1.65) * a / (1 - a) with kappa 0.33: at 50 % 1 + 0.2 * 1, at 80 % 1 + 0.2 * 4, at 95 % 1 + 0.2 * 19
    for humidity, raw in ((0, 100), (50, 120), (80, 180), (95, 480)):
        assert near(corrected({"kappa": 0.33}, raw, humidity), 100), humidity


def test_above_95_percent_nothing_passes_for_corrected():
    for humidity in (95.1, 96, 100, 104):
        value = corrected({"kappa": 0.33, "gain": 2, "offset": 1}, 480, humidity)
        assert value != value, humidity
    for how in ({"gain": 2}, {"kappa": 0, "gain": 2}):  # it is what the sensor says
        assert corrected(how, 480, 104) == corrected(how, 480) == 960


def test_without_a_humidity_nothing_passes_for_corrected():
    value = corrected({"kappa": 0.33}, 180)
    assert value != value


def test_first_humidity_then_points_then_gain_and_offset():
    how = {"kappa": 0.33, "points": [[0, 10], [100, 210]], "gain": 2, "offset": -20}
    assert near(corrected(how, 180, 80), 400)  # 180 -> 100 -> 210 -> 400


def test_a_replaced_calibration_is_in_force_at_once_and_after_a_restart():
    path = written(FIRST)
    calibration = Calibration(path)
    calibration.replace(SECOND)
    for each in (calibration, Calibration(path)):
        assert (each.id, each.channels) == (14, SECOND["channels"])
        assert each.correct({"pm10": 80, "laf": 94.5}, {}) == {"pm10": 115, "laf": 94.0}


def of(how, channel="pm10"):
    return {"id": 5, "channels": {channel: how}}


def not_refused(contents):
    """Return those of the contents that are not refused with a sentence, or that change anything."""
    path = written(FIRST)
    calibration = Calibration(path)
    wrong = []
    for content in contents:
        try:
            calibration.replace(content)
            wrong.append(("accepted", content))
            calibration.replace(FIRST)
        except ValueError as error:
            if " " not in str(error):
                wrong.append(("no sentence", content, str(error)))
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append((error.__class__.__name__, content))
        assert calibration.channels == Calibration(path).channels == FIRST["channels"], content
    return wrong


def test_content_without_a_proper_id_is_refused():
    contents = [{"id": id_, "channels": {}} for id_ in (None, "5", -1, 1.5, True, [5])]
    assert not_refused([{"channels": {}}] + contents) == []  # noqa: RUF005 (MicroPython)


def test_an_id_larger_than_the_contract_allows_is_refused():
    # The hub would put every record made under it into quarantine.
    assert not_refused([{"id": 2**53, "channels": {}}]) == []


def test_id_0_says_uncorrected_and_must_not_correct():
    assert not_refused([{"id": 0, "channels": {"pm10": {"gain": 2}}}]) == []


def test_content_of_another_shape_is_refused():
    contents = [{}, {"id": 5}, {"id": 5, "channels": []}, {"id": 5, "due": 2027, "channels": {}}, [], "x", None, 7]
    assert not_refused(contents + [of(how) for how in (None, 5, "gain", [])]) == []


def test_a_correction_that_is_unknown_or_no_number_is_refused():
    assert not_refused([of({"gian": 1}), of({"gain": "1"}), of({"offset": None}), of({"kappa": [1]})]) == []


def test_points_that_are_no_rising_pairs_of_numbers_are_refused():
    points = ([], 5, None, "ab", [1, 2], [[1]], [[1, 2, 3], [2, 3, 4]], [[2, 1], [1, 2]], [[1, 1], [1, 2]])
    assert not_refused([of({"points": value}) for value in points]) == []
    assert (
        not_refused([of({"points": [[1, "2"]]}), of({"points": [["1", 2]]}), of({"points": [[1, 2], ["2", 3]]})]) == []
    )


def test_a_correction_that_makes_no_finite_values_is_refused():
    # "inf" in a record is no JSON; a kappa below 0 divides by zero at some humidity.
    endless = [of({"gain": float("inf")}), of({"offset": float("nan")}), of({"points": [[1, float("inf")]]})]
    assert not_refused(endless) == []
    assert not_refused([of({"kappa": -0.1})]) == []


def test_a_channel_that_no_sensor_can_give_is_refused():
    assert not_refused([of({"gain": 1.1}, "pm_10")]) == []


class PowerCutError(Exception):
    """What ends a write half-way."""


class CutFile(io.IOBase):
    """A file that takes so many bytes and no more."""

    def __init__(self, file, room):
        self._file = file
        self._room = room

    def write(self, data):
        data = data.encode() if isinstance(data, str) else bytes(data)
        self._file.write(data[: self._room])
        if len(data) > self._room:
            self._file.close()
            raise PowerCutError
        self._room -= len(data)
        return len(data)

    def flush(self):
        pass

    def fileno(self):
        return self._file.fileno()

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def cut_after(room, function, *args):
    """Call the function; what it writes is cut after `room` bytes. Return whether it was cut."""
    real = builtins.open

    def opened(path, mode="r", **more):
        return real(path, mode, **more) if mode in ("r", "rb") else CutFile(real(path, mode[0] + "b"), room)

    builtins.open = opened
    try:
        function(*args)
    except (PowerCutError, OSError):  # MicroPython's json.dump knows only OSError
        return True
    finally:
        builtins.open = real
    return False


def test_a_power_cut_while_it_is_replaced_leaves_the_old_one_or_the_new_one():
    room = 0
    cut = True
    broken = []
    while cut:
        path = written(FIRST)
        cut = cut_after(room, Calibration(path).replace, SECOND)
        try:
            found = Calibration(path)
            if (found.id, found.channels) not in ((3, FIRST["channels"]), (14, SECOND["channels"])):
                broken.append((room, found.id, found.channels))
        except Exception as error:  # noqa: BLE001 - told below
            broken.append((room, error.__class__.__name__))
        room += 1
    assert room > 60
    assert broken == []


def test_a_full_flash_leaves_the_calibration_in_force():
    path = written(FIRST)
    calibration = Calibration(path)
    assert cut_after(20, calibration.replace, SECOND)
    assert (calibration.id, calibration.channels) == (3, FIRST["channels"])
    again = Calibration(path)
    assert (again.id, again.channels) == (3, FIRST["channels"])


def told_or_whole(path):
    """Return what is wrong: a damaged file must not stop the board, nor pass as uncalibrated, nor as half of itself."""
    try:
        found = Calibration(path)
    except Exception as error:  # noqa: BLE001 - told below
        return "the board does not start: %s" % error.__class__.__name__
    if (found.id, found.channels) == (14, SECOND["channels"]):
        return None
    try:
        found.correct({"pm10": 80}, {})
    except NoSample:
        return None  # flagged in every record
    return "in force without a word: id %s %s" % (found.id, found.channels)


def test_a_damaged_file_is_never_silently_something_else():
    path = written(SECOND)
    with open(path, "rb") as file:
        content = file.read()
    wrong = []
    for cut in range(len(content)):
        with open(path, "wb") as file:
            file.write(content[:cut])
        problem = told_or_whole(path)
        if problem:
            wrong.append((cut, problem))
    for damaged in (b"[]", b"{}", b'{"id":14}', bytes(60), b"\xff" * 60):
        with open(path, "wb") as file:
            file.write(damaged)
        problem = told_or_whole(path)
        if problem:
            wrong.append((damaged[:9], problem))
    assert wrong == []


def test_a_damaged_file_is_mended_by_the_next_calibration():
    path = written(FIRST)
    with open(path, "wb") as file:
        file.write(b'{"id": 3, "ch')
    calibration = Calibration(path)
    raises(NoSample, calibration.correct, {"pm10": 80}, {})
    calibration.replace(SECOND)
    assert calibration.correct({"pm10": 80}, {}) == {"pm10": 115}
