"""Plantower PMS5003, 7003, A003, 3003, 5003T, 5003ST: dust by light scattering (PMS7003 manual V2.5, appendix).

9600 8N1. A report is `42 4D`, its length in bytes from here on, words, and the sum of all bytes before; all words
big-endian. Words 1-3 are PM1, PM2.5 and PM10 in ug/m3 with CF=1, words 4-6 the same "under atmospheric environment".
The manual wants CF=1 in factories; outdoors the atmospheric words are the usual ones. A PMS3003 sends 9 words, the
others 13, a PMS5003ST 17. A PMS5003T has in words 11 and 12 tenths of a degree (signed) and tenths of a percent, a
PMS5003ST in words 14 and 15 (its formaldehyde, word 13, is not taken): of the air in its own housing, which laser and
fan warm. Give it `model` "PMSx003", which takes reports of all three lengths, to leave these two out.

A command is `42 4D`, number, two bytes of data, sum. The sensor answers some (`42 4D 00 04 ...`); nobody waits for it.

Settings: `model` ("PMSx003", default; "PMS3003"; "PMS5003T"; "PMS5003ST"), `cf1` (true: report words 1-3), `mode` and
`warmup` as in `edge.drivers.frames`: in the first 30 s the fan has not settled (unverified).
"""

from edge.drivers.frames import FrameDriver, Parser, model

# name: (lengths that reports give themselves, word with the temperature, before that with the humidity; 0: none)
MODELS = {
    "PMSx003": (b"\x1c\x14\x24", 0),
    "PMS3003": (b"\x14", 0),
    "PMS5003T": (b"\x1c", 11),
    "PMS5003ST": (b"\x24", 14),
}


def intact(frame):
    """Return whether a frame's last word is the sum of the bytes before it."""
    return sum(frame[:-2]) == (frame[-2] << 8) | frame[-1]


def word(frame, number):
    """Return word `number` of a frame; the first after the length is 1."""
    return (frame[2 + 2 * number] << 8) | frame[3 + 2 * number]


def masses(frame, cf1=False):
    """Return `{"pm1", "pm25", "pm10"}` in ug/m3 of a report."""
    first = 1 if cf1 else 4
    return {"pm1": word(frame, first), "pm25": word(frame, first + 1), "pm10": word(frame, first + 2)}


def climate(frame, first=11):
    """Return `{"temperature", "humidity"}` in degrees Celsius and %, which stand from word `first` on."""
    tenths = word(frame, first)
    if tenths > 0x7FFF:
        tenths -= 0x10000
    return {"temperature": tenths / 10, "humidity": word(frame, first + 1) / 10}


def command(number, data):
    """Return the frame of a command."""
    body = bytes((0x42, 0x4D, number, 0, data))
    return body + bytes((sum(body) >> 8, sum(body) & 0xFF))


class Driver(FrameDriver):
    """Waits for the sensor's reports, or asks for them."""

    READ = command(0xE2, 0)
    PASSIVE = command(0xE1, 0)
    ACTIVE = command(0xE1, 1)
    SLEEP = command(0xE4, 0)
    WAKE = command(0xE4, 1)

    channels = ("pm1", "pm25", "pm10")  # type: tuple

    def __init__(self, port, settings):
        lengths, self._climate = model(settings, MODELS, "PMSx003")
        heads = {b"\x42\x4d\x00" + bytes((length,)): 4 + length for length in lengths}
        super().__init__(port, settings, Parser(heads, intact))
        self._cf1 = settings.get("cf1", False)
        if self._climate:
            self.channels += ("temperature", "humidity")

    def decode(self, frame):
        """Return the values of a report."""
        values = masses(frame, self._cf1)
        if self._climate:
            values.update(climate(frame, self._climate))
        return values
