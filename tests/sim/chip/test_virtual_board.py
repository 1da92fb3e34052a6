"""The virtual board, talked to as a real one: by mpremote's command line, and byte by byte."""

import subprocess
import sys
import time

import pytest
import serial

from tests.board_process import BoardProcess, fenceline
from tests.json_lines import rows_of


def mpremote(board, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", board.port, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def until(port, text, seconds=10):
    """Read until `text` has come, and return all."""
    heard = b""
    deadline = time.monotonic() + seconds
    while text not in heard:
        assert time.monotonic() < deadline, heard
        heard += port.read(max(1, port.in_waiting))
    return heard


def open_port(board):
    return serial.Serial(board.port, 115200, timeout=0.1)


def test_mpremote_runs_code_and_moves_files_unchanged(plug, tmp_path):
    board = plug()
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 40)

    answer = mpremote(board, "exec", "import sys; print(sys.implementation.name, 6 * 7)")
    assert answer.stdout.split() == ["micropython", "42"]
    assert mpremote(board, "fs", "cp", str(tmp_path / "noise.bin"), ":noise.bin").returncode == 0
    assert mpremote(board, "fs", "cp", ":noise.bin", str(tmp_path / "back.bin")).returncode == 0
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "noise.bin").read_bytes()
    assert "ZeroDivisionError" in mpremote(board, "exec", "1/0").stdout


def test_names_stay_with_resume_and_go_with_a_soft_reset(plug):
    board = plug()
    mpremote(board, "exec", "level = 67")
    assert mpremote(board, "resume", "exec", "print(level)").stdout.strip() == "67"
    assert "NameError" in mpremote(board, "exec", "print(level)").stdout


def test_files_survive_a_reset_and_a_new_start_of_the_same_board(plug):
    board = plug()
    mpremote(board, "exec", "with open('kept', 'w') as f: f.write('yes')")
    mac = mpremote(board, "exec", "import machine; print(machine.unique_id())").stdout
    mpremote(board, "reset")
    assert mpremote(board, "exec", "print(open('kept').read())").stdout.strip() == "yes"
    board = plug()
    assert mpremote(board, "exec", "print(open('kept').read())").stdout.strip() == "yes"
    assert mpremote(board, "exec", "import machine; print(machine.unique_id())").stdout == mac


def test_a_person_at_the_prompt_sees_what_a_board_shows(plug):
    board = plug()
    with open_port(board) as port:
        port.write(b"\r\x03")
        until(port, b">>> ")
        port.write(b"1+2\r")
        assert b"1+2\r\n3\r\n>>> " in until(port, b"3\r\n>>> ")
        port.write(b"for n in range(2):\r print(n * 11)\x08\x08\x080)\r\r")
        assert b"0\r\n0\r\n>>> " in until(port, b"\r\n>>> ")
        port.write(b"\x05a = 5\rprint(a + 1)\r\x04")
        assert b"\r\n6\r\n>>> " in until(port, b"6\r\n>>> ")
        port.write(b"\x04")
        heard = until(port, b">>> ")
        assert b"MPY: soft reboot\r\n" in heard


def test_main_py_runs_at_power_up_and_ctrl_c_stops_it(plug):
    board = plug()
    mpremote(board, "exec", "with open('main.py', 'w') as f: f.write('print(\"measuring\")\\nwhile True: pass')")
    with open_port(board) as port:
        port.write(b"\x03\x02\x04")
        until(port, b"measuring\r\n")
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in until(port, b">>> ")


def test_a_board_whose_main_py_resets_starts_for_ever(plug):
    board = plug()
    mpremote(board, "exec", "with open('main.py', 'w') as f: f.write('import machine; machine.reset()')")
    with open_port(board) as port:
        port.write(b"\x02\x04")
        heard = until(port, b"rst:0xc (SW_CPU_RESET)")
        heard += until(port, b"rst:0xc (SW_CPU_RESET)")


