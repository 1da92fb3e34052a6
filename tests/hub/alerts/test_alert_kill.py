"""The process that judges and notifies is killed (SIGKILL) again and again in the middle: no alert twice, none lost."""

import os
import signal
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edge import message
from hub.config.files import load_config
from hub.intake.admission import Admission
from hub.log.log import Log
from hub.process import child
from hub.registry.live import Board
from hub.run.consumers import Job
from sim.city.source import SimClock
from tests.hub.alerting import a_hook, until, write_files
from tests.hub.helpers import CITY, NOON, QUANTITIES, query, record

ROOT = Path(__file__).resolve().parent.parent.parent.parent
BOARDS = [f"post-{n}" for n in range(24)]
WINDOW = 1200
REGISTRY = msgspec.structs.replace(
    CITY,
    boards={id_: Board(id=id_, site="tower") for id_ in BOARDS},
    keys={id_: bytes([n + 1]) * 32 for n, id_ in enumerate(BOARDS)},
)


@pytest.fixture
def folder(tmp_path):
    """A hub whose log holds a loud window of each of many boards, none of them judged yet."""
    (tmp_path / "data").mkdir()
    write_files(
        tmp_path, '[alerts]\ndigest_above = 1000\n[[recipient]]\nname = "desk"\nlang = "en"\nurl_env = "DESK"\n'
    )
    boards = "".join(f'[[board]]\nid = "{id_}"\nsite = "tower"\n' for id_ in BOARDS)
    registry = (tmp_path / "registry.toml").read_text("utf-8")
    (tmp_path / "registry.toml").write_text(registry.partition("[[board]]")[0] + boards, "utf-8")
    (tmp_path / "keys.toml").write_text("".join(f'{id_} = "{key.hex()}"\n' for id_, key in REGISTRY.keys.items()))
    log = Log(tmp_path / "data" / "log.db")
    admission = Admission(REGISTRY, QUANTITIES, lambda: NOON + WINDOW + 60)
    for board in BOARDS:
        said = [telemetry(board, n) for n in range(WINDOW // 10 + 1)]
        log.commit([admission.judge(*one) for one in said], NOON + WINDOW)
    assert log.end() == len(BOARDS) * (WINDOW // 10 + 1)
    log.close()
    return tmp_path


def telemetry(board, n):
    """Return what a board says of the `n`-th interval of 10 s: topic and payload."""
    said = record(NOON + 10 * n, laeq=74.0).encode()
    text = b"".join(message.telemetry("0000abcd", n + 1, 1, 3, "ntp", [said])).decode()
    return f"fenceline/1/north/tower/{board}/telemetry", message.Signer(REGISTRY.keys[board]).seal(text)


def begin(folder, url):
    """Start the process at a moment that stands still, a minute after the windows' end."""
    clock = SimClock(NOON + WINDOW + 60, 0.0, 0.0)
    return child.begin(
        "hub.run.consumers",
        Job(load_config(folder / "fenceline.toml"), clock.now, "text"),
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DESK": url},
    )


def end(running, number):
    """End the process with a signal, or as a hub that is killed does; return what it said."""
    process, hub = running
    process.send_signal(number) if number else hub.close()
    process.wait(20)
    hub.close()
    with process.stderr as said:
        return said.read().decode()


def count(folder, sql):
    try:
        return query(folder / "data" / "compliance.db", f"SELECT count(*) AS n FROM {sql}")[0]["n"]
    except sqlite3.OperationalError:
        return 0  # it is only being made


def test_every_alert_fires_once_and_is_told_once_whenever_the_process_is_killed(folder):
    sent = "notification WHERE state = 'sent'"
    with a_hook() as hook:
        moments = [("verdict", 1), ("alert", 1), ("alert", 9), (sent, 3), (sent, 12)]
        for table, least in moments:
            process = begin(folder, hook.url())
            until(lambda table=table, least=least: count(folder, table) >= least, 40)
            assert "Traceback" not in end(process, signal.SIGKILL)
        process = begin(folder, hook.url())
        until(lambda: count(folder, "notification WHERE state <> 'waiting'") == len(BOARDS), 40)
        until(lambda: count(folder, "notification WHERE state = 'sending'") == 0)
        assert "Traceback" not in end(process, None)
        texts = hook.texts()

    compliance = folder / "data" / "compliance.db"
    alerts = query(compliance, "SELECT device, state, exceeded, value FROM alert")
    assert sorted(alert["device"] for alert in alerts) == sorted(BOARDS)
    assert {(alert["state"], alert["exceeded"], round(alert["value"], 6)) for alert in alerts} == {("firing", 1, 74.0)}
    steps = Counter(step["alert"] for step in query(compliance, "SELECT alert FROM alert_step WHERE what = 'firing'"))
    assert set(steps.values()) == {1}
    verdicts = query(compliance, "SELECT device, start, outcome, revision FROM verdict")
    assert Counter(v["device"] for v in verdicts if v["outcome"] == "exceeded" and v["revision"] == 1) == dict.fromkeys(
        BOARDS, 1
    )
    told = Counter(next(board for board in BOARDS if f"board {board})" in text) for text in texts)
    sql = "SELECT a.device FROM notification n JOIN alert a ON a.id = n.alert WHERE n.state = 'unknown'"
    left_alone = {row["device"] for row in query(compliance, sql)}  # killed twice in the moment when it was sent
    assert told.keys() | left_alone == set(BOARDS)
    repeated = {board for board in BOARDS if told[board] > 1}
    admitted = {
        board for board in BOARDS for text in texts if f"board {board})" in text and "Possibly repeated" in text
    }
    assert repeated <= admitted, "what came twice says that it may be a repetition"
    assert len(admitted) <= len(moments)
