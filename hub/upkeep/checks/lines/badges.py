"""Checks what workers' badges need of the hub: a port that is free."""

from collections.abc import Mapping

from hub.config.files import Badges
from hub.registry.entries import Badge
from hub.upkeep.checks.finding import Finding, ok, warning
from hub.upkeep.checks.lines.listening import check_listening, how_of
from schemas.language import Text


def check_badges(settings: Badges, badges: Mapping[str, Badge], *, hub_runs: bool) -> list[Finding]:
    """Look for badges that nobody listens for."""
    n = len(badges)
    if not settings.port:
        text = Text(f"{n} badges are registered, and nobody listens for them", f"登记了 {n} 个工牌，但未监听")
        mend = Text("Name a port in [badges] of fenceline.toml.", "请在 fenceline.toml 的 [badges] 中填写 port。")
        return [warning("badges", text, mend)] if n else []
    findings = check_listening("badges", "badges", settings, hub_runs=hub_runs)
    if any(one.remedy for one in findings):
        return findings
    how = how_of(settings)
    return [*findings, ok("badges", f"{n} badges, heard on {how.en}", f"{n} 个工牌，监听 {how.zh}")]