@pytest.mark.parametrize("count", [1, 20, 50])
def test_a_power_cut_strikes_within_the_operation_of_flash_that_is_named(plug, count):
    """Littlefs keeps what was whole: the old content or the new one, never a mixture."""
    plug()
    board = plug("--fault", f"power-cut@{count + 20}")
    code = (
        "for n in range(100):\n"
        "  with open('a.new', 'w') as f: f.write(str(n) * 3000)\n"
        "  import os; os.rename('a.new', 'a'); print(n)"
    )
    assert mpremote(board, "exec", code).returncode != 0
    board = plug()
    check = "import os; t = open('a').read() if 'a' in os.listdir() else ''; print(len(set(t)), len(t) % 3000)"
    assert mpremote(board, "exec", check).stdout.split() in (["0", "0"], ["1", "0"], ["2", "0"])


def test_a_pulled_cable_is_back_at_the_same_port_and_the_board_kept_its_power(plug):
    board = plug("--fault", "cable-pull@600")
    with open_port(board) as port:
        port.write(b"\r\x03\x01" + b"here = 1\x04")
        until(port, b"OK")

        def go_on():
            port.write(b"#" * 700)
            until(port, b"never")

        with pytest.raises(OSError):
            go_on()
    deadline = time.monotonic() + 5
    while True:
        try:
            port = open_port(board)
            break
        except serial.SerialException:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with port:
        port.write(b"\x03\x03\r\x01print(here)\x04")
        assert b"OK1" in until(port, b"OK1")


def test_a_slow_line_takes_its_time(plug):
    board = plug("--fault", "slow@9600")
    with open_port(board) as port:
        port.write(b"\r\x03\x01")
        until(port, b"\n>")
        began = time.monotonic()
        port.write(b"print('x' * 480)\x04")
        assert b"x" * 480 in until(port, b"\x04>").replace(b"\r\n", b"")
        assert time.monotonic() - began > 480 / 960


def test_a_full_disk_has_what_it_was_left(plug):
    board = plug("--fault", "full-disk@8192")
    answer = mpremote(board, "exec", "import os; s = os.statvfs('/'); print(s[0] * s[3])")
    assert 0 < int(answer.stdout) <= 8192


@pytest.mark.parametrize("fault", ["meteor", "cable-pull", "slow@fast"])
def test_a_fault_that_does_not_exist_is_refused_with_those_that_do(fault):
    answer = fenceline("sim", "board", "--fault", fault)
    assert answer.returncode == 2
    assert f"--fault {fault}: expected one of cable-pull@N; power-cut@N; slow[@N]" in answer.stderr


def test_a_sensor_that_does_not_exist_is_refused():
    answer = fenceline("sim", "board", "--sensors", "dust,radar")
    assert answer.returncode == 2
    assert "--sensors radar: expected some of dust,noise,stack,level,echo" in answer.stderr


def test_two_sensors_at_one_line_are_refused():
    answer = fenceline("sim", "board", "--sensors", "dust,level")
    assert answer.returncode == 2
    assert "dust and level hang at the same line, uart:1" in answer.stderr


def test_two_boards_never_share_a_folder(plug):
    board = plug()
    answer = fenceline("sim", "board", "--folder", str(board.folder))
    assert answer.returncode == 2
    assert "another virtual board runs there" in answer.stderr


@pytest.mark.parametrize(
    ("kind", "runs"), [("board", "MicroPython "), ("chip", "nothing yet: in download mode")], ids=["board", "chip"]
)
def test_its_command_prints_the_port_first_and_ends_when_it_is_told_to(tmp_path, micropython, kind, runs):
    device = BoardProcess(tmp_path / kind, kind=kind)
    device.start()
    try:
        (listed,) = rows_of(device.run("list", "--json").stdout)
    finally:
        assert device.stop() == 0
    assert listed["port"] == device.port
    assert listed["runs"].startswith(runs)
    assert not (tmp_path / kind / "port").is_symlink()
