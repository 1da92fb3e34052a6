"""Starts the agent from one of two slots, and goes back to the other one when a new version does not become healthy.

This file goes on the board as main.py and is never part of an update there, so it is short and hardly ever changes. The
copy in each version (`edge.boot`) is what update.py writes the state with.

A slot is a folder `slots/a` or `slots/b` that holds `manifest.json` and a package `edge`. The state says which one is
known to work, which one is on trial and how often that was started. It is `{CRC-32 of the rest} {JSON}` in two files
that are written in turn, so that a cut within one leaves the other: the whole one with the higher `seq` counts. Nothing
depends on a rename being atomic. Keys that a newer version adds to the JSON are kept.

What it promises: a slot is started only when every file in it has the SHA-256 that its manifest says; a version on
trial is started at most MOST_STARTS times (a power cut during the trial counts as one) before the old one returns; with
no state left, both slots are tried. What it does not: that the only version left runs when its files are damaged (it
is started all the same), or that FAT survives a cut within the writing of one block (littlefs does).
"""

import hashlib
import json
import os
import sys
from binascii import crc32, hexlify

try:
    from sys import print_exception
except ImportError:
    from traceback import print_exception  # type: ignore[import-not-found, no-redef] # CPython

# MicroPython has none: there flush() writes through to the medium.
fsync = getattr(os, "fsync", lambda _file: None)

FOLDER = "slots"
SLOTS = ("a", "b")
STATES = ("state.0", "state.1")
MANIFEST = "manifest.json"
MOST_STARTS = 3  # of a version on trial
WATCHDOG = 300  # s from the start until the agent must have fed the watchdog, or set its own time


def digest(path):
    """Return the SHA-256 of a file in hexadecimal digits, or None when it can't be read."""
    content = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            piece = file.read(512)
            while piece:
                content.update(piece)
                piece = file.read(512)
    except OSError:
        return None
    return hexlify(content.digest()).decode()


def whole(path):
    """Tell whether the slot in the folder `path` has every file that its manifest names, unchanged."""
    try:
        with open(path + "/" + MANIFEST) as file:
            text = file.read()
        files = json.loads(text)["files"]
        # MicroPython takes JSON that ends before its last brace.
        if not files or text.count("{") != text.count("}"):
            return False
        return all(digest(path + "/" + name) == files[name]["sha256"] for name in files)
    except Exception:  # whatever is wrong with it
        return False


def other(slot):
    """Return the slot that is not `slot`."""
    return SLOTS[1 - SLOTS.index(slot)]


def read(folder):
    """Return the state as a dict, or None when there is none that makes sense.

    `seq`: number of the record; `run`: the slot that is known to work; `trial`: the slot on trial or ""; `starts`: how
    often that was started; `version`: of the last one put on trial; `last`: its last crash; `why`: why it was given
    up, until that is reported.
    """
    newest = None
    for name in STATES:
        try:
            with open(folder + "/" + name, "rb") as file:
                text = file.read(1024)
            state = json.loads(text[9:])
            if (
                text[:9] == b"%08x " % crc32(text[9:])
                and state["run"] in SLOTS
                and state["trial"] in SLOTS + ("",)
                and state["starts"] >= 0
                and state["seq"] > (newest["seq"] if newest else 0)
            ):
                newest = state
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return newest


def write(folder, state):
    """Make `state` the newest one; return False when the medium refuses it (the one before it then still counts)."""
    state["seq"] = state.get("seq", 0) + 1
    text = json.dumps(state).encode()
    try:
        with open(folder + "/" + STATES[state["seq"] % 2], "wb") as file:
            file.write(b"%08x " % crc32(text) + text)
            file.flush()
            fsync(file)
    except OSError as error:
        print("boot: state not written:", error)
        return False
    return True


def give_up(folder, state, reason):
    """End the trial: from the next start on the old version runs. `reason` is kept for the report."""
    last = state.get("last")
    state["why"] = "%s: %s%s" % (state.get("version", "?"), reason, "; last: " + last if last else "")
    state["trial"] = ""
    print("boot: gave up", state["why"])
    return write(folder, state)


def decide(folder):
    """Return the slot to start, or None when there is none. The start of one on trial has been counted for good."""
    state = read(folder)
    if state is None:
        found = [slot for slot in SLOTS if whole(folder + "/" + slot)]
        if not found:
            return None
        # Which of two was known to work is lost: one has to prove it, the other is there to go back to.
        state = {"run": found[-1], "trial": found[0] if len(found) > 1 else "", "starts": 0}
        if not state["trial"]:
            write(folder, state)
    trial = state["trial"]
    if trial:
        if state["starts"] >= MOST_STARTS:
            give_up(folder, state, "not healthy after %d starts" % state["starts"])
        elif not whole(folder + "/" + trial):
            give_up(folder, state, "files damaged")
        else:
            state["starts"] += 1
            if write(folder, state):
                return trial
            # A start that can't be counted could go on for ever.
    run = state["run"]
    if not whole(folder + "/" + run) and whole(folder + "/" + other(run)):
        state.update({"run": other(run), "trial": "", "why": "slot %s: files damaged" % run})
        write(folder, state)
        return other(run)
    return run


def reset():
    """Start again from power-up; a process ends, and whoever started it starts it again."""
    try:
        import machine

        machine.reset()
    except (ImportError, AttributeError):
        sys.exit(1)


def start(folder=FOLDER):
    """Run the agent, and reset when it ends or fails. Ctrl-C leads to the prompt, for a technician."""
    try:
        from machine import WDT

        # A version that hangs before its loop runs must not hang for ever. On the ESP32 there is one watchdog: the
        # agent's own machine.WDT(timeout=...) is this one with another time.
        WDT(timeout=WATCHDOG * 1000)
    except ImportError:
        pass  # a computer
    slot = decide(folder)
    if slot is None:
        print("boot: no whole version in", folder, "- install the board again")
        return
    sys.path.insert(0, folder + "/" + slot)
    try:
        from edge.main import run

        run()
    except Exception as error:
        print_exception(error)
        state = read(folder)
        if state and state["trial"] == slot:
            state["last"] = "%s: %s" % (error.__class__.__name__, str(error)[:100])
            write(folder, state)
    reset()


if __name__ == "__main__":
    start()
