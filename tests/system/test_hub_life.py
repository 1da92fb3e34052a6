"""What the city's IT does to a hub, or meets with it: a disk that fills up, a district that moves to another hub."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sim.city.account import stored_in
from tests.system.chain import Chain, until

BALLAST = 64 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MB, which a hub's databases do not fill by themselves in a test."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk):
    """Write until there is no room; return what has to go to make room again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BALLAST))
    assert shutil.disk_usage(disk).free < BALLAST
    return ballast


def test_a_full_disk_costs_no_record_and_the_hub_goes_on_when_there_is_room(
    mosquitto, micropython, small_disk, tmp_path
):
    city = tmp_path / "city"
    city.mkdir()
    with Chain(city, mosquitto.port, micropython) as chain:
        (city / "data").symlink_to(small_disk)
        chain.start_hub()
        for board in chain.boards:
            chain.start_board(board.id)
        until(lambda: chain.in_log() > 6, f"the hub hears the boards\n{chain.log('hub')}")

        ballast = fill(small_disk)
        full = "the log cannot be written: the disk is full: nothing is acknowledged until it can"
        until(lambda: full in chain.log("hub"), f"the hub says what is wrong\n{chain.log('hub')}")
        logged, made = chain.in_log(), chain.made()
        until(lambda: chain.made() > made + 9, "boards go on measuring")
        assert chain.in_log() == logged
        assert chain.runs("hub")

        ballast.unlink()
        until(lambda: chain.in_log() > logged + 3, f"the hub goes on by itself\n{chain.log('hub')}")
        assert "the log can be written again" in chain.log("hub")
        chain.stop_boards()
        until(lambda: not chain.store_is_behind(), f"the store has what the log has\n{chain.log('hub')}")
        assert chain.terminate_hub() == 0, chain.log("hub")
        assert stored_in(city / "data" / "series.db") == chain.records_made()
        assert chain.quarantine() == []


def test_with_little_room_the_hub_stops_taking_before_anything_fails(mosquitto, micropython, small_disk, tmp_path):
    city = tmp_path / "city"
    city.mkdir()
    with Chain(city, mosquitto.port, micropython) as chain:
        (city / "data").symlink_to(small_disk)
        with (city / "fenceline.toml").open("a") as config:
            config.write("[keep]\nfree_mb = 5.0\nfree_percent = 100.0\n")
        chain.start_hub()
        for board in chain.boards:
            chain.start_board(board.id)
        until(lambda: chain.in_log() > 6, f"the hub hears the boards\n{chain.log('hub')}")

        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 4_000_000)
        low = "([keep] free_mb, free_percent); nothing is committed and acknowledged until there is room"
        until(lambda: low in chain.log("hub"), f"the hub says what is wrong\n{chain.log('hub')}")
        logged, made = chain.in_log(), chain.made()
        until(lambda: chain.made() > made + 9, "boards go on measuring")
        assert chain.in_log() == logged
        assert "cannot be written" not in chain.log("hub")

        ballast.unlink()
        until(lambda: chain.in_log() > logged + 3, f"the hub goes on by itself\n{chain.log('hub')}")
        chain.stop_boards()
        until(lambda: not chain.store_is_behind(), f"the store has what the log has\n{chain.log('hub')}")
        assert chain.terminate_hub() == 0, chain.log("hub")
        assert stored_in(city / "data" / "series.db") == chain.records_made()
        assert chain.quarantine() == []


class Worker:
    """A hub that owns some of the districts, with the configuration of the chain but data of its own."""

    def __init__(self, chain, data, districts):
        self.data = data
        text = (chain.folder / "fenceline.toml").read_text().replace('data = "data"', f'data = "{data.name}"')
        config = chain.folder / f"{data.name}.toml"
        config.write_text(text)
        self._log = (chain.folder / f"{data.name}-{districts}.log").open("wb")
        command = [Path(sys.executable).parent / "fenceline", "run", "--config", config, "--districts", districts]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def said(self):
        return Path(self._log.name).read_text()

    def holds(self, district):
        """Return the records of a district in this worker's store."""
        path = self.data / district / "series.db"
        try:
            return stored_in(path) if path.exists() else Counter()
        except sqlite3.OperationalError:  # its tables are being made
            return Counter()

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
        assert self._process.wait(timeout=20) == 0, self.said()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()


def test_a_district_moves_to_another_hub_without_loss(mosquitto, micropython, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    with Chain(tmp_path, mosquitto.port, micropython) as chain:
        of_tianhe = [board.id for board in chain.boards if board.site.district == "tianhe"]
        with Worker(chain, first, "nanhai,tianhe") as worker:
            for board in chain.boards:
                chain.start_board(board.id)
            until(lambda: worker.holds("nanhai") and worker.holds("tianhe"), f"both are heard\n{worker.said()}")
            worker.stop()

        made = chain.made()
        until(lambda: chain.made() > made + 6, "boards go on measuring without a hub")
        second.mkdir()
        (first / "tianhe").rename(second / "tianhe")
        with Worker(chain, first, "nanhai") as stays, Worker(chain, second, "tianhe") as moved:
            before = moved.holds("tianhe").total()
            until(lambda: moved.holds("tianhe").total() > before + 3, f"it goes on elsewhere\n{moved.said()}")
            chain.stop_boards()
            made = chain.records_made()
            by_district = {"nanhai": Counter(), "tianhe": Counter()}
            for record, times in made.items():
                by_district["tianhe" if record[0] in of_tianhe else "nanhai"][record] += times
            for worker, district in ((stays, "nanhai"), (moved, "tianhe")):
                until(
                    lambda worker=worker, district=district: worker.holds(district) == by_district[district],
                    f"{district}: every record once\n{worker.said()}",
                )
            stays.stop()
            moved.stop()
        assert not (second / "nanhai").exists()
        assert not (first / "tianhe").exists()
