"""A new key, or a new certificate, that comes over the air, enclosed under the key in force (hub/wire/sealing.py).

A key is in force when its file is replaced; the one before stays beside it (KEY_FILE.old) until the hub has been heard
under the new one, so whatever is cut off, board and hub have one in common. A certificate is tried before it stays: its
files lie beside those in force (.next), and take their places when the broker has let the board in with them and the
hub has been heard. Until then a reset goes back to what was; after that it goes on with putting them in their places.
Loaded when the hub orders it.
"""

import json
import os
from binascii import a2b_base64, hexlify, unhexlify

from edge import files

OLD, NEXT = ".old", ".next"
PARTS = ("ca", "certificate", "key")
MOST = 3000  # bytes of what is enclosed


def disclose(text, signer):
    """Return what is enclosed for the key of a Signer; raises ValueError when it is for another."""
    try:
        raw = a2b_base64(text)
    except (ValueError, TypeError):
        raw = b""
    nonce, tag, content = raw[:16], raw[16:32], bytearray(raw[32:])
    if len(raw) < 33 or len(content) > MOST or signer.mac(b"tag", nonce, content)[:32] != hexlify(tag).decode():
        raise ValueError("sealed: not for the key in force")
    for start in range(0, len(content), 32):
        block = unhexlify(signer.mac(b"stream", nonce, (start // 32).to_bytes(4, "big")))
        for at in range(min(32, len(content) - start)):
            content[start + at] ^= block[at]
    return bytes(content)


def take(path, sealed, signer):
    """Put the key in force that is enclosed for `signer`, and return it as bytes. `path`: of the file of the key."""
    key = disclose(sealed, signer)
    if len(key) != 32:
        raise ValueError("sealed: %d bytes; expected a key of 32" % len(key))
    text = hexlify(key).decode()
    with open(path, "rb") as file:
        before = file.read(200).strip().decode()
    if before.lower() != text:  # else it came before
        files.replace(path + OLD, before)
        files.replace(path, text + "\n")
    return key


def before(path):
    """Return the key before the one in force, None when there is none or its file is damaged."""
    try:
        with open(path + OLD, "rb") as file:
            key = unhexlify(file.read(200).strip())
    except (OSError, ValueError):
        return None
    return key if len(key) == 32 else None


def forget(path):
    """Remove a file, if it is there."""
    try:
        os.remove(path)
    except OSError:
        pass


def lay_out(tls, sealed, signer):
    """Write the enclosed files beside those that `tls` names; return `tls` with their names."""
    try:
        content = json.loads(disclose(sealed, signer))
        given = [(part, content[part]) for part in PARTS if part in content or part != "ca"]
    except (KeyError, TypeError):
        raise ValueError("sealed: expected certificate, key and perhaps ca") from None
    named = dict(tls)
    forget(tls["ca"] + NEXT)
    for part, text in given:
        if not isinstance(text, str):
            raise ValueError("sealed: %s: expected the text of a PEM file" % part)
        named[part] = tls[part] + NEXT
        files.replace(named[part], text)
    return named


def settle(tls, marker):
    """Put the files that were tried in their places; what a reset cuts off is done at the next start (`finish`)."""
    files.replace(marker, "good")
    finish(tls, marker)


def finish(tls, marker):
    """Go on with what `settle` began."""
    for part in PARTS:
        try:
            os.rename(tls[part] + NEXT, tls[part])
        except OSError:
            pass  # it is there already, or was not given
    os.remove(marker)
