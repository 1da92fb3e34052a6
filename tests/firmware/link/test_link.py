"""Everything that can be wrong with a board's connection, and what the technician is told about it."""

import contextlib
import errno
import os
import pty
import re
import threading
import time
import tty
from pathlib import Path

import pytest
import serial

import firmware.link.link
from firmware.link import errors as link_errors
from firmware.link.link import Link
from firmware.terminal.speech import FieldError
from tests.board_process import here


@contextlib.contextmanager
def talker(path, words, every=0.05):
    """A device that is no board: says its words again and again."""
    end, other = pty.openpty()
    tty.setraw(other)
    path.symlink_to(os.ttyname(other))
    os.set_blocking(end, False)
    stop = threading.Event()

    def talk():
        while not stop.wait(every):
            with contextlib.suppress(BlockingIOError):
                os.read(end, 4096)
            with contextlib.suppress(BlockingIOError):
                os.write(end, words)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield str(path)
    finally:
        stop.set()
        thread.join()
        os.close(end)
        os.close(other)


def test_files_arrive_whole_and_come_back_whole(plug):
    content = os.urandom(9000) + b"\0\x03\x04\r\n" * 500
    with Link.open(plug().port) as link:
        link.write("/deep/er/file.bin", content)
        assert link.files() == {"/deep": -1, "/deep/er": -1, "/deep/er/file.bin": len(content)}
        assert link.read("/deep/er/file.bin") == content
        link.write("/deep/er/file.bin", b"")
        assert link.read("/deep/er/file.bin") == b""
        link.remove("/deep")
        link.remove("/deep")
        assert (link.files(), link.size("/deep"), link.digest("/deep/er/file.bin")) == ({}, None, None)


def test_code_is_run_and_its_values_and_lines_come_back(plug):
    with Link.open(plug().port) as link:
        assert link.value("[1, 'zwei', b'3', None]") == [1, "zwei", b"3", None]
        assert link.run("print('噪声', end='')") == "噪声"
        endless = link.lines("import time\nn = 0\nwhile True:\n print(n)\n n += 1\n time.sleep(0.01)")
        assert [next(endless) for _ in range(3)] == ["0", "1", "2"]
        endless.close()
        assert link.value("n >= 2") is True
        assert list(link.lines("print('one')\nprint('two')")) == ["one", "two"]
        with pytest.raises(link_errors.BoardCodeError, match="reports: ZeroDivisionError"):
            link.run("1/0")
        with pytest.raises(link_errors.BoardCodeError, match="reports: ValueError: late"):
            list(link.lines("print(1)\nraise ValueError('late')"))
        assert link.value("6 * 7") == 42


def test_what_is_installed_runs_again_when_the_technician_has_gone(plug):
    board = plug()
    with Link.open(board.port) as link:
        link.write("/main.py", b"import time\nwhile True:\n print('measuring')\n time.sleep(0.05)\n")
    with serial.Serial(board.port, 115200, timeout=5) as port:
        assert b"measuring" in port.read_until(b"measuring")
    with Link.open(board.port) as link:
        assert link.value("1") == 1


def test_a_port_that_is_not_there(tmp_path):
    answer = here("board", "install", "--port", str(tmp_path / "ttyUSB9"))
    assert answer.returncode == 2
    assert "there is no port" in answer.stderr
    assert "carries data and not only power" in answer.stderr


def test_a_file_that_is_no_port(tmp_path):
    (tmp_path / "notes.txt").write_text("not a port")
    answer = here("board", "install", "--port", str(tmp_path / "notes.txt"))
    assert answer.returncode == 2
    assert "can't be opened as a serial port" in answer.stderr


def test_a_port_that_belongs_to_others():
    """Root may open all, so the operating system's refusal is made up."""
    error = link_errors.cannot_open("/dev/ttyUSB0", serial.SerialException(errno.EACCES, "Permission denied"))
    assert "sudo usermod -aG dialout $USER" in error.text.en
    assert "dialout组" in error.text.zh


