"""`fenceline run`: the hub as a process."""

import enum
import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from hub.config.districts import of_districts
from hub.config.files import ConfigError, load_config, with_districts
from hub.process import logs
from hub.process.memory import settle
from hub.run.hub import Hub
from hub.storage.database import DatabaseError
from schemas import CatalogueError
from schemas.errors import UserError

app = typer.Typer(add_completion=False)

log = logging.getLogger("hub")


class LogFormat(enum.StrEnum):
    """How the log is written."""

    text = "text"
    json = "json"


@app.command(
    help="""Run the hub until Ctrl-C or SIGTERM.

It takes the boards' messages from the MQTT broker, keeps each one in its log, acknowledges it to the board, writes the
readings to the series store (SQLite, or InfluxDB with INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN and INFLUXDB_V2_ORG in the
environment), judges them against the limits in force and tells the recipients in the configuration of alerts. Its HTTP
interface (127.0.0.1:8433) has /healthz, /readyz, /metrics and the API for officers; hub/README.md shows both.

Examples:

  fenceline run --config fenceline.toml

  fenceline run --districts nanhai,shunde     one of several hubs, each owning some districts
""",
)
def run(
    config: Annotated[Path, typer.Option(help="The hub's configuration (README.md explains it).")] = Path(
        "fenceline.toml"
    ),
    districts: Annotated[
        str, typer.Option(help="Own only these districts, separated by commas; others belong to other hubs.")
    ] = "",
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people, or JSON for a log collector.")
    ] = LogFormat.text,
) -> None:
    """Run the hub."""
    logs.configure("json" if log_format is LogFormat.json else "text")
    try:
        settings = load_config(config)
        if districts:
            settings = with_districts(settings, districts)
        hubs = [Hub(one, log_format=log_format.value) for one in of_districts(settings)]
    except (ConfigError, DatabaseError, CatalogueError) as error:
        raise UserError(str(error)) from error
    run_until_signal(*hubs)


def run_until_signal(*hubs: Hub) -> None:
    """Run hubs in this process until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settle()
    for hub in hubs:
        hub.start()
    stop.wait()
    log.info("stopping")
    for hub in hubs:
        hub.stop()
