"""Starts the agent from its configuration file; the board's main.py calls `run()`."""

import asyncio
import json
import os
from binascii import unhexlify

try:
    from sys import print_exception
except ImportError:
    from traceback import print_exception  # type: ignore[import-not-found, no-redef] # CPython

from edge.agent import Agent
from edge.board import Board


def run(path="config.json"):
    """Run the agent with the configuration in the JSON file `path`.

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
    board = Board(config)
    try:
        asyncio.run(Agent(config, key, board).run())
    except Exception as error:
        print_exception(error)
        board.reset()
