"""A board with a full outbox is moved to a site in another district: through real parts, with a kill in between."""

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from sim.city.account import made_by, made_count, read_only, stored_in
from tests.system.chain import Chain, until

FENCELINE = Path(sys.executable).parent / "fenceline"


def sites_in(store):
    """Return (device, t) and the site of every record in the embedded store."""
    with read_only(store) as db:
        rows = db.execute("SELECT DISTINCT device, t, district, site FROM reading").fetchall()
    found = {(device, t): (district, site) for device, t, district, site in rows}
    assert len(found) == len(rows), "no moment counts at two sites"
    return found


def test_a_full_outbox_counts_where_it_was_filled(mosquitto, micropython, tmp_path):
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        board = chain.boards[0].id
        chain.start_hub()
        chain.start_board(board)
        until(lambda: chain.in_log() > 3, f"first messages in the log\n{chain.log('hub')}")
        chain.kill("hub")  # from here on the outbox fills
        made = made_count(chain.outbox(board))
        until(lambda: made_count(chain.outbox(board)) > made + 4, "the board goes on measuring")
        chain.kill(board)
        left = max(t for _, t, *_ in made_by(board, chain.outbox(board)))  # its newest record is made in the van
        came = int(time.time()) + 1
        until(lambda: time.time() > came, "the van arrives")

        config = tmp_path / board / "config.json"
        told = json.loads(config.read_text()) | {"district": "tianhe", "site": "plant"}
        config.write_text(json.dumps(told))
        times = [datetime.fromtimestamp(t, UTC).isoformat() for t in (came, left)]
        move = [FENCELINE, "registry", "move", board, "--to", "plant", "--at", times[0], "--left", times[1]]
        subprocess.run([*move, "--config", tmp_path / "fenceline.toml"], check=True, stdout=subprocess.DEVNULL)
        logged = chain.in_log()
        chain.start_hub()
        chain.start_board(board)
        until(lambda: chain.in_log() > logged, f"the outbox is sent\n{chain.log('hub')}")
        chain.kill("hub")
        chain.start_hub()
        logged = chain.in_log()
        until(lambda: chain.in_log() > logged + 2, f"the hub goes on after SIGKILL\n{chain.log('hub')}")
        (chain.outbox(board) / "stop").touch()
        until(lambda: not chain.runs(board), "the board has sent everything")
        until(
            lambda: {reason for _, reason in chain.quarantine()} == {"nowhere"}, f"judged again\n{chain.quarantine()}"
        )
        until(lambda: not chain.store_is_behind(), "the store has what the log has")
        assert chain.terminate_hub() == 0, chain.log("hub")

        records = Counter(made_by(board, chain.outbox(board)))
        standing = {one: n for one, n in records.items() if not left <= one[1] < came}
        assert len(standing) < len(records), "some were made on the way"
        store = tmp_path / "data" / "series.db"
        assert stored_in(store) == standing, "each record once, and none of those made on the way"
        assert sites_in(store) == {
            (device, t): ("nanhai", "pit") if t < left else ("tianhe", "plant") for device, t, *_ in standing
        }
