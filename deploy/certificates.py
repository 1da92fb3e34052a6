"""The city's own authority, and the certificates by which broker, hub, Grafana and boards know each other (RFC 5280).

Whoever has the authority's key can make boards, so it lies in a folder of its own that can be taken off the server.
Every key is drawn where it is used first, on the curve P-256, which the boards' chips can do.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from schemas.errors import UserError

AUTHORITY_DAYS = 7300
DAYS = 1095
"""How long a certificate is good: a board is visited for its calibration more often than that."""
RENEW_BEFORE = 90
"""Days before its end from which a certificate is renewed when somebody asks for it."""

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Pair(NamedTuple):
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        """Tell whether both are there.

        Raises:
            UserError: one is there without the other.
        """
        there = [path for path in self if path.exists()]
        if len(there) == 1:
            raise UserError(
                f"{there[0]} is there without its other half; put the other one back, or remove it, too, for new ones"
            )
        return bool(there)


class Authority:
    """The city's authority in a folder: `ca.crt`, and `ca.key` unless that has been put away."""

    def __init__(self, folder: Path) -> None:
        self.certificate_file = folder / "ca.crt"
        self._key_file = folder / "ca.key"

    def make(self) -> bool:
        """Make it, if there is none yet; tell whether it was made.

        Raises:
            UserError: there is a key without a certificate, or a file cannot be written.
        """
        if self.certificate_file.exists():
            return False
        if self._key_file.exists():
            raise UserError(f"{self._key_file} is there without ca.crt; put ca.crt back beside it")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _own(key, _name("Fenceline authority"))
        # The key first: with it alone a later run says what is missing; without it nothing could ever be signed.
        write(self._key_file, _pem(key), 0o600)
        write(self.certificate_file, certificate, 0o644)
        return True

    def renew(self) -> None:
        """Give it a new certificate for the same key and name; the one before is put aside as ca.crt.old.

        So every certificate that it has signed is as good as before, for whoever has the new one or still the old one.

        Raises:
            UserError: its key is not here, or a file cannot be written.
        """
        certificate = _own(self._load_key(), self.certificate.subject)
        new = self.certificate_file.with_name("ca.crt.new")
        new.unlink(missing_ok=True)  # of a run that was killed
        write(new, certificate, 0o644)
        old = self.certificate_file.with_name("ca.crt.old")
        old.unlink(missing_ok=True)
        old.hardlink_to(self.certificate_file)
        new.replace(self.certificate_file)

    @property
    def certificate(self) -> x509.Certificate:
        """The authority's own certificate."""
        return read(self.certificate_file)

    def issue(self, pair: Pair, name: str, side: x509.ObjectIdentifier, hosts: Sequence[str] = ()) -> None:
        """Write a new key and a certificate for it; those that lie there are put aside as NAME.old.

        Args:
            pair: where to.
            name: the certificate's common name: to the broker, who its owner is.
            side: SERVER or CLIENT; good for one side only, so that a board cannot pass for the broker.
            hosts: names and addresses under which a server is reached.

        Raises:
            UserError: the authority's key is not here, or a file cannot be written.
        """
        authority_key = self._load_key()
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage([side]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False),
        ]
        if hosts:
            extensions.append((x509.SubjectAlternativeName([_host(host) for host in hosts]), False))
        issuer = self.certificate.subject
        certificate = _built(_name(name), issuer, key.public_key(), DAYS, extensions)
        signed = certificate.sign(authority_key, hashes.SHA256())
        content = {pair.key: _pem(key), pair.certificate: signed.public_bytes(serialization.Encoding.PEM)}
        for path, text in content.items():
            new = path.with_name(f"{path.name}.new")
            new.unlink(missing_ok=True)  # of a run that was killed
            write(new, text, 0o600 if path is pair.key else 0o644)
        for path in content:
            if path.exists():
                path.with_name(f"{path.name}.old").unlink(missing_ok=True)
                path.with_name(f"{path.name}.old").hardlink_to(path)
            path.with_name(f"{path.name}.new").replace(path)

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Tell whether a certificate is from this authority."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _load_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        except FileNotFoundError:
            raise UserError(
                f"{self._key_file} is not here, and a certificate has to be signed with it; bring it back, or name the "
                "folder where it is with --authority"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self._key_file}: is no key that can be used ({error})") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise UserError(
                f"{self._key_file}: expected a key on an elliptic curve, as `fenceline deploy init` makes it"
            )
        return key


def same_authority(path: Path, other: Path) -> bool:
    """Tell whether two certificates are of one authority: with the same key, made at different times."""
    return read(path).public_key() == read(other).public_key()


def read(path: Path) -> x509.Certificate:
    """Return a certificate from its file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no certificate that can be read ({error})") from error


def fits(pair: Pair) -> bool:
    """Tell whether a key is that of its certificate. A key that only its service may read is taken to fit."""
    try:
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    except PermissionError:
        return True
    except (OSError, ValueError, TypeError):
        return False
    return key.public_key() == read(pair.certificate).public_key()


def days_left(certificate: x509.Certificate) -> int:
    """Return how many whole days a certificate is still good."""
    return (certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)).days


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """Return the names and addresses that a server's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def write(path: Path, content: bytes, mode: int) -> None:
    """Write a new file that has never been readable by more than `mode` allows.

    Raises:
        UserError: it exists, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask takes away
            file.write(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); run it as root, or mend the folder") from error


def _own(key: ec.EllipticCurvePrivateKey, name: x509.Name) -> bytes:
    """Return an authority's own certificate as PEM."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(signs_certificates=True), True),
    ]
    certificate = _built(name, name, key.public_key(), AUTHORITY_DAYS, extensions).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _built(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    days: int,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # A board whose clock is a little behind takes it, too.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
