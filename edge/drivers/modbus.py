"""Modbus RTU master: any sensor on RS-485 whose registers the configuration names (Modbus over Serial Line V1.02).

A request is `address, function, register, count, CRC`; the answer `address, function, byte count, data, CRC`, or
`address, function | 80H, exception, CRC`. CRC-16/MODBUS: FFFFH, polynomial A001H, low byte first.

Settings: `address` (1-247), `function` (3 holding, 4 input registers; default 3) and `registers`, a list of
`{"channel": "laf", "register": 0, "kind": "u16", "scale": 0.1}`; `kind` is u16, s16 or u32 (high word first), the value
is the raw number times `scale`. Registers that follow each other are read in one request. Example, a noise transmitter
of the usual kind: one register 0000H with the level times 10.
"""

from edge.drivers import Faulty, Silent

WORDS = {"u16": 1, "s16": 1, "u32": 2}
EXCEPTIONS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure", 6: "busy"}


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


def answer(buffer, address, function, count):
    """Look for the answer to a request in received bytes.

    Returns `(data, rest)`: the registers' bytes and what came behind, or `(None, buffer)` while it is not whole.
    Raises Faulty for an exception reply and ValueError for a whole answer that is not the right one.
    """
    if len(buffer) < 5:
        return None, buffer
    length = 5 if buffer[1] == function | 0x80 else 5 + 2 * count
    if len(buffer) < length:
        return None, buffer
    frame = buffer[:length]
    if sealed(frame[:-2]) != frame or frame[0] != address:
        raise ValueError("bad frame")
    if frame[1] == function | 0x80:
        raise Faulty("exception %d (%s)" % (frame[2], EXCEPTIONS.get(frame[2], "unknown")))
    if frame[1] != function or frame[2] != 2 * count:
        raise ValueError("answer to another request")
    return frame[3:-2], buffer[length:]


def runs(registers):
    """Group register entries that follow each other: `[(first register, number of words, entries), ...]`."""
    groups = []
    for entry in sorted(registers, key=lambda entry: entry["register"]):
        words = WORDS[entry.get("kind", "u16")]
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
        raw = 0
        for byte in data[at : at + 2 * WORDS[kind]]:
            raw = raw << 8 | byte
        if kind == "s16" and raw > 0x7FFF:
            raw -= 0x10000
        values[entry["channel"]] = raw * entry.get("scale", 1)
    return values


class Driver:
    """Asks one device on the bus."""

    PACED = False
    TIMEOUT = 0.5  # s for an answer; transmitters need about 0.1 s

    def __init__(self, port, settings):
        self._port = port
        self._address = settings["address"]
        self._function = settings.get("function", 3)
        self._runs = runs(settings["registers"])
        self.channels = tuple([entry["channel"] for entry in settings["registers"]])
        self.rejected = 0

    async def sample(self):
        """Read all registers; see the package for errors."""
        values = {}
        async with self._port.lock:  # one master on the bus, one question at a time
            for first, words, entries in self._runs:
                values.update(decode(await self._read(first, words), first, entries))
        return values

    async def _read(self, first, words):
        await self._port.send(request(self._address, self._function, first, words))
        buffer = b""
        while True:
            buffer += await self._port.receive(5 + 2 * words, self.TIMEOUT)
            try:
                data, _ = answer(buffer, self._address, self._function, words)
            except ValueError as error:
                self.rejected += 1
                self._port.distrust()
                raise Silent(str(error)) from None
            if data is not None:
                return data
