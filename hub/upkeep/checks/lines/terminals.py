"""Checks what terminals that speak JT/T 808 need of the hub: its certificate, their profiles, a port that is free."""

from collections.abc import Mapping

from hub.config.files import ConfigError, Jt808
from hub.intake.terminals.profiles import Profiles
from hub.registry.entries import Terminal
from hub.upkeep.checks.files import MOST
from hub.upkeep.checks.finding import Finding, ok, problem, warning
from hub.upkeep.checks.lines.listening import check_listening, how_of, told
from schemas.language import Text


def check_terminals(jt808: Jt808, terminals: Mapping[str, Terminal], *, hub_runs: bool) -> list[Finding]:
    """Look for terminals that would not be understood, or that nobody listens for."""
    try:
        profiles = Profiles(jt808.profiles)
    except ConfigError as error:
        return [told("terminals", error, "jt808")]
    wrong = [f"{one.id} ({one.profile})" for one in terminals.values() if profiles.head(one.profile) is None]
    if wrong:
        names, known = ", ".join(wrong[:MOST]), ", ".join(profiles)
        return [
            problem(
                "terminals",
                Text(f"terminals name profiles that there are not: {names}", f"终端所指的配置不存在：{names}"),
                Text(
                    f"Mend 'profile' in the registry; there are: {known}.", f"请改正登记册中的 profile；现有：{known}。"
                ),
            )
        ]
    if not jt808.port:
        return [_unheard(len(terminals))] if terminals else []
    findings = check_listening("terminals", "jt808", jt808, hub_runs=hub_runs)
    if any(one.remedy for one in findings):
        return findings
    how, n = how_of(jt808), len(terminals)
    return [*findings, ok("terminals", f"{n} terminals, heard on {how.en}", f"{n} 个终端，监听 {how.zh}")]


def _unheard(n: int) -> Finding:
    return warning(
        "terminals",
        Text(f"{n} terminals are registered, and nobody listens for them", f"登记了 {n} 个终端，但未监听"),
        Text("Name a port in [jt808] of fenceline.toml.", "请在 fenceline.toml 的 [jt808] 中填写 port。"),
    )
