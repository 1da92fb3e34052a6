"""The hub under a simulated clock: `python -m sim.city.hub CONFIG CLOCK`, a file. Else it is `fenceline run`."""

import sys
from pathlib import Path

from hub.config.files import load_config
from hub.process import logs
from hub.run.cli import run_until_signal
from hub.run.hub import Hub
from sim.city.source import ClockFile

if __name__ == "__main__":
    logs.configure()
    clock = ClockFile(Path(sys.argv[2]))
    run_until_signal(Hub(load_config(Path(sys.argv[1])), clock.now, rate=clock.speed))
