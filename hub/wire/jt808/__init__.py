"""JT/T 808, by which vehicles' terminals report in China: the codec for the editions of 2011, 2013 and 2019.

Pure: bytes in, values out; it needs nothing else of this project and no library.

    for piece in Splitter().feed(data):                  # a stream into frames
        frame = read(piece.raw)                          # what it says, and every fault by its clause
        for fix in frame.content.positions: ...          # of 0200, 0201 and 0704
    build(Header(0x8001, phone="013800000000", serial=7), Content.make(0x8001, serial=7, message=0x0200, result=0))

What is read is written again with the same bytes, whatever it is. Sources: JT/T 808-2013 (read), 2011 and 2019
(secondary: public implementations); each table says how well it is verified.
"""

from hub.wire.jt808.bodies import Content, Parameter
from hub.wire.jt808.faults import FAULTS, Fault
from hub.wire.jt808.frame import Frame, Header, Plain, build, escape, parts, read, read_plain
from hub.wire.jt808.position import Item, Position
from hub.wire.jt808.stream import Joiner, Piece, Splitter

__all__ = [
    "FAULTS",
    "Content",
    "Fault",
    "Frame",
    "Header",
    "Item",
    "Joiner",
    "Parameter",
    "Piece",
    "Plain",
    "Position",
    "Splitter",
    "build",
    "escape",
    "parts",
    "read",
    "read_plain",
]
