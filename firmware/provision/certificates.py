"""A board's client certificate, by which the broker knows it: read from files, or made here with the city's authority.

A certificate that somebody else would have to sign later is not made here: the board could not connect until it is back
in somebody's hands. So either the office makes it beforehand, or the authority's folder (`fenceline deploy`) is at hand
when the board is provisioned.
"""

import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from deploy.certificates import CLIENT, Authority, Pair
from firmware.terminal.speech import FieldError
from schemas.language import Text


@dataclass(frozen=True, repr=False)
class Material:
    """Three PEM files: the city's authority, the board's certificate and its private key."""

    ca: bytes
    certificate: bytes
    key: bytes

    @property
    def expires(self) -> dt.datetime:
        """When the board's certificate ends, UTC."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc


def from_files(board: str, ca: Path, certificate: Path, key: Path, now: dt.datetime) -> Material:
    """Return a certificate that was made beforehand.

    Raises:
        FieldError: a file cannot be read, or they do not fit each other, the board, or the time.
    """
    material = Material(_read("--ca", ca), _read("--certificate", certificate), _read("--certificate-key", key))
    authority, own = (
        _certificate("--ca", ca, material.ca),
        _certificate("--certificate", certificate, material.certificate),
    )
    name = [str(part.value) for part in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if name != [board]:
        raise _unfit(certificate, f"is for {name}, not for {board!r}", f"属于 {name}，而不是 {board!r}")
    try:
        own.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - the library raises of its own and of its parts
        raise _unfit(certificate, f"was not made by {ca}", f"不是由 {ca} 签发的") from None
    if not own.not_valid_before_utc <= now <= own.not_valid_after_utc:
        span = f"{own.not_valid_before_utc:%Y-%m-%d} - {own.not_valid_after_utc:%Y-%m-%d}"
        raise _unfit(certificate, f"is good only {span}", f"有效期为 {span}")
    try:
        private = serialization.load_pem_private_key(material.key, None)
    except (ValueError, TypeError):
        raise _unfit(key, "is no private key without a password", "不是无密码的私钥") from None
    if private.public_key() != own.public_key():
        raise _unfit(key, f"is not the key of {certificate}", f"与 {certificate} 不匹配")
    return material


def make(board: str, authority: Path) -> Material:
    """Make a key and a certificate for a board, signed by the city's authority in a folder.

    Raises:
        UserError: `ca.crt` or `ca.key` is not there, or cannot be used.
    """
    signer = Authority(authority)
    ca = _read("--authority", signer.certificate_file)
    with tempfile.TemporaryDirectory(prefix="fenceline-") as folder:
        pair = Pair(Path(folder, "board.crt"), Path(folder, "board.key"))
        signer.issue(pair, board, CLIENT)
        return Material(ca, pair.certificate.read_bytes(), pair.key.read_bytes())


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FieldError(
            Text(
                f"{option} {path}: cannot be read ({error.strerror})", f"{option} {path}：无法读取（{error.strerror}）"
            )
        ) from error


def _certificate(option: str, path: Path, content: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        raise FieldError(
            Text(f"{option} {path}: is no certificate in PEM", f"{option} {path}：不是 PEM 格式的证书")
        ) from None


def _unfit(path: Path, en: str, zh: str) -> FieldError:
    return FieldError(Text(f"{path} {en}; name the right file", f"{path} {zh}；请指定正确的文件"))
