"""The 2025 edition's encryption of the data area: SM4-ECB without padding, written as `{0xNN,0xNN,...}` (S).

Whole blocks of 16 bytes are encrypted, what is left over stays plain. Nothing in it proves origin or wholeness: equal
blocks stay equal, and anybody can exchange them. Length and checksum are of the plain segment.
"""

import re

BLOCK = 16
"""Bytes of a block, and of a key."""

_OPEN = b"CP=&&"
_CIPHER = re.compile(rb"(?<=CP=&&)\{(0[xX][0-9A-Fa-f]{2}(?:,0[xX][0-9A-Fa-f]{2})*)\}")


class UnreadableError(Exception):
    """The data area cannot be read: there is no key for it, or it is no whole number of blocks."""


def encrypt(segment: bytes, key: bytes) -> bytes:
    """Return a segment with its data area encrypted; what is shorter than a block stays as it is."""
    begin, end = segment.find(_OPEN) + len(_OPEN), segment.rfind(b"&&")
    whole = (end - begin) // BLOCK * BLOCK
    if begin < len(_OPEN) or whole <= 0:
        return segment
    cipher = _sm4(segment[begin : begin + whole], key, encrypting=True)
    text = ",".join(f"0x{byte:02X}" for byte in cipher).encode()
    return b"%s{%s}%s" % (segment[:begin], text, segment[begin + whole :])


def decrypt(segment: bytes, key: bytes | None) -> bytes:
    """Return a segment in plain text; one that is not encrypted as it is.

    Raises:
        UnreadableError: see there.
    """
    found = _CIPHER.search(segment)
    if found is None:
        return segment
    cipher = bytes(int(one, 16) for one in found[1].split(b","))
    if key is None or len(cipher) % BLOCK:
        raise UnreadableError
    return segment[: found.start()] + _sm4(cipher, key, encrypting=False) + segment[found.end() :]


def _sm4(data: bytes, key: bytes, *, encrypting: bool) -> bytes:
    # Only stations of the 2025 edition need it, and loading it takes longer than all the rest.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(key) != BLOCK:
        raise ValueError(f"an SM4 key of {len(key)} bytes: expected {BLOCK}")
    cipher = Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305 - the standard's choice
    part = cipher.encryptor() if encrypting else cipher.decryptor()
    return part.update(data) + part.finalize()
