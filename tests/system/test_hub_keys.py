"""A board's key is rotated over the air while it measures; hub, broker and board are killed in the middle of it."""

import json
from collections import Counter

import pytest

from sim.city.account import read_only
from tests.hub.alerting import run
from tests.system.chain import Chain, until
from tests.torture import in_log, made_by


@pytest.fixture
def chain(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        chain.start_hub()
        chain.start_board("pit-1")
        until(chain.in_log, f"first messages in the log\n{chain.log('pit-1')}")
        yield chain


def rotate(chain):
    ended = run(chain.folder, "orders", "send", "pit-1", "rotate-key", "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["id"]


def show(chain, id_):
    return json.loads(run(chain.folder, "orders", "show", id_, "--json").out)


def key_of(chain):
    """Return the key that the hub has for the board now, as `fenceline registry key` writes it for a technician."""
    out = chain.folder / "out.key"
    out.unlink(missing_ok=True)
    assert run(chain.folder, "registry", "key", "pit-1", "--out", str(out)).code == 0
    return out.read_text().strip()


def own_key(chain):
    return (chain.folder / "pit-1" / "key").read_text().strip()


def told(chain):
    return f"{chain.log('hub')[-3000:]}\n{chain.log('pit-1')[-3000:]}"


def in_force(chain, id_):
    return show(chain, id_)["ended"] and key_of(chain) == own_key(chain)


def refused(chain):
    with read_only(chain.folder / "data" / "log.db") as db:
        return db.execute("SELECT reason, count(*) FROM quarantine GROUP BY reason").fetchall()


def test_a_key_is_rotated_while_a_board_measures_and_nothing_of_it_is_refused_or_lost(chain, mosquitto):
    first = own_key(chain)
    config = chain.folder / "pit-1" / "config.json"
    settings = json.loads(config.read_text("utf-8"))
    settings["outbox"] = {**settings.get("outbox", {}), "keep": True}
    config.write_text(json.dumps(settings), "utf-8")

    id_ = rotate(chain)
    until(lambda: in_force(chain, id_), f"{show(chain, id_)}\n{told(chain)}")
    assert show(chain, id_)["state"] == "done", told(chain)
    second = own_key(chain)
    assert second != first

    id_ = rotate(chain)
    until(lambda: show(chain, id_)["state"] != "waiting", f"it is signed\n{told(chain)}")
    chain.kill("hub")
    chain.kill("pit-1")
    mosquitto.kill()
    mosquitto.start()
    chain.start_board("pit-1")
    chain.start_hub()
    until(lambda: show(chain, id_)["ended"], f"{show(chain, id_)}\n{told(chain)}")
    if show(chain, id_)["state"] != "done":  # the board was killed while it was at it, and says so
        id_ = rotate(chain)
    until(lambda: in_force(chain, id_), f"{show(chain, id_)}\n{told(chain)}")
    third = own_key(chain)
    assert third not in (first, second)
    # It is heard under it, whoever starts again, and forgets the one before.
    chain.kill("hub")
    chain.start_hub()
    before = chain.in_log()
    until(lambda: chain.in_log() > before + 3, f"messages come\n{told(chain)}")
    until(lambda: not (chain.folder / "pit-1" / "key.old").exists(), f"it forgets\n{told(chain)}")
    chain.kill("pit-1")
    chain.start_board("pit-1")
    until(lambda: waiting(chain) <= 2, f"every record arrives\n{told(chain)}")
    assert refused(chain) == []


def waiting(chain):
    """Return how many records of the board the log does not have."""
    made = made_by("pit-1", chain.outbox("pit-1"))
    return (made - Counter(in_log(chain.folder / "data" / "log.db"))).total()
