"""Modbus RTU master: any sensor on RS-485 whose registers the configuration names (Modbus over Serial Line V1.02).

A request is `address, function, register, count, CRC`; the answer `address, function, byte count, data, CRC`, or
`address, function | 80H, exception, CRC`. CRC-16/MODBUS: FFFFH, polynomial A001H, low byte first. An answer does not
say which register it is of: see `Driver._read` for what becomes of one that comes too late.

Settings: `address` (1-247), `function` (3 holding, 4 input registers; default 3) and `registers`, a list of
`{"channel": "laf", "register": 0, "kind": "u16", "scale": 0.1}`; `kind` is u16, s16, u32, s32 or f32 (IEEE 754; all
with the high word first), the value is the raw number times `scale`. A register may have, too:

- `range`: `[30, 130]`, the ends of the instrument's scale in the channel's unit. At the upper end and above a sample is
  flagged T, below the lower end by more than 5 % of the scale D.
- `missing`: `[9999]`, raw numbers by which the device says that it has no value. All bits set of a u16 or u32, and the
  ends of an s16 or s32, mean that always.

Registers that follow each other are read in one request. Example, a noise transmitter of the usual kind: one register
0000H with the level times 10.
"""

from struct import unpack

from edge.drivers import Faulty, Silent, late
from edge.monotonic import ticks_ms

KINDS = ("u16", "s16", "u32", "s32", "f32")
EXCEPTIONS = "function|data address|data value|device failure||busy"  # 1 to 6; one text is less heap than a dict
MOST = 256  # bytes of a frame

_owed = set()  # (port, address) of devices that may still answer a question nobody waits for


def crc16(data):
    """Return the CRC-16/MODBUS of `data`."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def sealed(body):
    """Return `body` with its CRC behind it."""
    crc = crc16(body)
    return body + bytes((crc & 0xFF, crc >> 8))


def request(address, function, register, count):
    """Return the frame that reads `count` registers."""
    return sealed(bytes((address, function, register >> 8, register & 0xFF, count >> 8, count & 0xFF)))


def frames(buffer):
    """Find whole answers in received bytes, of whatever device, with whatever between them.

    Returns `(frames, rest)`: the frames without their CRC, and the bytes in which another one may have begun.
    """
    found = []
    at = 0
    while at + 5 <= len(buffer):
        length = 5 if buffer[at + 1] & 0x80 else 5 + buffer[at + 2]
        frame = buffer[at : at + length]
        if len(frame) == length and buffer[at + 1] & 0x7F in (3, 4) and sealed(frame[:-2]) == frame:
            found.append(frame[:-2])
            buffer = buffer[at + length :]
            at = 0
        else:
            at += 1
    return found, buffer[-MOST:]


def answer(frame, address, function, count):
    """Return the registers' bytes of the answer to a request.

    Raises Faulty for an exception reply, and ValueError for an answer to another request, with what it is.
    """
    if frame[0] == address and frame[1] == function | 0x80:
        raise Faulty("exception %d (%s)" % (frame[2], (EXCEPTIONS.split("|") + [""] * 256)[frame[2] - 1]))
    got, expected = (frame[0], frame[1] & 0x7F, frame[2]), (address, function, 2 * count)
    if got != expected:
        raise ValueError("an answer of address, function, bytes %s, expected %s" % (got, expected))
    return frame[3:]


def width(entry):
    """Return how many registers an entry takes."""
    return int(entry.get("kind", "u16")[1:]) // 16


def runs(registers):
    """Group register entries that follow each other: `[(first register, number of words, entries), ...]`."""
    groups = []
    for entry in sorted(registers, key=lambda entry: entry["register"]):
        words = width(entry)
        if groups and groups[-1][0] + groups[-1][1] == entry["register"]:
            first, length, entries = groups.pop()
            groups.append((first, length + words, entries + [entry]))
        else:
            groups.append((entry["register"], words, [entry]))
    return groups


def decode(data, first, entries):
    """Return `{channel: value}` of the bytes of a run of registers that begins at register `first`."""
    values = {}
    for entry in entries:
        kind = entry.get("kind", "u16")
        at = 2 * (entry["register"] - first)
        held = data[at : at + 2 * width(entry)]
        (raw,) = unpack(">" + "HhIif"[KINDS.index(kind)], held)
        value = raw * entry.get("scale", 1)
        ends = 1 << 8 * len(held) - 1  # the lowest number with a sign, without it
        nothing = {"u": (2 * ends - 1,), "s": (ends - 1, -ends), "f": ()}[kind[0]]
        if raw in nothing or raw in entry.get("missing", ()):
            value = float("nan")
        elif "range" in entry:
            low, high = entry["range"]
            if value < low - 0.05 * (high - low):
                value = float("nan")
        values[entry["channel"]] = value
    return values


class Driver:
    """Asks one device on the bus."""

    PACED = False
    TIMEOUT = 0.5  # s for an answer; transmitters need about 0.1 s

    def __init__(self, port, settings):
        self._port = port
        self._address = settings["address"]
        self._function = settings.get("function", 3)
        registers = settings["registers"]
        self._runs = runs(registers)
        self.channels = tuple([entry["channel"] for entry in registers])
        self.ends = {entry["channel"]: entry["range"][1] for entry in registers if "range" in entry}
        self.rejected = 0

    async def sample(self):
        """Read all registers; see the package for errors."""
        values = {}
        async with self._port.lock:  # one master on the bus, one question at a time
            for first, words, entries in self._runs:
                values.update(decode(await self._read(first, words), first, entries))
        return values

    async def _read(self, first, words):
        """Ask, and return the registers' bytes.

        A device answers in the order of the questions. After one that it did not answer in time, the next answer may
        still be to that one: then the line is listened to until it is quiet, and the last answer is the right one.
        """
        question = request(self._address, self._function, first, words)
        who = (self._port, self._address)
        owed = who in _owed
        self._port.distrust()
        await self._port.send(question)
        buffer = b""
        heard = 0
        data = wrong = None
        began = ticks_ms()
        while heard < 2 * MOST and (data is None or owed) and not late(began):
            try:
                received = await self._port.receive(MOST, self.TIMEOUT)
            except Silent as silence:
                if data is not None:
                    break
                if wrong is None:
                    wrong = silence if not buffer.replace(question, b"") else Silent("bad frame")
                    self.rejected += wrong is not silence
                _owed.add(who)
                raise wrong from None
            heard += len(received)
            found, buffer = frames(buffer + received)
            for frame in found:
                try:
                    data = answer(frame, self._address, self._function, words)
                except Faulty as error:
                    data = error
                except ValueError as error:
                    self.rejected += 1
                    wrong = Silent(str(error))
        if data is None:
            raise wrong or Silent("no answer in %d bytes" % heard)
        _owed.discard(who)
        if isinstance(data, Faulty):
            raise data
        return data
