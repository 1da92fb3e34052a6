"""`fenceline run`: the hub as a process."""

import enum
import logging
import signal
import threading
from typing import TYPE_CHECKING, Annotated

from hub.terminal.commands import alone, command, option
from hub.terminal.options import FENCELINE, Config
from schemas.errors import UserError
from schemas.language import Text

if TYPE_CHECKING:
    from hub.run.hub import Hub

app = alone()

log = logging.getLogger("hub")


class LogFormat(enum.StrEnum):
    """How the log is written."""

    text = "text"
    json = "json"


@command(
    app,
    "run",
    Text(
        """Run the hub until Ctrl-C or SIGTERM.

        It takes the boards' messages from the MQTT broker, keeps each one in its log, acknowledges it to the board,
        writes the readings to the series store (SQLite, or InfluxDB with INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN and
        INFLUXDB_V2_ORG in the environment), judges them against the limits in force and tells the recipients in the
        configuration of alerts. Its HTTP interface (127.0.0.1:8433) has /healthz, /readyz, /metrics and the API for
        officers; docs/officer.md shows both.""",
        """运行数据中心，直到按 Ctrl-C 或收到 SIGTERM。

        从 MQTT 代理接收设备消息，逐条写入日志并向设备确认；将读数写入时序库（SQLite；环境中设有 INFLUXDB_V2_URL、
        INFLUXDB_V2_TOKEN 和 INFLUXDB_V2_ORG 时为 InfluxDB）；按现行限值判定，并向配置中的收件人发送告警。
        HTTP 接口（127.0.0.1:8433）提供 /healthz、/readyz、/metrics 和执法人员使用的 API，见 docs/officer.zh.md。""",
    ),
    "fenceline run --config fenceline.toml",
    "fenceline run --districts nanhai,shunde",
)
def run(
    config: Config = FENCELINE,
    districts: Annotated[
        str,
        option(
            Text(
                "Own only these districts, separated by commas; others belong to other hubs.",
                "仅管理这些区，以逗号分隔；其余各区由其他数据中心管理。",
            ),
            show_default=Text("all", "全部"),
        ),
    ] = "",
    log_format: Annotated[
        LogFormat,
        option(Text("Lines for people, or JSON for a log collector.", "供人阅读的文本，或供日志采集的 JSON。")),
    ] = LogFormat.text,
) -> None:
    """Run the hub."""
    from hub.config.districts import of_districts
    from hub.config.files import ConfigError, load_config, with_districts
    from hub.process import logs
    from hub.run.hub import Hub
    from hub.storage.database import DatabaseError
    from schemas import CatalogueError

    logs.configure("json" if log_format is LogFormat.json else "text")
    try:
        settings = load_config(config)
        if districts:
            settings = with_districts(settings, districts)
        hubs = [Hub(one, log_format=log_format.value) for one in of_districts(settings)]
    except (ConfigError, DatabaseError, CatalogueError) as error:
        raise UserError(str(error)) from error
    run_until_signal(*hubs)


def run_until_signal(*hubs: "Hub") -> None:
    """Run hubs in this process until SIGINT or SIGTERM."""
    from hub.process.memory import freeze_heap

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    freeze_heap()
    for hub in hubs:
        hub.start()
    stop.wait()
    log.info("stopping")
    for hub in hubs:
        hub.stop()
