"""Checks what stations that speak HJ 212 need of the hub: its certificate, their profiles, a port that is free."""

from collections.abc import Mapping

from hub.config.files import ConfigError, Hj212
from hub.intake.stations.profiles import Profiles
from hub.registry.entries import Station
from hub.upkeep.checks.finding import Finding, ok, problem
from hub.upkeep.checks.lines.listening import check_listening, how_of, told
from schemas import load_quantities
from schemas.errors import CatalogueError
from schemas.language import Text


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
        findings.append(told("stations", error, "hj212"))
    findings += check_listening("stations", "hj212", hj212, hub_runs=hub_runs)
    how = how_of(hj212)
    said = Text(f"HJ 212 on {how.en}", f"HJ 212：{how.zh}")
    return findings if any(one.remedy for one in findings) else [*findings, ok("stations", said.en, said.zh)]


def _no_profile(name: str, station: str, known: list[str]) -> Finding:
    text = Text(
        f"station {station!r}: there is no profile {name!r}; expected one of: {', '.join(known)}",
        f"监测站 {station!r}：没有配置 {name!r}；应为下列之一：{'、'.join(known)}",
    )
    mend = Text(
        "Mend the name in the registry, or put the profile's file there.", "请改正登记册中的名称，或提供该配置文件。"
    )
    return problem("stations", text, mend)
