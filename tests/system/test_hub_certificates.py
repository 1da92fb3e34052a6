"""A board with 112 KB of heap gets a new certificate over the air; one with which it is not let in goes back."""

import json
import shutil
from pathlib import Path

import pytest

from deploy.certificates import CLIENT, Authority, Pair
from tests.conftest import require
from tests.deployed_broker import DeployedBroker
from tests.hub.alerting import run
from tests.system.chain import Chain, until
from tests.system.test_day import build_agent
from tests.system.test_production import show_certificates

BOARD = "pit-1"
TRYING = str(Path(__file__).parent / "trying_board.py")


@pytest.fixture
def broker(tmp_path):
    place = tmp_path / "mosquitto"
    place.mkdir()
    broker = DeployedBroker(
        require("mosquitto"), place, {BOARD: "nanhai/pit", "pit-2": "nanhai/pit", "plant-1": "tianhe/plant"}
    )
    broker.wait()
    yield broker
    broker.stop()


@pytest.fixture
def chain(broker, micropython, tmp_path):
    (tmp_path / "city").mkdir()
    with Chain(tmp_path / "city", 0, micropython) as chain:
        show_certificates(chain, broker)
        path = chain.folder / BOARD / "config.json"
        settings = json.loads(path.read_text())
        for part, name in (("ca", "ca.crt"), ("certificate", "board.crt"), ("key", "board.key")):
            shutil.copy(settings["broker"]["tls"][part], chain.folder / BOARD / name)
            settings["broker"]["tls"][part] = name
        path.write_text(json.dumps(settings))
        chain.heap = "112k"
        chain.code = tmp_path / "bundle"
        build_agent(chain.code)
        chain.starts = (TRYING, "config.json", "120")
        chain.start_hub()
        chain.start_board(BOARD)
        until(chain.in_log, f"first messages in the log\n{told(chain)}")
        yield chain
        assert chain.quarantine() == []


def told(chain):
    return f"{chain.log('hub')[-3000:]}\n{chain.log(BOARD)[-3000:]}"


def made(folder, authority_folder):
    """Make a new certificate as `fenceline deploy board-certificate` does; return its three files."""
    folder.mkdir()
    Authority(authority_folder).issue(Pair(folder / "board.crt", folder / "board.key"), BOARD, CLIENT)
    shutil.copy(authority_folder / "ca.crt", folder / "ca.crt")
    return sorted(folder.glob("*"))


def send(chain, files):
    ended = run(chain.folder, "orders", "renew-certificate", BOARD, *map(str, files), "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["id"]


def show(chain, id_):
    return json.loads(run(chain.folder, "orders", "show", id_, "--json").out)


def outcome(chain, id_, seconds=60):
    until(lambda: show(chain, id_)["ended"], f"{show(chain, id_)}\n{told(chain)}", seconds)
    return show(chain, id_)["state"], show(chain, id_)["answer"]


def own(chain):
    return [(chain.folder / BOARD / name).read_bytes() for name in ("board.crt", "board.key", "ca.crt")]


def test_a_certificate_is_renewed_and_one_that_cuts_the_board_off_undoes_itself(chain, broker, tmp_path):
    first = own(chain)
    Authority(broker.certificates).renew()  # the authority's own, too
    files = made(tmp_path / "new", broker.certificates)
    assert outcome(chain, send(chain, files)) == ("done", "new certificate in force"), told(chain)
    second = own(chain)
    assert second == [path.read_bytes() for path in files]
    assert not set(first) & set(second)

    chain.kill(BOARD)
    chain.starts = (TRYING, "config.json", "3")
    chain.start_board(BOARD)

    # One of an authority that the broker does not know, and that does not know the broker's.
    Authority(tmp_path / "foreign").make()
    foreign = made(tmp_path / "other", tmp_path / "foreign")
    state, answer = outcome(chain, send(chain, foreign))
    assert (state, own(chain)) == ("refused", second)
    assert answer.startswith("certificate: not let in by the broker within 3 s")

    # Everything dies while the board is trying one.
    assert not (chain.folder / BOARD / "board.key.next").exists()
    id_ = send(chain, foreign)
    until((chain.folder / BOARD / "board.key.next").exists, f"it is tried\n{told(chain)}")
    chain.kill(BOARD)
    chain.kill("hub")
    broker.kill()
    broker.start()
    broker.wait()
    chain.start_board(BOARD)
    chain.start_hub()
    before = chain.in_log()
    until(lambda: chain.in_log() > before + 3, f"it measures and sends as before\n{told(chain)}")
    assert outcome(chain, id_)[0] == "refused"
    assert own(chain) == second
