"""A board with software on it, made once for all tests of a technician's work."""

import pytest

from tests.conftest import require
from tests.firmware.benchtop import Bench


@pytest.fixture(scope="session")
def installed_flash(tmp_path_factory):
    """The flash of a board on which `fenceline board install` was run."""
    require("micropython")
    bench = Bench(tmp_path_factory.mktemp("installed"))
    bench.plug()
    bench.ok("install")
    bench.board.stop()
    return bench.board.folder / "flash.bin"


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FENCELINE_HOME", str(tmp_path / "laptop"))
    monkeypatch.setenv("FENCELINE_LANG", "en")
    for name in ("FENCELINE_HUB", "FENCELINE_TOKEN_FILE", "FENCELINE_WHO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bench(tmp_path, installed_flash):
    """A bench whose board has software, and is switched on."""
    bench = Bench(tmp_path, installed_flash)
    bench.plug()
    yield bench
    bench.board.stop()


@pytest.fixture
def other_bench(tmp_path, installed_flash):
    """A second bench, whose board has software, and is switched on."""
    bench = Bench(tmp_path / "other", installed_flash)
    bench.plug()
    yield bench
    bench.board.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, installed_flash):
    """A bench with a provisioned board that the tests of one file share: they leave it provisioned."""
    bench = Bench(tmp_path_factory.mktemp("shared"), installed_flash)
    bench.plug()
    bench.provision("pit-1", "--sensor", "stack")
    yield bench
    bench.board.stop()
