"""Checks what the console's map is drawn from: outlines of districts, and the server of tiles."""

from hub.config.files import Config
from hub.console.parts.picture import read_outline
from hub.registry.live import Registry
from hub.upkeep.checks.finding import Finding, problem, warning
from schemas.chinese import in_chinese
from schemas.language import Text


def check_maps(config: Config, registry: Registry) -> list[Finding]:
    """Read every outline that the registry names; nothing is asked of the server of tiles, which browsers reach."""
    findings = []
    for district in registry.named_districts.values():
        try:
            read_outline(config.registry.parent, district)
        except ValueError as error:
            text, mend = str(error), Text("Mend the file, or take the line out.", "请改正该文件，或删去该行。")
            findings.append(problem("map", Text(text, in_chinese(text)), mend))
    if config.console_address.startswith("https:") and config.console.tiles.startswith("http:"):
        text, zh = "tiles come by http into a page that comes by https: browsers refuse them", "浏览器会拒绝"
        told = Text(f"[console] {text}", f"[console] tiles 使用 http，而页面使用 https：{zh}")
        findings.append(warning("map", told, Text("Name their https address.", "请填写 https 地址。")))
    return findings
