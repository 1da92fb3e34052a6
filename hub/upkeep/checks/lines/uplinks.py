"""Checks what platforms above the hub need: files, units, and points that the registry knows."""

from collections.abc import Collection, Sequence

from hub.config.files import ConfigError
from hub.config.uplinks import Uplink
from hub.upkeep.checks.files import check_secret
from hub.upkeep.checks.finding import Finding, ok, problem
from hub.uplink.sender import refuse_unusable
from schemas import load_quantities
from schemas.chinese import in_chinese
from schemas.errors import CatalogueError
from schemas.language import Text

_MEND = Text("Mend it under [[uplink]].", "请在 [[uplink]] 中改正。")
_NAME = Text(
    "Name boards and stations of the registry under [[uplink.point]].",
    "请在 [[uplink.point]] 中填写登记册中的设备或监测站。",
)


def check_uplinks(uplinks: Sequence[Uplink], senders: Collection[str]) -> list[Finding]:
    """Check each [[uplink]]; `senders`: the registry's boards and stations, by id."""
    findings: list[Finding] = []
    for uplink in uplinks:
        try:
            refuse_unusable([uplink], load_quantities())
        except CatalogueError:
            continue  # the catalogue's check says it
        except ConfigError as error:
            findings.append(problem("uplink", Text(str(error), in_chinese(str(error))), _MEND))
            continue
        found = check_secret("uplink", uplink.password_file, Text("the platform's password", "上级系统密码"))
        strangers = [point.device for point in uplink.points if point.device not in senders]
        if strangers:
            names = ", ".join(strangers)
            text = Text(f"{uplink.name}: no board or station {names}", f"{uplink.name}：没有设备或监测站 {names}")
            found.append(problem("uplink", text, _NAME))
        n, where = len(uplink.points), f"{uplink.host}:{uplink.port}"
        findings += found or [
            ok("uplink", f"{uplink.name}: {n} points to {where}", f"{uplink.name}：{n} 个上报点，上报至 {where}")
        ]
    return findings
