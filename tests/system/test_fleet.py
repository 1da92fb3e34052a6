"""A new version from its signing to real agents and back: waves, bundles over HTTP from the hub, boot.py, trials.

With FENCELINE_TRANSCRIPT=FILE what was typed and answered is written there: so docs/waves.md has it.
"""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from firmware.software import signature
from tests.hub.alerting import run
from tests.system.chain import ROOT, Chain, until
from tests.system.test_update_agent import bundle, running, versions_heard

OLD, NEW = "0.1.9", "0.2.0"


@pytest.fixture
def chain(mosquitto, micropython, free_port, tmp_path, monkeypatch):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        chain.starts = ("main.py",)
        config = tmp_path / "fenceline.toml"
        port = free_port()
        text = config.read_text().replace("[http]\nport = 0", f"[http]\nport = {port}")
        address = f"http://127.0.0.1:{port}/bundles"
        config.write_text(f'{text}\n[fleet]\ntrusted = "bundle.pub"\naddress = "{address}"\n')
        monkeypatch.setenv("FENCELINE_LANG", "en")
        monkeypatch.setenv("LOGNAME", "zhang")
        yield chain


def typed(chain, *words):
    """Type a command as a person does, and keep it with its answer."""
    ended = run(chain.folder, "fleet", *words)
    assert ended.code == 0, ended.err
    if path := os.environ.get("FENCELINE_TRANSCRIPT"):
        line = " ".join(["$ fenceline fleet", *(Path(word).name if "/" in word else word for word in words)])
        with Path(path).open("a") as file:
            file.write(f"{line}\n{ended.out}\n")
    return ended.out


def fleet(chain, *words):
    ended = run(chain.folder, "fleet", *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_version_that_fails_on_one_board_halts_and_real_agents_go_back(chain, tmp_path):
    """The canary works, the second board crashes, the third is never told; then all run what they ran before."""
    key = tmp_path / "bundle.key"
    signature.make_key(key)
    canary, bad, third = sorted(
        (board.id for board in chain.boards), key=lambda name: hashlib.sha256(f"1 {name}".encode()).digest()
    )
    old, new = bundle(tmp_path, OLD), bundle(tmp_path, NEW, crashes_at=bad)
    for folder in (old, new):
        signature.sign(folder, key)
    for board in chain.boards:
        shutil.copytree(old, tmp_path / board.id / "slots" / "a")
        shutil.copy(ROOT / "edge" / "boot.py", tmp_path / board.id / "main.py")
        chain.start_board(board.id)
    chain.start_hub()
    until(
        lambda: chain.in_log() and versions_heard(chain).count(OLD) >= 3,
        f"all are heard\n{chain.log(canary)}\n{chain.log('hub')}",
    )
    for folder in (old, new):
        typed(chain, "add", str(folder))
    begun = typed(chain, "update", NEW, "--wave", "1,60,100", "--tolerate", "0", "--watch", "0.1")
    assert f"{NEW}: begun" in begun

    shown = []

    def over():
        time.sleep(0.3)  # a look costs more than a board's start
        for board in chain.boards:
            if not chain.runs(board.id):
                chain.start_board(board.id)  # its reset
        now = fleet(chain, "status")
        if now["wave"] == 2 and not shown:
            shown.append(typed(chain, "status"))
        return now["state"] != "running" and now["boards"] == {"returned": 2, "waiting": 1}

    logs = "\n".join(chain.log(board.id)[-1500:] for board in chain.boards)
    until(over, f"{fleet(chain, 'status')}\n{chain.log('hub')[-3000:]}\n{logs}", 150)
    assert f"{NEW}: halted: wave 2" in typed(chain, "status")
    status = fleet(chain, "status")
    assert (status["state"], status["wave"]) == ("halted", 2)
    assert (
        f"wave 2: 1 of 1 boards failed, 0 may: {bad}: {NEW}: not healthy after 3 starts; last: RuntimeError"
        in status["why"]
    )
    assert [step["what"] for step in status["steps"]] == ["begun", "wave", "halted"]
    until(
        lambda: running(tmp_path / canary) == ("a", ""), f"the canary is back for good\n{chain.log(canary)[-2000:]}", 30
    )
    assert [running(tmp_path / name) for name in (bad, third)] == [("a", ""), ("a", "")]
    assert chain.quarantine() == []
    assert f"{NEW}: under way, wave 2 of 3" in shown[0]
