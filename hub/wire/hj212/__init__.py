"""HJ 212, by which China's monitoring stations report: the codec for the editions of 2005, 2017 and 2025.

Pure: bytes in, values out; it needs nothing else of this project, and `cryptography` for encrypted frames alone.

    for piece in Splitter().feed(data):              # a stream into frames
        frame = read(piece.raw)                      # what it says, and every fault by its clause
        for reading in readings(frame.packet): ...   # values with kind, unit and letter
    build(Packet.make("", QN=..., ST="91", CN="9014", PW=..., MN=..., Flag="4"))

Sources: HJ 212-2017 (read), HJ 212-2025 and HJ/T 212-2005 (secondary); each table says how well it is verified.
"""

from hub.wire.hj212.crc import crc, crc_modbus
from hub.wire.hj212.faults import FAULTS, Fault
from hub.wire.hj212.frame import END, Frame, Plain, build, opened, parts, read, read_packet
from hub.wire.hj212.packet import Item, Packet
from hub.wire.hj212.readings import Reading, readings, time_of
from hub.wire.hj212.secret import UnreadableError
from hub.wire.hj212.stream import Joiner, Piece, Splitter

__all__ = [
    "END",
    "FAULTS",
    "Fault",
    "Frame",
    "Item",
    "Joiner",
    "Packet",
    "Piece",
    "Plain",
    "Reading",
    "Splitter",
    "UnreadableError",
    "build",
    "crc",
    "crc_modbus",
    "opened",
    "parts",
    "read",
    "read_packet",
    "readings",
    "time_of",
]
