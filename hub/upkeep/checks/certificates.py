"""Checks the certificates by which broker and hub know each other, with no broker needed."""

import contextlib
import ssl
import time
from pathlib import Path

from cryptography import x509

from hub.config.files import Broker
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from schemas.language import Text

SOON = 30
"""Days before its end from which a certificate is warned of."""

MAKE = Text(
    "Make it with 'fenceline deploy init', and name the right files under [broker].",
    "请用 fenceline deploy init 生成，并在 [broker] 中写明正确的文件。",
)


def check_certificates(broker: Broker) -> list[Finding]:
    """Check the authority's certificate, the hub's own, and its key; none where the connection is not TLS."""
    if broker.ca is None:
        if broker.certificate or broker.key:
            text = Text(
                "[broker] certificate or key is set without ca: neither is used",
                "[broker] 设置了 certificate 或 key 而没有 ca：两者都不会使用",
            )
            return [
                problem(
                    "certificates",
                    text,
                    Text("Name the authority's certificate as ca.", "请用 ca 指明颁发机构的证书。"),
                )
            ]
        return []
    findings, authority = _authority(broker.ca)
    if broker.certificate is None and broker.key is None:
        return findings
    if broker.certificate is None or broker.key is None:
        text = Text(
            "[broker] certificate and key belong together, and one is missing",
            "[broker] 中 certificate 与 key 必须同时设置",
        )
        return [*findings, problem("certificate", text, MAKE)]
    findings += check_secret("certificate key", broker.key, Text("the hub's key", "数据中心的私钥"))
    return findings + _own(broker.certificate, broker.key, broker.ca if authority else None)


def _authority(ca: Path) -> tuple[list[Finding], bool]:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca)
        ends = min(str(one["notAfter"]) for one in context.get_ca_certs())
    except (OSError, ValueError) as error:
        text = Text(
            f"{ca}: is no certificate of an authority ({_why(error)})", f"{ca}：不是颁发机构的证书（{_why(error)}）"
        )
        return [problem("certificate authority", text, MAKE)], False
    return [_lasting("certificate authority", ca, ends)], True


def _own(certificate: Path, key: Path, ca: Path | None) -> list[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in (certificate, key):
        try:
            path.read_bytes()
        except OSError as error:
            text = Text(f"{path}: cannot be read ({error.strerror})", f"{path}：无法读取（{error.strerror}）")
            return [problem("certificate", text, MAKE)]
    try:
        # The hub runs unattended: a key that asks for a password is of no use to it.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        text = Text(
            f"{key}: is not the key of {certificate}, or is locked by a password ({_why(error)})",
            f"{key}：与 {certificate} 不匹配，或有密码保护（{_why(error)}）",
        )
        return [problem("certificate", text, MAKE)]
    if ca is None:
        return []
    try:
        ends = _shown_to_a_broker(context, certificate, key, ca)
    except (ssl.SSLError, OSError) as error:
        text = Text(
            f"{certificate}: a broker that trusts {ca} refuses it ({_why(error)})",
            f"{certificate}：信任 {ca} 的代理会拒绝它（{_why(error)}）",
        )
        return [problem("certificate", text, MAKE)]
    return [_lasting("certificate", certificate, ends)]


def lasting(name: str, certificate: Path) -> Finding:
    """Tell until when a certificate that can be read is good, whoever signed it."""
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return _lasting(name, certificate, f"{ends:%b %d %H:%M:%S %Y} GMT")


def _shown_to_a_broker(server: ssl.SSLContext, certificate: Path, key: Path, ca: Path) -> str:
    """Return when the certificate ends, from a TLS handshake in memory: it is judged as a broker would judge it.

    The other side, a stand-in for the broker, shows the same certificate: here it need not be a broker's.
    """
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(ca)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.load_cert_chain(certificate, key, password="")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    hub = client.wrap_bio(back, there)
    broker = server.wrap_bio(there, back, server_side=True)
    for _ in range(10):  # more flights than any handshake has
        for side in (hub, broker):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    shown = broker.getpeercert()
    return str((shown or {})["notAfter"])


def _lasting(name: str, path: Path, ends: str) -> Finding:
    """Return how long a certificate is still good; `ends`: as `ssl` writes it."""
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / 86400
    if days < 0:
        return problem(name, Text(f"{path}: ended on {ends}", f"{path}：已于 {ends} 过期"), MAKE)
    if days < SOON:
        renew = Text("Make a new one before that day.", "请在到期前更换。")
        return warning(
            name, Text(f"{path}: ends in {days:.0f} days ({ends})", f"{path}：{days:.0f} 天后到期（{ends}）"), renew
        )
    return ok(name, f"{path}: good until {ends}", f"{path}：有效期至 {ends}")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "no certificate in it"
