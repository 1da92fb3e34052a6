"""`micropython -m edge CONFIG` or `python -m edge CONFIG`: the agent as a process."""

import sys

from edge.main import run

run(sys.argv[1])
