"""A morning with a pile hammer, through every real part: from a sensor's bytes to a case that an officer can prove."""

import json
import math
import time
from pathlib import Path

import httpx
import pytest

from hub.wire.seal import authentic
from sim.city.city import CitySite
from sim.city.source import SimClock
from tests.hub.alerting import a_hook, run
from tests.hub.helpers import query
from tests.system.chain import Chain, until

SPEED = 360
TEN = 1795399200  # 2026-11-23 10:00 in Shanghai; the hammer rests from 11:30 to 13:30, and from 17:30
SITE = CitySite("pit", "nanhai", "Station pit", "车站基坑", "pile_driving")
BOARD = "pit-1"
RULE = "GB 12523-2025 laeq-day"


@pytest.fixture
def chain(micropython, mosquitto, tmp_path, free_port):
    clock = SimClock(TEN, time.time() + 1, SPEED)
    with a_hook() as hook, Chain(tmp_path, mosquitto.port, micropython, sites=(SITE,), clock=clock) as chain:
        chain.hook, chain.http = hook, free_port()
        configure(tmp_path, chain)
        yield chain


def configure(folder: Path, chain):
    """Serve the API, and tell one recipient in English and one in Chinese."""
    config = folder / "fenceline.toml"
    text = config.read_text("utf-8").replace("[http]\nport = 0", f"[http]\nport = {chain.http}")
    for lang in ("en", "zh"):
        (folder / f"{lang}-url").touch(0o600)
        (folder / f"{lang}-url").write_text(chain.hook.url(lang))
        text += (
            f'[[recipient]]\nname = "{lang}"\nlang = "{lang}"\nurl_file = "{lang}-url"\ntell = ["firing", "resolved"]\n'
        )
    config.write_text(text, "utf-8")


def test_an_exceedance_is_told_acknowledged_resolved_closed_and_can_be_proved(chain):
    made = run(chain.folder, "access", "add", "officer-2", "--role", "officer", "--json")
    token = json.loads(made.out)["token"]
    chain.start_hub()
    chain.start_board(BOARD)
    until(lambda: chain.hook.texts("zh"), f"the officer is told\n{chain.log('hub')}")
    with httpx.Client(
        base_url=f"http://127.0.0.1:{chain.http}/api/v1",
        headers={"authorization": f"Bearer {token}"},
        timeout=20,
        trust_env=False,
    ) as officer:
        (alert,) = officer.get("/alerts?state=firing").json()["alerts"]
        acknowledged = officer.post(f"/alerts/{alert['id']}/acknowledge", json={"text": "on my way"})
        assert acknowledged.json()["state"] == "acknowledged"

        def now():
            return officer.get(f"/alerts/{alert['id']}").json()

        until(lambda: now()["state"] == "resolved", "the site calms")
        until(lambda: told_all(now()), "both are told of it")
        closed = officer.post(f"/alerts/{alert['id']}/close", json={"text": "the hammer was stopped"})
        assert closed.json()["state"] == "closed"
        shown = officer.get(f"/alerts/{alert['id']}").json()
        page = officer.get(f"/alerts/{alert['id']}/messages?limit=500").json()
        chain.stop_boards()
        assert chain.terminate_hub() == 0, chain.log("hub")

    assert (shown["board"], shown["rule"], shown["severity"] in {"violation", "critical"}) == (BOARD, RULE, True)
    assert [(step["what"], step["who"]) for step in shown["steps"] if step["what"] not in {"early", "raised"}] == [
        ("firing", "hub"),
        ("acknowledged", "officer-2"),
        ("resolved", "hub"),
        ("closed", "officer-2"),
    ]
    times = [step["time"] for step in shown["steps"]]
    assert times == sorted(times)
    assert (shown["cited"]["standard"], shown["cited"]["value"], shown["cited"]["verified"]) == (
        "GB 12523-2025",
        70,
        "S",
    )
    arrived = [text for path, _, text in chain.hook.got if path == "/zh"]
    assert all(f"告警编号：{alert['id']}。" in text for text in arrived)
    assert len(arrived) == len(set(arrived)) == len([one for one in shown["notifications"] if one["recipient"] == "zh"])
    assert "车站基坑" in arrived[0]
    assert "《建筑施工噪声排放标准》" in arrived[0]
    assert "已解除：" in arrived[-1]
    prove(chain, shown, page)


def told_all(alert):
    """Tell whether every recipient has been sent every one of the alert's steps that people are told."""
    steps = [step["what"] for step in alert["steps"]]
    told = [one["state"] for one in alert["notifications"]]
    return told == ["sent"] * 2 * sum(steps.count(what) for what in ("firing", "raised", "resolved"))


def prove(chain, shown, page):
    """Compute the worst window again from the verbatim messages, after checking each one's MAC with the board's key."""
    key = bytes.fromhex(chain._keys[BOARD])
    log = {row["offset"]: row["payload"] for row in query(chain.folder / "data" / "log.db", "SELECT * FROM message")}
    assert page["cursor"] is None
    worst = max((w for w in shown["windows"] if w["outcome"] == "exceeded"), key=lambda w: w["value"])
    energy = seconds = 0.0
    for message in page["messages"]:
        assert message["payload"].encode() == log[message["offset"]]
        assert authentic(message["payload"].encode(), key)
        for reading in message["readings"]:
            if worst["start"] <= reading["t"] < worst["end"] and reading["flag"] == "N":
                energy += reading["dt"] * 10 ** (reading["value"] / 10)
                seconds += reading["dt"]
    assert seconds == pytest.approx(worst["capture"] * 1200)
    assert 10 * math.log10(energy / seconds) == pytest.approx(worst["value"], abs=1e-6)
    assert worst["value"] == shown["value"] > 70
