"""Starts the agent from its configuration file; boot.py calls `run()`, and starts the board again when it ends."""

import asyncio
import json
import os
from binascii import unhexlify

from edge.agent import Agent
from edge.board import Board


def make(path):
    """Return the agent with the configuration in the JSON file `path`.

    The key stands alone in the file that `key_file` names (64 hexadecimal digits), so that the configuration can be
    shown to anybody.
    """
    with open(path) as file:
        config = json.load(file)
    with open(config["key_file"]) as file:
        key = unhexlify(file.read().strip())
    try:
        os.mkdir(config["folder"])
    except OSError:
        pass  # it is there
    return Agent(config, key, Board(config))


def run(path="config.json"):
    """Run the agent of the configuration `path`; raises what it ended by."""
    try:
        os.stat(path)
    except OSError:
        # As Ctrl-C does, it leads to the prompt: a board that is not provisioned yet must not restart for ever.
        raise KeyboardInterrupt("not provisioned: fenceline board provision") from None
    asyncio.run(make(path).run())
