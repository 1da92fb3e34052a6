"""The hub is killed between an act and its page: the act is there once, and the form that comes again says so."""

import contextlib
import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.hub.alerting import AlertCity, write_files
from tests.hub.console.pages import Browser, Read, a_console
from tests.ports import free_port

THERE = "/console/alerts/1"
SERVED = """
import os, signal, sys
from pathlib import Path
from tests.hub.console import pages
import hub.alerts.book, hub.console.alert

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "committed":
    hub.console.alert.RedirectResponse = die
else:
    add = hub.alerts.book.Book.add_event
    hub.alerts.book.Book.add_event = lambda *given: (add(*given), die())
with pages.a_console(Path(sys.argv[1]), users=(), port=int(sys.argv[2])):
    print("up", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def served(config, port, dies):
    """Serve the console in a process of its own, which ends itself where `dies` says; give the process."""
    command = [sys.executable, "-c", SERVED, config, str(port), dies]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "up\n"
            yield process
            process.stdin.close()
            process.wait(60)
        finally:
            process.kill()


@pytest.mark.parametrize(("act", "dies", "there"), [("acknowledge", "committed", 1), ("comment", "written", 0)])
def test_an_act_is_done_once_however_the_hub_dies_and_its_form_may_come_again(tmp_path, act, dies, there):
    config, port, what = write_files(tmp_path), free_port(), {"acknowledge": "acknowledged"}.get(act, act)
    with AlertCity(tmp_path / "data", now=time.time()) as alerts:
        alerts.judge(74.0, start=int(alerts.now) - 1300)
        with a_console(config) as site:
            link = site.link("officer-2")
        browser = Browser(f"http://127.0.0.1:{port}")
        with contextlib.closing(browser.http):
            with served(config, port, dies) as process:
                browser.send(browser.read(f"/console/enter/{link}"), f"/console/enter/{link}")
                page = browser.read(THERE)
                with pytest.raises(httpx.TransportError):
                    browser.send(page, f"{THERE}/{act}", text="on my way")
                assert process.wait(60) == -signal.SIGKILL
            assert alerts.done().count(what) == there
            with a_console(config, users=(), port=port):
                again = browser.send(page, f"{THERE}/{act}", text="on my way")
                assert again.status_code == 303, "the browser sends the form again"
                shown = Read(browser.get(again.headers["location"]).text).text
                assert {"acknowledge": "Taken in hand.", "comment": "Your comment is on record."}[act] in shown
                assert shown.count("on my way") == 1
                refused = browser.send(page, f"{THERE}/{act}", text="I go now")
                assert refused.status_code == (409 if act == "acknowledge" else 303)
        assert alerts.done().count(what) == (1 if act == "acknowledge" else 2)
