"""Signs bundles, so that what a technician installs from a folder is what the city's IT has built.

Ed25519 (RFC 8032) over the manifest, which names the SHA-256 of every file. `manifest.sig` holds the signature in
hexadecimal digits. A bundle that a laptop compiles from its own copy of Fenceline needs none: it is as trustworthy as
the command that compiles it.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from firmware.software.bundle import MANIFEST
from firmware.terminal.speech import FieldError
from schemas.language import Text

SIGNATURE = "manifest.sig"
TRUSTED = Path("~/.config/fenceline/bundle.pub")
"""The public key that a technician's laptop trusts; FENCELINE_BUNDLE_KEY names another."""


def make_key(path: Path) -> Path:
    """Make a signing key at `path` (mode 600) and its public half beside it; return that one's path.

    Raises:
        FieldError: there is a key already, or the folder can't be written.
    """
    public = path.with_suffix(".pub")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        public.write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    except FileExistsError as error:
        raise FieldError(
            Text(
                f"{path} exists already, and bundles signed with it would no longer be trusted: give another --out.",
                f"{path}已存在，覆盖后用它签名的软件包将不再受信任：请用--out指定其他文件。",
            )
        ) from error
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    return public


def sign(bundle: Path, key_file: Path) -> None:
    """Sign the manifest of a bundle.

    Raises:
        FieldError: the key can't be read or is no Ed25519 key.
    """
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(key_file, str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(key_file, "not an Ed25519 key")
    (bundle / SIGNATURE).write_text(key.sign((bundle / MANIFEST).read_bytes()).hex() + "\n", "ascii")


def check(bundle: Path, trusted: Path | None = None) -> None:
    """Return if the bundle's manifest is signed with the key whose public half is trusted here.

    Raises:
        FieldError: no signature, no trusted key, or they do not fit.
    """
    public_file = (trusted or Path(os.environ.get("FENCELINE_BUNDLE_KEY", TRUSTED))).expanduser()
    try:
        public = serialization.load_pem_public_key(public_file.read_bytes())
    except (OSError, ValueError) as error:
        raise FieldError(
            Text(
                f"{public_file}: no public key to check the bundle with; ask the city's IT for bundle.pub and put it "
                "there, or name it with --trusted.",
                f"{public_file}：没有可用于验证软件包的公钥；请向市级信息部门索取bundle.pub并放到该处，"
                "或用--trusted指定。",
            )
        ) from error
    try:
        if not isinstance(public, Ed25519PublicKey):
            raise _unusable(public_file, "not an Ed25519 key")
        public.verify(bytes.fromhex((bundle / SIGNATURE).read_text("ascii")), (bundle / MANIFEST).read_bytes())
    except (OSError, ValueError, InvalidSignature) as error:
        raise FieldError(
            Text(
                f"{bundle} is not signed with the key of {public_file}: it was changed or comes from elsewhere. Take "
                "it from the city's IT again; nothing was changed on the board.",
                f"{bundle}未用{public_file}对应的密钥签名：内容被改动或来源不明。请向市级信息部门重新索取；"
                "设备未作任何改动。",
            )
        ) from error


def _unusable(path: Path, why: str) -> FieldError:
    return FieldError(
        Text(
            f"{path}: no signing key ({why}); make one with 'fenceline board bundle-key'.",
            f"{path}：不是签名密钥（{why}）；请用 fenceline board bundle-key 生成。",
        )
    )
