"""What the hub says to stations: acknowledgements, the time, and questions. Pure: values in, frames out."""

from typing import Literal, NamedTuple

from hub.wire.hj212 import END, Packet, build, crc, crc_modbus
from hub.wire.hj212.frame import Checksum
from hub.wire.station import local_text

HUB = "91"
"""ST of the hub's answers: system interaction."""
VERSION = ~3
"""The bits of Flag that name the edition; of the others 1 wants an answer and 2 says that there are parts."""
WITHOUT_FLAG = 0


class Manner(NamedTuple):
    """How a station speaks, and so is spoken to."""

    mn: str
    st: str
    pw: str
    flag: int
    checksum: Literal["standard", "modbus"]
    waits: bool
    """To hear that its data have come; without Flag (2005) it may."""

    @classmethod
    def of(cls, packet: Packet, crc: Checksum) -> "Manner":
        """Return how the sender of a packet speaks."""
        st, pw, mn = (packet.field(name) or "" for name in ("ST", "PW", "MN"))
        flag = flag_of(packet)
        waits = flag is None or bool(flag & 1)
        return cls(mn, st, pw, (flag or WITHOUT_FLAG) & VERSION, "modbus" if crc == "modbus" else "standard", waits)


def flag_of(packet: Packet) -> int | None:
    """Return a packet's Flag; None: it has none that is a number."""
    flag = packet.field("Flag")
    return int(flag) if flag and flag.isascii() and flag.isdigit() and len(flag) < 4 else None


def answer(packet: Packet, manner: Manner, cn: str = "9014") -> bytes:
    """Return the answer to an exchange of the station's: 9014 to data, 9013 to a notice."""
    qn = packet.field("QN")
    exchange = "" if qn is None else f"QN={qn};"
    text = f"{exchange}ST={HUB};CN={cn};PW={manner.pw};MN={manner.mn};Flag={manner.flag};CP=&&&&"
    segment = text.encode(packet.encoding)
    value = crc_modbus(segment) if manner.checksum == "modbus" else crc(segment)
    return b"##%04d%b%04X%b" % (len(segment), segment, value, END)


def question(cn: str, data: str, manner: Manner, now: float, utc: int) -> tuple[str, bytes]:
    """Return a request of the hub's, or an order, and its QN."""
    qn = f"{local_text(now, utc)}{int(now * 1000) % 1000:03d}"
    fields = {"QN": qn, "ST": manner.st, "CN": cn, "PW": manner.pw, "MN": manner.mn, "Flag": str(manner.flag | 1)}
    return qn, _frame(data, fields, manner)


def set_time(manner: Manner, now: float, utc: int) -> tuple[str, bytes]:
    """Return the order that sets a station's clock, and its QN."""
    return question("1012", f"SystemTime={local_text(now, utc)}", manner, now, utc)


def _frame(data: str, fields: dict[str, str], manner: Manner) -> bytes:
    # What a station sent as its number may hold anything; it hears it again in its own words.
    return build(Packet.make(data, **fields), manner.checksum) + END
