"""The deployed Mosquitto configuration with the real hub and real boards: TLS, and a certificate for each."""

import json

from sim.city.account import stored_in
from tests.conftest import require
from tests.deployed_broker import DeployedBroker
from tests.system.chain import Chain, until


def test_boards_on_micropython_and_the_hub_meet_over_tls(micropython, tmp_path):
    with Chain(tmp_path, 0, micropython) as chain:
        places = {board.id: f"{board.site.district}/{board.site.id}" for board in chain.boards}
        place = tmp_path / "mosquitto"
        place.mkdir()
        broker = DeployedBroker(require("mosquitto"), place, places)
        try:
            broker.wait()
            show_certificates(chain, broker)
            chain.start_hub()
            for name in places:
                chain.start_board(name)
            until(
                lambda: chain.in_log() > 20, f"messages in the log\n{chain.log('hub')}\n{chain.log(next(iter(places)))}"
            )
            chain.stop_boards()
            until(lambda: not chain.store_is_behind(), "the store has what the log has")
            assert chain.terminate_hub() == 0, chain.log("hub")
        finally:
            broker.stop()
        made = chain.records_made()
        assert made.total() > 12
        assert stored_in(tmp_path / "data" / "series.db") == made


def show_certificates(chain, broker):
    """Configure the hub and every board for the broker's port, with the certificate of each."""

    def paths(name):
        return {
            "ca": str(broker.certificates / "ca.crt"),
            "certificate": str(broker.certificates / f"{name}.crt"),
            "key": str(broker.certificates / f"{name}.key"),
        }

    config = chain.folder / "fenceline.toml"
    lines = [f"port = {broker.port}", 'client_id = "hub"', *(f"{k} = {json.dumps(v)}" for k, v in paths("hub").items())]
    config.write_text(config.read_text().replace("port = 0", "\n".join(lines), 1))
    for board in chain.boards:
        path = chain.folder / board.id / "config.json"
        settings = json.loads(path.read_text())
        settings["broker"] = {"host": "127.0.0.1", "port": broker.port, "tls": paths(board.id)}
        path.write_text(json.dumps(settings))
