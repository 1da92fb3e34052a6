"""Ports on 127.0.0.1 that nobody listens on, and that stay so until whoever asked listens there.

The system gives outgoing connections ports from 32768 on (ip_local_port_range): one from there, free for a moment, may
be anybody's in the next, above all while a server is killed and away. These are below; each test process has its own.
"""

import itertools
import os
import random
import re
import socket
from collections.abc import Iterator

FIRST, SHARE, SHARES = 12_000, 1_000, 20


def _order() -> Iterator[int]:
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or SHARES - 1) % SHARES
    begin = random.randrange(SHARE)  # two runs at once meet only now and then, and whoever comes second sees it
    return itertools.cycle([FIRST + worker * SHARE + (begin + step) % SHARE for step in range(SHARE)])


_ports = _order()


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on, another one each time.

    Raises:
        OSError: all of this process's share are taken.
    """
    for port in itertools.islice(_ports, SHARE):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise OSError(f"no port of {SHARE} is free")
