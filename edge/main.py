"""Starts the agent from its configuration file; boot.py calls `run()`, and starts the board again when it ends."""

import asyncio
import os

from edge.agent import Agent
from edge.board import Board
from edge.borrow import borrow


def make(path):
    """Return the agent with the configuration in the JSON file `path`.

    The key stands alone in the file that `key_file` names (64 hexadecimal digits), so that the configuration can be
    shown to anybody. Raises ValueError with what is wrong where either cannot be used.
    """
    config = borrow("config")
    settings, key = config.load(path)
    board = Board(settings)
    if "desired.json" not in os.listdir(settings["folder"]):
        return _made(config, settings, key, board)
    own = settings["sensors"]
    borrow("outfit").dress(settings)
    try:
        return _made(config, settings, key, board)
    except ValueError as error:
        if "own" not in settings:
            raise
        settings["sensors"] = own
        settings["unfit"] = str(error)
        return _made(config, settings, key, board)


def _made(config, settings, key, board):
    agent = Agent(settings, key, board)
    try:
        config.refuse_twins(agent.sensors)
    except ValueError:
        agent.outbox.close()
        raise
    return agent


def run(path="config.json"):
    """Run the agent of the configuration `path`; raises what it ended by."""
    try:
        agent = make(path)
    except ValueError as error:
        print("config:", error)
        # As Ctrl-C does, it leads to the prompt: a board that cannot work as it is must not restart for ever.
        raise KeyboardInterrupt(str(error)) from None
    asyncio.run(agent.run())
