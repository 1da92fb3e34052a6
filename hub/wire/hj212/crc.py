"""The two checksums that stations put behind a frame: the standard's own, and the one that it is taken for."""

_TABLE = []
for _byte in range(256):
    _reg = _byte
    for _ in range(8):
        _reg = _reg >> 1 ^ (0xA001 if _reg & 1 else 0)
    _TABLE.append(_reg)
_EIGHT = 64
"""Eight bytes, in bits."""


def crc(segment: bytes) -> int:
    """Return the checksum of HJ 212 over a data segment, 0 to 0xFFFF (HJ 212-2017, appendix A).

    Its register is shifted by eight bits before each byte, so only 256 values exist, all with the low byte 00, 01, 40,
    41, 80, 81, C0 or C1; 0000 is one of them.
    """
    if not segment:
        return 0xFFFF
    # Only the high byte survives a step. Steps are linear, and eight of them give the same byte again: so bytes that
    # are eight apart stand for their XOR, and all of a segment for eight bytes.
    bits = 8 * len(segment)
    folded = int.from_bytes(segment, "big") ^ 0xFF << bits - 8
    while bits > _EIGHT:
        bits = bits // 2 + _EIGHT - 1 & -_EIGHT
        folded = folded >> bits ^ folded & (1 << bits) - 1
    reg = 0
    for byte in folded.to_bytes(8, "big"):
        reg = _TABLE[reg >> 8 ^ byte]
    return reg


def crc_modbus(segment: bytes) -> int:
    """Return CRC-16/MODBUS of a data segment, which many stations send in its place."""
    reg = 0xFFFF
    for byte in segment:
        reg = reg >> 8 ^ _TABLE[(reg ^ byte) & 0xFF]
    return reg
