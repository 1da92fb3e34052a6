"""`fenceline run`: the hub as a process."""

import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from fenceline import UserError
from hub.config import ConfigError, load_config
from hub.database import DatabaseError
from hub.service import Hub
from schemas import CatalogueError

app = typer.Typer(add_completion=False)

log = logging.getLogger("hub")


@app.command(
    help="""Run the hub until Ctrl-C or SIGTERM.

It takes the boards' messages from the MQTT broker, keeps each one in its log, acknowledges it to the board, writes the
readings to the series store (SQLite, or InfluxDB with INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN and INFLUXDB_V2_ORG in the
environment), judges them against the limits in force and sends alerts to APPRISE_URLS.

Example: fenceline run --config fenceline.toml
""",
)
def run(
    config: Annotated[Path, typer.Option(help="The hub's configuration (README.md explains it).")] = Path(
        "fenceline.toml"
    ),
) -> None:
    """Run the hub."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    try:
        hub = Hub(load_config(config))
    except (ConfigError, DatabaseError, CatalogueError) as error:
        raise UserError(str(error)) from error
    run_until_signal(hub)


def run_until_signal(hub: Hub) -> None:
    """Run the hub in this process until SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    hub.start()
    stop.wait()
    log.info("stopping")
    hub.stop()
