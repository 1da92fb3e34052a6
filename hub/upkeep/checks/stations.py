"""Checks what stations that speak HJ 212 need of the hub: its certificate, their profiles, a port that is free."""

from collections.abc import Mapping

from hub.config.files import ConfigError, Hj212
from hub.intake.stations.profiles import Profiles
from hub.intake.stations.server import listen, tls_of
from hub.registry.entries import Station
from hub.upkeep.checks.certificates import lasting
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, ok, problem
from schemas import load_quantities
from schemas.chinese import in_chinese
from schemas.errors import CatalogueError
from schemas.language import Text

MEND = Text("Mend it, or the field under [hj212] that names it.", "请改正该文件，或 [hj212] 中指定它的字段。")
_PORT = Text(
    "Name another port under [hj212], or stop what listens there.", "请在 [hj212] 中改用其他端口，或停止占用它的程序。"
)


def check_stations(hj212: Hj212, stations: Mapping[str, Station], *, hub_runs: bool) -> list[Finding]:
    """Check that what [hj212] names can be used; nothing where no station is to connect."""
    if hj212.port == 0:
        return []
    findings: list[Finding] = []
    try:
        known = {name for name, _ in Profiles(load_quantities(), hj212.profiles)}
        wrong = {one.profile: id_ for id_, one in stations.items() if one.profile and one.profile not in known}
        findings += [_no_profile(name, station, sorted(known)) for name, station in wrong.items()]
    except CatalogueError:
        pass  # the catalogue's check says it
    except ConfigError as error:
        findings.append(_told(error, MEND))
    try:
        context = tls_of(hj212)
    except ConfigError as error:
        findings.append(_told(error, MEND))
    else:
        if context and hj212.certificate and hj212.key:
            findings += check_secret("stations", hj212.key, Text("the hub's key", "数据中心的私钥"))
            findings.append(lasting("stations", hj212.certificate))
    if not hub_runs:
        try:
            listen(hj212).close()
        except ConfigError as error:
            findings.append(_told(error, _PORT))
    how = "TLS" if hj212.certificate else "plain"
    where = f"{hj212.host}:{hj212.port}"
    said = Text(f"HJ 212 on {where}, {how}", f"HJ 212：{where}，{'TLS' if hj212.certificate else '不加密'}")
    return findings if any(one.remedy for one in findings) else [*findings, ok("stations", said.en, said.zh)]


def _told(error: ConfigError, mend: Text) -> Finding:
    return problem("stations", Text(str(error), in_chinese(str(error))), mend)


def _no_profile(name: str, station: str, known: list[str]) -> Finding:
    text = Text(
        f"station {station!r}: there is no profile {name!r}; expected one of: {', '.join(known)}",
        f"监测站 {station!r}：没有配置 {name!r}；应为下列之一：{'、'.join(known)}",
    )
    mend = Text(
        "Mend the name in the registry, or put the profile's file there.", "请改正登记册中的名称，或提供该配置文件。"
    )
    return problem("stations", text, mend)
