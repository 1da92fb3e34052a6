"""`fenceline board install` on a real MicroPython with littlefs, cut at many places."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from firmware.link.errors import BoardCodeError
from firmware.link.link import Link
from firmware.software.bundle import Arch, build
from firmware.software.cli import EDGE
from firmware.software.identity import identify
from firmware.software.install import install
from firmware.terminal.speech import FieldError
from sim.interpreter import interpreter_name
from tests.board_process import FENCELINE, BoardFork, here
from tests.json_lines import rows_of

BOOT = (EDGE / "boot.py").read_bytes()
STARTS = "import main; s = main.decide('slots'); print(s, main.whole('slots/' + s))"


def source(folder, version, extra="", ends="while True: time.sleep(1)"):
    """Return a small package `edge` that a board can start."""
    package = folder / version / "edge"
    (package / "drivers").mkdir(parents=True)
    (package / "__init__.py").write_text(f"VERSION = '{version}'\n")
    (package / "main.py").write_text(f"import time\n\ndef run():\n    {ends}\n" + extra)
    (package / "drivers" / "__init__.py").write_text("")
    (package / "drivers" / "dust.py").write_text("".join(f"def read_{n}():\n    return {n}\n" for n in range(60)))
    return package


@pytest.fixture
def arch(micropython):
    return Arch.X86 if "32-bit" in interpreter_name(micropython) else Arch.X64


@pytest.fixture
def bundle(tmp_path, arch):
    """A function that builds a bundle of a version."""

    def make(version, **how):
        out = tmp_path / f"bundle-{version}"
        build(source(tmp_path, version, **how), out, arch)
        manifest = json.loads((out / "manifest.json").read_text())
        (out / "manifest.json").write_text(json.dumps({**manifest, "version": version}))
        return out

    return make


def put(board, folder):
    with Link.open(board.port) as link:
        return install(link, folder, BOOT)


def told(board):
    """Return what `list` says of the board: version, and whether boot.py would start a whole slot."""
    listed = rows_of(board.run("list", "--json").stdout)[0]
    assert listed["problem"] is None, listed["problem"]
    return listed["runs"]


def starts(board):
    with Link.open(board.port) as link:
        return link.run(STARTS).split()


def test_a_bare_board_gets_the_software_and_a_second_time_nothing_is_sent(plug):
    board = plug()

    first = json.loads(board.run("install", "--json").stdout)
    assert first["sent_files"] == first["files"] > 30
    assert re.fullmatch(r"MicroPython 1\.\d+\.\d+, Fenceline \d+\.\d+\.\d+", told(board))

    second = json.loads(board.run("install", "--json").stdout)
    assert (second["sent_files"], second["copied_files"]) == (0, 0)
    assert second["wire_bytes"] < first["wire_bytes"] / 4
    answer = board.run("install", "--lang", "zh")
    assert "设备上已是Fenceline" in answer.stdout


def test_the_installed_board_is_at_its_prompt_until_it_is_provisioned(plug):
    """It must not restart for ever."""
    board = plug()
    assert board.run("install").returncode == 0
    with Link.open(board.port) as link, pytest.raises(BoardCodeError, match="provision the board: fenceline board"):
        link.run("import main; main.start('slots')")


def test_a_program_that_was_there_before_is_set_aside_and_told(plug, bundle):
    board = plug()
    with Link.open(board.port) as link:
        link.write("/main.py", b"print('coffee machine')\n")
    answer = board.run("install")
    assert "A main.py that is not ours was there; it is now /main.before.py." in answer.stdout
    with Link.open(board.port) as link:
        assert link.read("/main.before.py") == b"print('coffee machine')\n"
        assert link.read("/main.py") == BOOT
    assert put(board, bundle("0.2.0")).set_aside is None


def test_of_a_change_only_the_changed_file_goes_over_the_wire(plug, bundle):
    board = plug()
    put(board, bundle("0.2.0"))
    done = put(board, bundle("0.2.1", extra="\n\ndef again():\n    return 1\n"))
    # edge/__init__ with the version and edge/main
    assert (done.slot, done.sent_files, done.copied_files) == ("b", 2, 2)
    assert "Fenceline 0.2.1" in told(board)
    assert starts(board) == ["b", "True"]
    assert put(board, bundle("0.2.2")).slot == "a"
    assert starts(board) == ["a", "True"]


@pytest.fixture
def board_here(tmp_path, micropython):
    board = BoardFork(tmp_path / "board")
    yield board
    board.stop()


@pytest.fixture
def cut(board_here, bundle):
    """A function that installs 0.2.0 with a fault, then again without, and returns what the board started between.

    `before`: the version that the board had, if any.
    """
    new = bundle("0.2.0", extra="\n\ndef again():\n    return 1\n")
    old = bundle("0.1.9")
    board, flash = board_here, board_here.folder / "flash.bin"
    images = {}

    def image(before):
        if before not in images:
            board.start()
            if before:
                put(board, old)
            board.stop()
            images[before] = flash.read_bytes()
        return images[before]

    def install_cut(fault, before):
        content = image(before)
        flash.write_bytes(content)
        failure = None
        board.start("--fault", fault)
        try:
            put(board, new)
        except FieldError as error:
            failure = str(error)
        board.start()
        with Link.open(board.port) as link:
            between = link.run(STARTS).split() if before else None
            install(link, new, BOOT)
            assert link.run(STARTS).split()[1] == "True"
            assert identify(link).fenceline == "0.2.0"
        board.stop()
        return failure, between

    return install_cut


@pytest.mark.parametrize("before", [False, True])
def test_after_a_pulled_cable_the_old_version_starts_and_the_install_goes_on(cut, before):
    for at in range(100, 3601, 500) if before else range(400, 5201, 600):
        failure, between = cut(f"cable-pull@{at}", before)
        assert "was lost: the cable was pulled" in (failure or ""), at
        assert between == (["a", "True"] if before else None)


def test_after_a_pulled_cable_a_board_that_kept_its_power_is_installed_by_the_same_command(plug):
    board = plug("--fault", "cable-pull@20000")
    cut_off = board.run("install")
    assert "was lost: the cable was pulled" in cut_off.stderr
    answer = board.run("install")
    assert answer.returncode == 0, answer.stderr
    assert starts(board)[1] == "True"


@pytest.mark.parametrize("left", [0, 4096])
def test_a_board_that_is_full_before_anything_is_installed_says_so(plug, left):
    board = plug("--fault", f"full-disk@{left}")
    for _ in range(2):
        answer = board.run("install")
        assert answer.returncode == 2
        assert re.search(r"the (file system of the )?board at \S+ is full", answer.stderr)
        assert "flash --image" not in answer.stderr


@pytest.mark.parametrize("before", [False, True])
def test_after_a_power_cut_within_any_change_of_flash_the_install_goes_on(cut, before):
    struck = 0
    for count in range(1, 56, 6) if before else range(22, 100, 10):
        failure, between = cut(f"power-cut@{count}", before)
        struck += failure is not None
        assert failure is None or "was lost" in failure or "restarted in the middle" in failure
        assert between is None or between[1] == "True"
    assert struck > 5


def test_a_board_that_restarts_again_and_again_can_be_installed_anew(plug, bundle):
    board = plug()
    put(board, bundle("0.2.0", ends="return"))
    board = plug()  # run() returns, boot.py resets, run() returns ...
    put(board, bundle("0.2.1"))
    assert starts(board) == ["b", "True"]


def test_a_full_board_says_so_and_keeps_what_it_had(plug, bundle):
    put(plug(), bundle("0.1.9"))
    board = plug("--fault", "full-disk@8192")
    answer = board.run("install")
    assert answer.returncode == 2
    assert re.search(r"is full: /slots/b needs \d+ bytes and \d+ are left", answer.stderr)
    assert starts(board) == ["a", "True"]


def test_ctrl_c_says_what_the_board_starts_now(plug, bundle):
    put(plug(), bundle("0.1.9"))
    board = plug("--fault", "slow@115200")
    process = subprocess.Popen(
        [*FENCELINE, "board", "install", "--port", board.port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"FENCELINE_LANG": "en"},
    )
    deadline = time.monotonic() + 20
    while b"agent.mpy" not in (board.folder / "flash.bin").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Stopped. The board starts what it had before (0.1.9); what has arrived is kept." in said
    assert starts(plug()) == ["a", "True"]


def test_a_bundle_from_a_folder_must_be_signed_by_the_key_that_is_trusted(plug, tmp_path, arch):
    board = plug()
    key, out = tmp_path / "bundle.key", tmp_path / "out"
    assert here("board", "bundle-key", "--out", str(key)).returncode == 0
    assert key.stat().st_mode & 0o077 == 0
    assert here("board", "bundle", "--arch", arch, "--out", str(out)).returncode == 0

    unsigned = board.run("install", "--bundle", str(out), "--trusted", str(key.with_suffix(".pub")))
    assert unsigned.returncode == 2
    assert "is not signed with the key of" in unsigned.stderr

    assert here("board", "bundle", "--arch", arch, "--out", str(out), "--sign", str(key)).returncode == 0
    signed = board.run("install", "--bundle", str(out), "--trusted", str(key.with_suffix(".pub")), "--json")
    assert json.loads(signed.stdout)["sent_files"] > 30

    (out / "edge" / "relay.mpy").write_bytes(b"M\x06changed")
    changed = board.run("install", "--bundle", str(out), "--trusted", str(key.with_suffix(".pub")))
    assert changed.returncode == 2
    assert "edge/relay.mpy is not what the manifest says" in changed.stderr


def test_a_bundle_for_another_chip_is_refused(plug, tmp_path):
    build(EDGE, tmp_path / "out", Arch.XTENSAWIN)
    with pytest.raises(FieldError, match=r"the bundle is for xtensawin with .mpy format 6.3, and the board at"):
        put(plug(), tmp_path / "out")


def test_without_a_trusted_key_the_technician_is_told_where_it_goes(tmp_path):
    answer = here("board", "install", "--bundle", str(tmp_path), "--trusted", str(tmp_path / "none.pub"))
    assert answer.returncode == 2
    assert "no public key to check the bundle with; ask the city's IT for bundle.pub" in answer.stderr
