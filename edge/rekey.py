"""A new key, or a new certificate, that comes over the air, enclosed under the key in force (hub/wire/sealing.py).

A key is in force when its file is replaced; the one before stays beside it (KEY_FILE.old) until the hub has been heard
under the new one, so whatever is cut off, board and hub have one in common. A certificate is tried before it stays: its
files lie beside those in force (.next), and take their places when the broker has let the board in with them and the
hub has been heard. Until then a reset goes back to what was; after that it goes on with putting them in their places.
Loaded when the hub orders it.
"""

import asyncio
import os
from binascii import a2b_base64, hexlify, unhexlify

from edge import files

OLD, NEXT = ".old", ".next"
PARTS = ("certificate", "key", "ca")
_PIECE = 256  # characters: 192 bytes, six blocks
MOST = 3700  # characters of what is enclosed: a packet has 4096 bytes


def disclose(text, signer):
    """Return what is enclosed for the key of a Signer, in pieces: a heap of 100 KB has no room for the whole.

    Raises ValueError when it is for another.
    """
    try:
        pieces = [a2b_base64(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE)]
        nonce, tag, pieces[0] = pieces[0][:16], pieces[0][16:32], pieces[0][32:]
    except (ValueError, TypeError, IndexError):
        nonce, tag, pieces = b"", b"", []
    if not tag or len(text) > MOST or signer.mac(b"tag", nonce, *pieces)[:32] != hexlify(tag).decode():
        raise ValueError("sealed: not for the key in force")
    number = 0
    opened = []
    for sealed in pieces:
        piece = bytearray(sealed)
        for start in range(0, len(piece), 32):
            block = unhexlify(signer.mac(b"stream", nonce, number.to_bytes(4, "big")))
            number += 1
            for at in range(min(32, len(piece) - start)):
                piece[start + at] ^= block[at]
        opened.append(piece)
    return opened


def take(path, sealed, signer):
    """Put the key in force that is enclosed for `signer`, and return it as bytes. `path`: of the file of the key."""
    key = b"".join(disclose(sealed, signer))
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
    """Write the enclosed files beside those that `tls` names; return `tls` with their names.

    Enclosed is a line with the lengths of certificate, key and ca (0: stays), and the PEM files one behind the other.
    """
    pieces = disclose(sealed, signer)
    head, newline, rest = bytes(pieces[0]).partition(b"\n")
    pieces[0] = rest
    try:
        sizes = [int(size) for size in head.split()]
    except ValueError:
        sizes = []
    if not newline or len(sizes) != 3 or sum([len(piece) for piece in pieces]) != sum(sizes) or not min(sizes[:2]) > 0:
        raise ValueError("sealed: expected certificate, key and perhaps ca")
    named = dict(tls)
    drop(tls)
    for place, part in enumerate(PARTS):
        size = sizes[place]
        if size:
            named[part] = tls[part] + NEXT
            files.replace(named[part], _cut(pieces, size))
    return named


def drop(tls):
    """Remove what is not in force."""
    for part in PARTS:
        forget(tls[part] + NEXT)


async def certificate(agent, tls, command, signer, seconds):
    """Try the enclosed certificate for so long, and keep it if the broker lets the board in; return what is told.

    Raises ValueError with the reason when it does not: then the one before is in force. `tls`: the files in force.
    """
    if not tls:
        raise ValueError("certificate: this board's broker has no TLS")
    agent.tls = lay_out(tls, command.get("sealed"), signer)
    await _connect_anew(agent)
    why = ""
    for _ in range(seconds):
        await asyncio.sleep(1)
        if agent.let_in:
            try:
                settle(tls, agent.renewed)
            except OSError as error:
                why = str(error)
                break
            return "new certificate in force"
    why = why or "not let in by the broker within %d s: %s" % (seconds, agent.client.problem)
    agent.tls = tls
    drop(tls)
    await _connect_anew(agent)
    raise ValueError("certificate: %s; the one before is in force" % why)


async def _connect_anew(agent):
    agent.secured = None
    await agent.client.disconnect()
    agent.let_in = False


def _cut(pieces, size):
    """Take so many bytes away from the begin of the pieces; yield them."""
    while size:
        piece = pieces.pop(0)
        if len(piece) > size:
            pieces.insert(0, piece[size:])
            piece = piece[:size]
        size -= len(piece)
        yield piece


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