def test_another_program_holds_the_port(plug):
    board = plug()
    with serial.Serial(board.port, 115200, exclusive=True):
        answer = board.run("install", "--lang", "zh")
    assert answer.returncode == 2
    assert "正被其他程序占用" in answer.stderr


@pytest.mark.parametrize("options", [["--fault", "garbage"], []], ids=["noise", "wrong baud rate"])
def test_garbage(plug, options):
    board = plug(*options)
    answer = board.run("install", *([] if options else ["--baud", "9600"]))
    assert answer.returncode == 2
    assert "only garbage comes from" in answer.stderr
    assert "115200 baud" in answer.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"rst:0x3 (SW_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\ninvalid header: 0xffffffff\r\n", "boot loop"),
        (b"rst:0x1 (POWERON_RESET),boot:0x3\r\nwaiting for download\r\n", "is in download mode"),
        (b"login: \r\n", "is not MicroPython: 'login:'"),
        (b"", "says nothing"),
    ],
)
def test_what_is_no_board_of_ours(tmp_path, words, told, monkeypatch):
    monkeypatch.setattr(firmware.link.link, "ENTER_S", 2.0)
    with talker(tmp_path / "port", words) as port, pytest.raises(FieldError, match=re.escape(told)) as failed:
        Link.open(port)
    assert "fenceline board flash" in failed.value.text.zh


@pytest.mark.parametrize("at", [4000, 4700, 5600, 6900, 8800])
def test_a_cable_that_is_pulled_in_the_middle_and_plugged_in_again(plug, at):
    """Wherever it is pulled, in a paste half sent, too: the board gives up what came and answers again."""
    board, content = plug("--fault", f"cable-pull@{at}"), os.urandom(9000)
    with pytest.raises(FieldError, match="was lost: the cable was pulled"), Link.open(board.port) as link:
        link.write("/file.bin", content)
    deadline = time.monotonic() + 10
    while not Path(board.port).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with Link.open(board.port) as link:
        link.write("/file.bin", content)
        assert link.read("/file.bin") == content


def test_power_that_fails_in_the_middle_leaves_the_old_file(plug):
    with Link.open(plug().port) as link:
        link.write("/file.bin", b"old")
    board = plug("--fault", "power-cut@12")
    with pytest.raises(FieldError, match=r"was lost|restarted in the middle"), Link.open(board.port) as link:
        link.write("/file.bin", os.urandom(9000))
    with Link.open(plug().port) as link:
        assert link.read("/file.bin") == b"old"


def test_a_board_that_restarts_by_itself_in_the_middle(plug):
    with Link.open(plug().port) as link, pytest.raises(FieldError, match="restarted in the middle"):
        link.run("import machine, time\ntime.sleep(0.1)\nmachine.reset()", silence=2)


def test_a_full_board_says_how_full_it_is(plug):
    board = plug("--fault", "full-disk@8192")
    with Link.open(board.port) as link:
        free = link.free()
        with pytest.raises(FieldError, match=r"is full: /file.bin needs 20000 bytes and \d+ are left"):
            link.write("/file.bin", os.urandom(20000))
        assert link.size("/file.bin.new") is None
        assert link.free() >= free - 4096


@pytest.mark.parametrize("left", [0, 100, 2000, 4096, 5000])
def test_a_board_that_is_full_from_the_beginning_says_so_each_time(plug, left):
    board = plug("--fault", f"full-disk@{left}")
    for _ in range(2):
        with (
            Link.open(board.port) as link,
            pytest.raises(FieldError, match=r"is full: /lib/file.bin needs 20000 bytes"),
        ):
            link.write("/lib/file.bin", os.urandom(20000))


def test_a_slow_line_is_only_slow(plug):
    board = plug("--fault", "slow@115200")
    began = time.monotonic()
    with Link.open(board.port) as link:
        link.write("/file.bin", bytes(1000))
        assert link.traffic * 10 / 115200 < time.monotonic() - began
