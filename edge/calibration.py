"""Corrects samples by the board's calibration, a file that says under which id records are made.

`calibration.json`, for example:

    {"id": 3, "due": "2027-05-01",
     "channels": {"pm10": {"gain": 1.08, "offset": -2}, "laf": {"points": [[94.6, 94.0]]}}}

For each channel, in this order: `kappa` (humidity correction of optical dust sensors by kappa-Koehler theory, Crilley
2018 [U]; needs a `humidity` channel), `points` (pairs of raw and true value with straight lines between them, which go
on beyond the ends; a single pair is a shift), `gain` and `offset` (gain * raw + offset).
"""

import json

from edge import drivers, files
from edge.journal import log
from edge.quantities import QUANTITIES

DRIEST_DENSITY = 1.65  # g/cm3, of dry particles
MOST_HUMID = 95  # %: above, the correction would grow without bounds


def dry(value, kappa, humidity):
    """Return the dry mass concentration of what an optical sensor saw at a relative humidity in %."""
    activity = min(humidity, MOST_HUMID) / 100
    return value / (1 + (kappa / DRIEST_DENSITY) * activity / (1 - activity))


def through(points, value):
    """Return the true value for a raw one by straight lines through `points`, sorted by raw value."""
    if len(points) == 1:
        return value + points[0][1] - points[0][0]
    i = 1
    while i < len(points) - 1 and value > points[i][0]:
        i += 1
    (x0, y0), (x1, y1) = points[i - 1], points[i]
    return y0 + (value - x0) * (y1 - y0) / (x1 - x0)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9  # NaN is not


def _are_points(value):
    if not isinstance(value, list) or not value:
        return False
    for point in value:
        if not isinstance(point, list) or len(point) != 2 or not _is_number(point[0]) or not _is_number(point[1]):
            return False
    raw = [point[0] for point in value]
    return raw == sorted(set(raw))


def problem(content):
    """Return what is wrong with a calibration's content, as a sentence, or None."""
    if not isinstance(content, dict):
        return "calibration: expected an object"
    id_ = content.get("id")
    if not isinstance(id_, int) or isinstance(id_, bool) or not 0 <= id_ < 1 << 53:
        return "id: expected a whole number, 0 or more"
    if not isinstance(content.get("due", ""), str):
        return "due: expected the date of the next calibration, YYYY-MM-DD"
    if not isinstance(content.get("channels"), dict):
        return "channels: expected an object"
    if id_ == 0 and content["channels"]:
        return "id: 0 says that nothing is corrected; expected 1 or more"
    known = [channel for sources, _, _ in QUANTITIES.values() for channel in sources]
    for channel, how in content["channels"].items():
        if channel not in known:
            return "%s: no sensor gives this channel" % channel
        wrong = _wrong_correction(how)
        if wrong:
            return "%s: %s" % (channel, wrong)
    return None


def _wrong_correction(how):
    if not isinstance(how, dict):
        return "expected an object"
    for key, value in how.items():
        if key == "points":
            if not _are_points(value):
                return "points: expected pairs of numbers with rising raw values"
        elif key not in ("gain", "offset", "kappa") or not _is_number(value) or (key == "kappa" and value < 0):
            return "%s: expected a number, as gain, offset or kappa (0 or more), or points" % key
    return None


class Calibration:
    """The calibration in force; without a file, id 0, which corrects nothing."""

    def __init__(self, path):
        self._path = path
        self.id = 0
        self.due = ""
        self.channels = {}
        self.damaged = False  # then samples count as faulty until the next calibration
        try:
            text = files.read(path)
            if text is not None:
                content = json.loads(text)
                wrong = problem(content)
                if wrong:
                    raise ValueError(wrong)
                self._use(content)
        except ValueError as error:
            self.damaged = True
            log("calibration: %s; calibrate again" % error)

    def replace(self, content):
        """Put another calibration in force and keep it; raise ValueError with the reason if it is not one."""
        wrong = problem(content)
        if wrong:
            raise ValueError(wrong)
        if content["id"] == self.id and content["channels"] != self.channels:
            raise ValueError("id: %d is in force and means something else; expected another" % self.id)
        files.replace(self._path, json.dumps(content))
        self.damaged = False
        self._use(content)

    def correct(self, values, latest):
        """Return a sample's values corrected; `latest` are the last corrected values of all channels."""
        if self.damaged:
            raise drivers.Faulty("calibration damaged")
        if not self.channels:
            return values
        return {channel: self._correct(channel, values[channel], latest) for channel in values}

    def _correct(self, channel, value, latest):
        how = self.channels.get(channel)
        if how is None:
            return value
        humidity = latest.get("humidity")
        if "kappa" in how and humidity is not None:
            value = dry(value, how["kappa"], humidity)
        if "points" in how:
            value = through(how["points"], value)
        return how.get("gain", 1) * value + how.get("offset", 0)

    def _use(self, content):
        self.id = content["id"]
        self.due = content.get("due", "")
        self.channels = content["channels"]
