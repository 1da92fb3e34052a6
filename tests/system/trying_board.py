"""Starts a board's agent as `python -m edge` does, but it tries a new certificate for as many seconds as it is told."""

import sys

from edge import agent, main, mqtt

agent.TRY_S = int(sys.argv[2])
mqtt.LONGEST_PAUSE = 1  # s: who is let in again is so at once

main.run(sys.argv[1])
