"""Orders of people through the whole chain: command line, hub, broker, a real board; whatever is killed meanwhile."""

import json
import time

import pytest

from sim.city.account import read_only
from tests.hub.alerting import run
from tests.system.chain import Chain, until


@pytest.fixture
def chain(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        chain.start_hub()
        chain.start_board("pit-1")
        until(chain.in_log, f"first messages in the log\n{chain.log('pit-1')}")
        yield chain
        assert chain.quarantine() == []


def send(chain, *words):
    ended = run(chain.folder, "orders", "send", "pit-1", *words, "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["id"]


def show(chain, id_):
    return json.loads(run(chain.folder, "orders", "show", id_, "--json").out)


def ended(chain, id_, seconds=60):
    """Wait until an order is over; return state, answer and how often it was signed."""
    until(
        lambda: show(chain, id_)["ended"],
        f"{show(chain, id_)}\n{chain.log('hub')[-3000:]}\n{chain.log('pit-1')[-2000:]}",
        seconds,
    )
    order = show(chain, id_)
    return order["state"], order["answer"], order["attempts"]


def test_orders_reach_a_board_and_come_back_answered_whatever_is_killed(chain, mosquitto):
    contact = chain.outbox("pit-1") / "relay"
    assert ended(chain, send(chain, "relay", "--on", "--minutes", "5")) == ("done", "relay on", 1)
    assert contact.read_text() == "1"

    id_ = send(chain, "relay", "--off")
    until(lambda: show(chain, id_)["state"] != "waiting", "it is signed")
    chain.kill("hub")  # it was signed, and perhaps sent
    time.sleep(0.5)
    chain.start_hub()
    assert ended(chain, id_) == ("done", "relay off", 1)
    assert contact.read_text() == "0"

    mosquitto.kill()
    selftest, ping = send(chain, "selftest"), send(chain, "ping")
    time.sleep(1)
    mosquitto.start()
    assert ended(chain, selftest)[:2] == ("done", "dust N, noise N, tsp N")
    assert ended(chain, ping)[:2] == ("done", "pong")

    chain.kill("pit-1")
    reboot = send(chain, "reboot")
    until(lambda: show(chain, reboot)["state"] == "sent", "it is signed")
    chain.start_board("pit-1")
    until(lambda: not chain.runs("pit-1"), f"the board resets\n{chain.log('pit-1')[-2000:]}")
    chain.start_board("pit-1")
    assert ended(chain, reboot)[:2] == ("done", "starting again")
    time.sleep(1)
    assert chain.runs("pit-1")
    events = [step["what"] for step in show(chain, reboot)["steps"]]
    assert events == ["given", "signed", "done"]


def test_a_board_works_as_the_hub_says_also_when_it_was_away_and_the_broker_has_forgotten(chain, mosquitto):
    def desired():
        return json.loads(run(chain.folder, "orders", "config", "show", "pit-1", "--json").out)

    def in_force(interval):
        found = desired()
        return found["state"] == "in_force" and found["reported"] == {"interval": interval}

    assert run(chain.folder, "orders", "config", "set", "pit", "interval=2", "--site").code == 0
    until(lambda: in_force(2), f"the board has said so\n{chain.log('pit-1')}", 30)
    chain.kill("pit-1")
    assert run(chain.folder, "orders", "config", "set", "pit-1", "interval=5").code == 0
    until(lambda: desired()["revision"] and desired()["state"] == "pending", "it is told")
    chain.kill("hub")
    mosquitto.kill()
    mosquitto.start()
    chain.start_board("pit-1")
    chain.start_hub()
    until(lambda: in_force(5), f"the board has said so\n{chain.log('pit-1')}\n{chain.log('hub')[-2000:]}", 60)
    assert desired()["diff"] == []

    # A technician writes another file at the fence, while the hub is away: it is taken over, not fought.
    chain.kill("hub")
    chain.kill("pit-1")
    path = chain.folder / "pit-1" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"interval": 10}), "utf-8")
    chain.start_board("pit-1")
    chain.start_hub()
    until(lambda: in_force(10), "the hub has taken it over", 100)
    assert desired()["overrides"] == {"interval": 10}


def test_a_site_s_template_gives_its_boards_other_sensors_and_brokers_and_a_dead_one_cuts_nobody_off(chain):
    def desired():
        return json.loads(run(chain.folder, "orders", "config", "show", "pit-1", "--json").out)

    def in_force():
        found = desired()
        return found["state"] == "in_force" and not found["diff"]

    def last(kind):
        with read_only(chain.folder / "data" / "log.db") as db:
            query = "SELECT payload FROM message WHERE topic LIKE ? ORDER BY offset DESC LIMIT 1"
            found = db.execute(query, (f"%/pit-1/{kind}",)).fetchone()
        return json.loads(found[0]) if found else None

    own = json.loads((chain.folder / "pit-1" / "config.json").read_text("utf-8"))["sensors"]
    noise = [one for one in own if one["name"] == "noise"]
    wanted = [
        f"sensors={json.dumps(noise)}",
        'brokers=["127.0.0.1:1"]',
        "raw=true",
        'outbox={"max_bytes": 65536}',
        "interval=2",
    ]
    assert run(chain.folder, "orders", "config", "set", "pit", "--site", *wanted, "--reason", "noise only").code == 0
    until(lambda: not chain.runs("pit-1"), f"the board starts again\n{chain.log('pit-1')[-2000:]}", 60)
    chain.start_board("pit-1")
    until(in_force, f"it has said so, at its own broker\n{chain.log('pit-1')[-2000:]}", 60)
    until(lambda: last("status")["sensors"].keys() == {"noise"}, "it measures noise alone", 30)
    # On a slow machine the board was started again before its first record.
    until(lambda: last("telemetry") and "pm10" not in last("telemetry")["records"][-1]["v"], "no dust in records", 30)
    assert desired()["sources"]["sensors"] == "site"

    # Settings that its drivers would refuse reach nobody.
    wrong = json.dumps([noise[0] | {"registers": [{"channel": "loudness", "register": 0}]}])
    ended = run(chain.folder, "orders", "config", "set", "pit", "--site", f"sensors={wrong}")
    assert ended.code == 2
    assert all(words in ended.err for words in ("pit-1", "boards would refuse it: sensors: ", "'loudness'")), ended.err
    assert in_force()
