"""`micropython -m edge CONFIG` or `python -m edge CONFIG`: the agent as a process."""

import sys

from edge.main import run

try:
    run(sys.argv[1])
except KeyboardInterrupt as stopped:
    if not stopped.args:
        raise
    sys.exit(2)  # what is wrong has been told
