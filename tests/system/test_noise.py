"""A board's day of noise: what its hub says was exceeded 10 % or 90 % of it, against what its meter said all day."""

import json
import subprocess
import time

from edge.aggregate import exceeded
from sim.city.account import read_only
from sim.city.city import CitySite, sensors_of, source_of
from sim.city.source import SimClock
from tests.board_process import FENCELINE
from tests.system.chain import Chain, until

SPEED = 2880
DAY = 86400
MIDNIGHT = 1795276800  # 2026-11-22 00:00 in Shanghai
SITE = CitySite("pit", "nanhai", "Station pit", "车站基坑", "night_pour")
ERROR = 0.25  # dB: what the hub states
RANKS = 1  # % of the levels of which it is not known whether they came before or after the end of a record


class Overheard:
    """A source that remembers which levels the meter told, and when."""

    def __init__(self, source):
        self._source = source
        self.told = []

    def value(self, channel, t):
        value = self._source.value(channel, t)
        if channel == "laf" and value is not None:
            self.told.append((t, round(value, 1)))
        return value


class Noisy(Chain):
    """A chain whose board samples its meter as often as it can."""

    def _sensors(self, board):
        self._period = 20.0
        self.heard = Overheard(source_of(board, (), self._clock))
        lines = sensors_of(board, self.heard, self._clock, self._period)
        return self._started(lines)


def test_percentiles_of_a_boards_day_are_those_of_its_meters_levels(mosquitto, micropython, tmp_path):
    clock = SimClock(MIDNIGHT, time.time() + 4, SPEED)
    with Noisy(tmp_path, mosquitto.port, micropython, sites=(SITE,), clock=clock) as chain:
        chain.start_hub()
        chain.start_board("pit-1")
        time.sleep(max(0, (MIDNIGHT + DAY - clock.now()) / SPEED))
        chain.stop_boards()
        until(lambda: not rolled_up_is_behind(tmp_path / "data"), f"all is rolled up\n{chain.log('hub')}")
        (told,) = noise(tmp_path, "--from", "2026-11-22", "--to", "2026-11-23")
        assert chain.terminate_hub() == 0, chain.log("hub")
        assert chain.quarantine() == []
        with read_only(tmp_path / "data" / "series.db") as db:
            query = "SELECT t / 60 FROM reading WHERE quantity = 'l50' AND flag = 'N' AND t >= ? AND t < ?"
            minutes = {minute for (minute,) in db.execute(query, (MIDNIGHT, MIDNIGHT + DAY))}
            rollups = dict(
                db.execute("SELECT quantity, value FROM rollup WHERE period = 86400 AND start = ?", (MIDNIGHT,))
            )
    levels = [level for t, level in chain.heard.told if t // 60 in minutes]
    print(len(minutes), "minutes,", len(levels), "levels", told)
    assert len(minutes) > 300  # on a slow machine the board is too late for some
    assert told["counted"] == round(len(minutes) * 60 / DAY, 4)
    for quantity, percent in (("l5", 5), ("l10", 10), ("l50", 50), ("l90", 90), ("l95", 95)):
        highest, lowest = exceeded(percent - RANKS)(levels), exceeded(percent + RANKS)(levels)
        assert lowest - ERROR <= told[quantity] <= highest + ERROR, quantity
        assert told[quantity] == rollups[quantity]
    assert told["l10"] > told["l50"] > told["l90"]  # which minutes were lost decides by how much


def rolled_up_is_behind(data):
    with read_only(data / "log.db") as log, read_only(data / "rollups.db") as rollups:
        end = log.execute("SELECT max(offset) FROM message").fetchone()[0]
        left = rollups.execute("SELECT count(*) FROM changed").fetchone()[0]
        return left or rollups.execute("SELECT offset FROM position").fetchone()[0] < end


def noise(folder, *options):
    command = [*FENCELINE, "noise", "--site", "pit", "--json", "--config", folder / "fenceline.toml", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *found, summary = map(json.loads, done.stdout.splitlines())
    assert summary == {"summary": True, "windows": len(found), "error_db": ERROR}
    return found
