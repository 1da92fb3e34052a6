"""`fenceline uplink`: what the platforms above the hub have heard, at the hub's machine."""

import time
from contextlib import closing
from datetime import datetime
from typing import Any

from hub.terminal.commands import command, group
from hub.terminal.json_lines import print_list
from hub.terminal.options import FENCELINE, AsJson, Config
from hub.terminal.tables import say, table
from schemas.language import Text, tell

app = group(
    Text(
        """The platforms above the hub, and what they have heard by HJ 212.

        What a platform has not acknowledged (9014) waits for it, also for weeks.""",
        """上级系统及其按 HJ 212 收到的数据。

        对方未应答（9014）的数据会一直等待发送，可达数周。""",
    ),
    "fenceline uplink list",
    "fenceline uplink list --json",
)
HEADS = (
    Text("platform", "上级系统"),
    Text("point", "上报点"),
    Text("MN", "MN"),
    Text("waiting", "待发送"),
    Text("oldest of them", "最早"),
    Text("newest heard", "最近已应答"),
)
NONE = Text("fenceline.toml names no [[uplink]]", "fenceline.toml 中没有 [[uplink]]")


@command(
    app,
    "list",
    Text("How each platform stands with each point.", "各上级系统各上报点的发送情况。"),
    "fenceline uplink list",
)
def list_(config: Config = FENCELINE, as_json: AsJson = False) -> None:
    """Print a row for each platform and point."""
    from hub.config.files import load_config
    from hub.registry.live import load_entries
    from hub.uplink.book import Book
    from hub.uplink.tables import FILE

    settings = load_config(config)
    zone = load_entries(settings).zone
    rows: list[dict[str, Any]] = []
    path = settings.data / FILE
    if settings.uplinks and path.exists():
        with closing(Book(path)) as book:
            for uplink in settings.uplinks:
                for point in uplink.points:
                    account = book.account(uplink.name, point.device, time.time())
                    told = {"platform": uplink.name, "point": point.device, "mn": point.mn}
                    rows.append(told | account._asdict())
    if as_json:
        print_list(rows, "points", waiting=sum(row["waiting"] for row in rows))
        return
    if not settings.uplinks:
        say(tell(NONE))
        return

    def when(t: int | None) -> str:
        return "-" if t is None else f"{datetime.fromtimestamp(t, zone):%Y-%m-%d %H:%M}"

    cells = [
        (row["platform"], row["point"], row["mn"], str(row["waiting"]), when(row["oldest"]), when(row["newest"]))
        for row in rows
    ]
    table([tell(head) for head in HEADS], cells, numbers=[3])
