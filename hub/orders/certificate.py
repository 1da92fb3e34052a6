"""A board's new certificate as it is sent to it: looked through first, so that no board tries what cannot be right."""

import datetime as dt
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from hub.orders.kinds import OrderError
from hub.wire.sealing import enclose
from schemas.language import Text

MOST = 2700
"""Bytes that a board takes: enclosed, 3700 characters (edge/rekey.py)."""
LEAST_DAYS = 30
"""So long a new certificate must still be good."""
_END = b"-----END "


def order_settings(board: str, given: Iterable[bytes], base: bytes, trusted: bytes = b"") -> dict[str, str]:
    """Return what an order to take a certificate says.

    `given`: PEM files in any order: the certificate, its key, and perhaps the authority's certificates, which then
    become the board's. `base`: the board's key in keys.toml. `trusted`: PEM of the authorities that are its own if
    none are given.

    Raises:
        OrderError: they are not a certificate of this board with its key.
    """
    blocks = list(_blocks(b"\n".join(given)))
    keys = [block for block in blocks if b"PRIVATE KEY-----" in block]
    found = [(block, _certificate(block)) for block in blocks if b"BEGIN CERTIFICATE-----" in block]
    own = [(block, one) for block, one in found if _name(one) == board]
    others = [(block, one) for block, one in found if _name(one) != board]
    if len(keys) != 1 or len(own) != 1:
        raise _wrong(
            f"{len(own)} certificates of {board!r} and {len(keys)} keys; expected one of each, as they lie in "
            f"certs/boards/{board}",
            f"共{len(own)}个{board!r}的证书、{len(keys)}个私钥；应各为一个，见 certs/boards/{board}",
        )
    text, certificate = own[0]
    try:
        key = serialization.load_pem_private_key(keys[0], None)
    except (ValueError, TypeError) as error:
        raise _wrong(f"the key cannot be read ({error})", f"私钥无法读取（{error}）") from error
    if key.public_key() != certificate.public_key():
        raise _wrong("the key is not that of the certificate", "私钥与证书不匹配")
    left = (certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)).days
    if left < LEAST_DAYS:
        raise _wrong(
            f"the certificate ends in {left} days; make a new one: fenceline deploy board-certificate {board}",
            f"证书剩余{left}天；请先生成新证书：fenceline deploy board-certificate {board}",
        )
    authorities = [one for _, one in others]
    if not authorities and trusted:
        authorities = x509.load_pem_x509_certificates(trusted)
    if authorities and not any(_issued(certificate, one) for one in authorities):
        raise _wrong("the certificate is from none of the authorities given", "证书并非由所给的证书机构签发")
    parts = [text, keys[0], b"".join(block for block, _ in others)]
    said = f"{len(parts[0])} {len(parts[1])} {len(parts[2])}\n".encode() + b"".join(parts)
    if len(said) > MOST:
        raise _wrong(
            f"{len(said)} bytes; a board takes {MOST}: give fewer authorities, on the curve P-256",
            f"共{len(said)}字节，设备最多接收{MOST}字节：请减少证书机构，并使用P-256曲线",
        )
    return {"sealed": enclose(said, base)}


def _blocks(text: bytes) -> Iterable[bytes]:
    for part in text.split(b"-----BEGIN ")[1:]:
        body, end, rest = part.partition(_END)
        if end:
            yield b"-----BEGIN " + body + _END + rest.split(b"\n", 1)[0].rstrip() + b"\n"


def _certificate(block: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(block)
    except ValueError as error:
        raise _wrong(f"a certificate cannot be read ({error})", f"证书无法读取（{error}）") from error


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _wrong(en: str, zh: str) -> OrderError:
    return OrderError(Text(f"certificate: {en}", f"证书：{zh}"), "certificate")
