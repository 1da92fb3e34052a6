"""The two checksums that stations put behind a frame: the standard's own, and the one that it is taken for."""

import struct
from functools import cache

_TABLE = []
for _byte in range(256):
    _reg = _byte
    for _ in range(8):
        _reg = _reg >> 1 ^ (0xA001 if _reg & 1 else 0)
    _TABLE.append(_reg)


@cache
def _of_pairs() -> bytes:
    """Return the high byte of the register behind two bytes, by their number and the high byte before them, as one."""
    pairs = bytearray(65_536)
    for first in range(256):
        between = _TABLE[first] >> 8
        for second in range(256):
            pairs[second << 8 | first] = _TABLE[between ^ second] >> 8
    return bytes(pairs)


def crc(segment: bytes) -> int:
    """Return the checksum of HJ 212 over a data segment, 0 to 0xFFFF (HJ 212-2017, appendix A).

    Its register is shifted by eight bits before each byte, so only 256 values exist, all with the low byte 00, 01, 40,
    41, 80, 81, C0 or C1; 0000 is one of them.
    """
    # Only the high byte survives a step, so two steps are one look into a table.
    high, pairs, end = 0xFF, _of_pairs(), (len(segment) - 1) // 2 * 2
    if not segment:
        return 0xFFFF
    for pair in struct.unpack(f"<{end // 2}H", segment[:end]):
        high = pairs[high ^ pair]
    reg = high << 8
    for byte in segment[end:]:
        reg = _TABLE[reg >> 8 ^ byte]
    return reg


def crc_modbus(segment: bytes) -> int:
    """Return CRC-16/MODBUS of a data segment, which many stations send in its place."""
    reg = 0xFFFF
    for byte in segment:
        reg = reg >> 8 ^ _TABLE[(reg ^ byte) & 0xFF]
    return reg
