"""The hub under a simulated clock: `python -m sim.hub CONFIG START AT SPEED`. In all else it is `fenceline run`."""

import sys
from pathlib import Path

from hub import logs
from hub.cli import run_until_signal
from hub.config import load_config
from hub.service import Hub
from sim.source import SimClock

if __name__ == "__main__":
    logs.configure()
    start, at, speed = (float(text) for text in sys.argv[2:])
    run_until_signal(Hub(load_config(Path(sys.argv[1])), SimClock(start, at, speed).now, rate=speed))
