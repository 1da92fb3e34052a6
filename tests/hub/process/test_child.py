"""A part of the hub in a process of its own: it is told, heard, started again, and ended; nobody waits for it."""

import os
import signal
import sys
import textwrap
import time
from contextlib import contextmanager

import pytest

from hub.process import child as module
from hub.process.child import Child

ECHO = """
    from contextlib import suppress
    from hub.process.child import job_of_child
    with suppress(EOFError):
        hub, job = job_of_child()
        hub.send_bytes(job.encode())
        print("what a library prints")
        while said := hub.recv_bytes():
            if said == b"die":
                raise SystemExit(7)
            hub.send_bytes(said)
"""
PATIENCE_S = 20


@pytest.fixture
def echo(tmp_path, monkeypatch):
    (tmp_path / "echo_for_tests.py").write_text(textwrap.dedent(ECHO))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    monkeypatch.setattr(module, "PAUSE", 0.05)

    @contextmanager
    def make(job="the job", patience=None):
        heard, ended = [], []
        child = Child("the echo", "echo_for_tests", lambda: job, heard.append, lambda: ended.append(True), patience)
        child.start()
        try:
            yield child, heard, ended
        finally:
            child.stop()

    return make


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_is_told_its_job_and_answers(echo, capfd):
    with echo() as (child, heard, ended):
        until(lambda: heard)
        child.send(b"one")
        child.offer(b"two")
        until(lambda: len(heard) == 3)
    assert heard == [b"the job", b"one", b"two"]
    assert ended == [True]
    assert child.process.returncode == 0
    assert not child.is_alive()
    printed = capfd.readouterr()
    assert (printed.out, "what a library prints" in printed.err) == ("", True)


@pytest.mark.parametrize("how", ["itself", "killed"])
def test_it_is_started_again_and_what_was_meant_for_the_other_start_is_not_sent(echo, how):
    with echo() as (child, heard, ended):
        until(lambda: heard)
        first = child.process.pid
        child.send(b"die") if how == "itself" else os.kill(first, signal.SIGKILL)
        until(lambda: len(heard) == 2)
        assert (child.starts, child.process.pid != first, ended) == (2, True, [True])
        child.send(b"old", start=1)
        child.send(b"new", start=2)
        until(lambda: len(heard) == 3)
    assert heard == [b"the job", b"the job", b"new"]


def test_a_process_that_stands_still_keeps_nobody_waiting_and_is_killed_in_the_end(echo):
    with echo(patience=0.2) as (child, heard, _):
        until(lambda: heard)
        os.kill(child.process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        for _ in range(20_000):
            child.offer(b"the log has grown" * 4)
        assert time.monotonic() - begin < PATIENCE_S
    assert child.process.returncode == -signal.SIGKILL


def test_a_stop_at_any_moment_of_the_start_ends_it(echo):
    for wait in (0, 0.001, 0.01, 0.1):
        with echo() as (child, _, _):
            time.sleep(wait)
        assert child.process.returncode == 0
