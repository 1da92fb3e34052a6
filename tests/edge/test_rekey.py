"""A key and a certificate that come over the air: whole or not at all, wherever the power is cut."""

import os

from edge import rekey
from edge.message import Signer
from tests.edge.helpers import raises, tmp_dir

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
TLS = {"ca": "ca.crt", "certificate": "board.crt", "key": "board.key"}


def enclose(content, signer):
    """As hub/wire/sealing.py does it, for a nonce of 16 bytes that is always the same."""
    nonce = bytes(range(16))
    hidden = bytearray(content)
    for start in range(0, len(hidden), 32):
        block = signer.mac(b"stream", nonce, (start // 32).to_bytes(4, "big"))
        for at in range(min(32, len(hidden) - start)):
            hidden[start + at] ^= int(block[2 * at : 2 * at + 2], 16)
    tag = signer.mac(b"tag", nonce, hidden)[:32]
    raw = nonce + bytes([int(tag[at : at + 2], 16) for at in range(0, 32, 2)]) + hidden
    from binascii import b2a_base64

    return b2a_base64(raw).decode().strip()


def written(path, content=None):
    if content is not None:
        with open(path, "w") as file:
            file.write(content)
    with open(path) as file:
        return file.read()


def digits(key):
    return "".join(["%02x" % byte for byte in key])


def test_what_is_enclosed_is_for_one_key_alone_and_for_nobody_once_a_byte_is_another():
    signer = Signer(OLD)
    for size in (1, 31, 32, 33, 2500):
        content = bytes([at % 251 for at in range(size)])
        assert b"".join(rekey.disclose(enclose(content, signer), signer)) == content
    sealed = enclose(NEW, signer)
    raises(ValueError, rekey.disclose, sealed, Signer(NEW))
    for wrong in (sealed[:-8], "A" + sealed[1:] if sealed[0] != "A" else "B" + sealed[1:], "", "?", None, 7, "AAAA"):
        raises(ValueError, rekey.disclose, wrong, signer)


def test_a_new_key_is_in_force_with_the_one_before_beside_it():
    path = tmp_dir() + "/key"
    written(path, digits(OLD) + "\n")
    sealed = enclose(NEW, Signer(OLD))
    assert rekey.take(path, sealed, Signer(OLD)) == NEW
    assert written(path) == digits(NEW) + "\n"
    assert rekey.before(path) == OLD
    assert rekey.take(path, sealed, Signer(OLD)) == NEW  # told once more: nothing changes
    assert (written(path), rekey.before(path)) == (digits(NEW) + "\n", OLD)


def test_a_key_that_is_none_or_for_another_changes_nothing():
    path = tmp_dir() + "/key"
    written(path, digits(OLD))
    for sealed in (enclose(NEW[:16], Signer(OLD)), enclose(NEW, Signer(NEW)), "nonsense"):
        raises(ValueError, rekey.take, path, sealed, Signer(OLD))
    assert (written(path), rekey.before(path)) == (digits(OLD), None)


def test_a_damaged_file_of_the_key_before_is_none():
    path = tmp_dir() + "/key"
    for text in ("", "nonsense", "00"):
        written(path + ".old", text)
        assert rekey.before(path) is None


def made(folder):
    tls = {part: folder + "/" + name for part, name in TLS.items()}
    for part, path in tls.items():
        written(path, "old " + part)
    return tls


def contents(tls):
    return [written(tls[part]) for part in ("ca", "certificate", "key")]


def test_a_certificate_lies_beside_the_one_in_force_until_it_is_settled():
    folder = tmp_dir()
    tls, signer = made(folder), Signer(OLD)
    content = b"15 7 6\nnew certificatenew keynew ca"
    named = rekey.lay_out(tls, enclose(content, signer), signer)
    assert contents(tls) == ["old ca", "old certificate", "old key"]
    assert contents(named) == ["new ca", "new certificate", "new key"]
    rekey.settle(tls, folder + "/renewed")
    assert contents(tls) == ["new ca", "new certificate", "new key"]
    assert not [name for name in os.listdir(folder) if name.endswith(".next") or name == "renewed"]


def test_without_an_authority_the_one_in_force_stays_also_when_another_attempt_left_one():
    folder = tmp_dir()
    tls, signer = made(folder), Signer(OLD)
    written(tls["ca"] + ".next", "of an attempt that failed")
    named = rekey.lay_out(tls, enclose(b"1 1 0\nck", signer), signer)
    assert named["ca"] == tls["ca"]
    rekey.settle(tls, folder + "/renewed")
    assert contents(tls) == ["old ca", "c", "k"]


def test_files_of_usual_size_come_out_as_they_went_in():
    folder = tmp_dir()
    tls, signer = made(folder), Signer(OLD)
    parts = [chr(97 + place) * size for place, size in enumerate((870, 241, 1250))]
    content = "870 241 1250\n" + "".join(parts)
    named = rekey.lay_out(tls, enclose(content.encode(), signer), signer)
    assert [written(named[part]) for part in rekey.PARTS] == parts


def test_power_cut_while_the_files_take_their_places_is_made_good_at_the_next_start():
    signer = Signer(OLD)
    sealed = enclose(b"1 1 1\ncka", signer)
    for moved in range(4):
        folder = tmp_dir()
        tls = made(folder)
        rekey.lay_out(tls, sealed, signer)
        written(folder + "/renewed", "good")
        for part in rekey.PARTS[:moved]:
            os.rename(tls[part] + ".next", tls[part])
        rekey.finish(tls, folder + "/renewed")
        assert contents(tls) == ["a", "c", "k"]
        assert "renewed" not in os.listdir(folder)


def test_what_is_no_certificate_is_refused():
    folder = tmp_dir()
    tls, signer = made(folder), Signer(OLD)
    for content in (b"", b"1 1\nck", b"1 0 0\nc", b"1 1 1\nck", b"1 1 0\ncka", b"-1 2 1\nck", b"x y z\nck", b"1 1 0"):
        raises(ValueError, rekey.lay_out, tls, enclose(content, signer), signer)
    assert contents(tls) == ["old ca", "old certificate", "old key"]
