"""Checks what the hub needs for stations that speak HJ 212: their profiles, its certificate. Nothing is connected."""

from cryptography import x509

from hub.config.files import Config, ConfigError, Hj212
from hub.intake.stations.profiles import Profiles
from hub.intake.stations.server import context_of
from hub.registry.live import load_entries
from hub.upkeep.checks.certificates import lasting
from hub.upkeep.checks.finding import Finding, ok, problem
from schemas import load_quantities
from schemas.language import Text

NAME, CERTIFICATE = "stations", "station certificate"
_MEND = Text("Correct what it names.", "请改正其中所指的内容。")


def check_stations(config: Config) -> list[Finding]:
    """Check profiles and certificate; nothing where no station can connect."""
    if not config.hj212.port:
        return []
    try:
        profiles, stations = Profiles(load_quantities(), config.hj212.profiles), load_entries(config).stations
    except ConfigError as error:
        return [problem(NAME, Text(str(error), f"监测站配置有误：{error}"), _MEND)]
    findings = [
        problem(
            NAME,
            Text(
                f"station {one.id!r} names the profile {one.profile!r}, and there is none: its frames are not taken",
                f"监测站 {one.id!r} 的 profile {one.profile!r} 不存在：其报文不会被接收",
            ),
            Text(
                f"Name one of: {', '.join(name for name, _ in profiles)}; or add it to [hj212] profiles.",
                f"可选：{'、'.join(name for name, _ in profiles)}；或将其加入 [hj212] profiles。",
            ),
        )
        for one in stations.values()
        if profiles.of(one.profile) is None
    ]
    if not findings:
        findings = [ok(NAME, f"{len(stations)} stations, each with its profile", f"{len(stations)} 个监测站，配置齐全")]
    return findings + _certificate(config.hj212)


def _certificate(hj212: Hj212) -> list[Finding]:
    if hj212.certificate is None:
        return []
    try:
        context_of(hj212)
        ends = x509.load_pem_x509_certificate(hj212.certificate.read_bytes()).not_valid_after_utc
    except (ConfigError, OSError, ValueError) as error:
        return [problem(CERTIFICATE, Text(str(error), f"监测站 TLS 证书不可用：{error}"), _MEND)]
    return [lasting(CERTIFICATE, hj212.certificate, f"{ends:%b %d %H:%M:%S %Y} GMT")]
