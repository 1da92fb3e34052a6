"""Corrects samples by the board's calibration, a file that says under which id records are made.

`calibration.json`, for example:

    {"id": 3, "due": "2027-05-01",
     "channels": {"pm10": {"gain": 1.08, "offset": -2}, "laf": {"points": [[94.6, 94.0]]}}}

For each channel, in this order: `kappa` (humidity correction of optical dust sensors by kappa-Koehler theory, Crilley
2018 [U]; needs a `humidity` channel: without one of the last minutes, or above 95 %, there is no value; 0 says that the
inlet dries the air), `points` (pairs of raw and true value with straight lines between them, which go on beyond the
ends; a single pair is a shift), `gain` and `offset` (gain * raw + offset).
"""

import json

from edge import drivers, files
from edge.borrow import borrow
from edge.journal import log

DRIEST_DENSITY = 1.65  # g/cm3, of dry particles
MOST_HUMID = 95  # %: above, an error of 1 % changes the result by a fifth and more, and fog is no dust


def dry(value, kappa, humidity):
    """Return the dry mass concentration of what an optical sensor saw at a relative humidity in %; NaN: too humid."""
    if humidity > MOST_HUMID:
        return float("nan")
    activity = humidity / 100
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


def check(content):
    """Raise ValueError with what is wrong with a calibration's content."""
    wrong = borrow("checks").calibration(content)
    if wrong:
        raise ValueError(wrong)


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
                check(content)
                self._use(content)
        except ValueError as error:
            self.damaged = True
            log("calibration: %s; calibrate again" % error)

    def replace(self, content):
        """Put a newer calibration in force and keep it; raise ValueError with the reason if it is not one.

        Ids rise: records say by the id alone how they were corrected, and an older one may be played back.
        """
        from edge.rising import limit

        check(content)
        if not self.id < content["id"] <= limit(self.id):
            told = (content["id"], self.id, limit(self.id))
            raise ValueError("id: %d; expected one above %d, which is in force, and at most %d" % told)
        files.replace(self._path, json.dumps(content))
        self.damaged = False
        self._use(content)

    def correct(self, values, latest):
        """Return a sample's values corrected; `latest` are the last corrected values of all channels.

        One that cannot be corrected is NaN: it must not pass for a corrected one.
        """
        if self.damaged:
            raise drivers.Faulty("calibration damaged")
        if not self.channels:
            return values
        return {channel: self._correct(channel, values[channel], latest) for channel in values}

    def _correct(self, channel, value, latest):
        how = self.channels.get(channel)
        if how is None:
            return value
        if how.get("kappa"):
            humidity = latest.get("humidity")
            if humidity is None:
                return float("nan")
            value = dry(value, how["kappa"], humidity)
        if "points" in how:
            value = through(how["points"], value)
        return how.get("gain", 1) * value + how.get("offset", 0)

    def _use(self, content):
        self.id = content["id"]
        self.due = content.get("due", "")
        self.channels = content["channels"]
