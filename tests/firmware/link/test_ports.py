"""What a technician sees when looking for a board."""

import pytest
from serial.tools.list_ports_common import ListPortInfo
from typer.testing import CliRunner

import firmware.link.ports
from firmware.cli import app
from firmware.link.ports import find_port
from firmware.terminal.speech import FieldError
from tests.json_lines import rows_of


def port(device, vid=None, pid=None, product=None):
    info = ListPortInfo(device)
    if vid is not None:
        info.vid, info.pid, info.product = vid, pid, product
        info.apply_usb_info()
    return info


@pytest.fixture
def plugged(monkeypatch):
    def plug(*ports):
        monkeypatch.setattr(firmware.link.ports, "comports", lambda: list(ports))

    return plug


def run(*arguments):
    return CliRunner().invoke(app, ["list", "--no-ask", "--lang", "en", *arguments])


def test_a_boards_chip_is_named_and_comes_first(plugged):
    plugged(
        port("/dev/ttyS0"),
        port("/dev/ttyUSB0", 0x10C4, 0xEA60, "CP2102 USB to UART Bridge Controller"),
        port("/dev/ttyUSB1", 0x1234, 0x5678, "Coffee machine"),
    )

    ports = rows_of(run("--json").stdout)

    assert ports[0] == {
        "port": "/dev/ttyUSB0",
        "description": "CP2102 USB to UART Bridge Controller",
        "usb": "10C4:EA60",
        "usb_chip": "Silicon Labs CP210x USB bridge",
        "chip": None,
        "mac": None,
        "runs": None,
        "board": None,
        "site": None,
        "problem": None,
    }
    assert [(entry["port"], entry["usb"], entry["usb_chip"]) for entry in ports[1:]] == [
        ("/dev/ttyS0", None, None),
        ("/dev/ttyUSB1", "1234:5678", None),
    ]


def test_people_get_a_table(plugged):
    plugged(port("/dev/ttyACM0", 0x303A, 0x1001, "USB JTAG/serial debug unit"))
    result = run()
    assert result.exit_code == 0
    assert "/dev/ttyACM0" in result.stdout
    assert "303A:1001" in result.stdout
    assert result.stderr == ""


def test_the_only_board_is_found_and_of_several_one_must_be_named(plugged):
    one, other = port("/dev/ttyUSB0", 0x10C4, 0xEA60), port("/dev/ttyACM1", 0x303A, 0x1001)
    plugged(port("/dev/ttyS0"), one, port("/dev/ttyUSB7", 0x1234, 0x5678, "Coffee machine"))
    assert find_port(None) == "/dev/ttyUSB0"
    plugged(one, other)
    with pytest.raises(FieldError, match=r"2 boards are plugged in .*: name the one you mean with --port"):
        find_port(None)
    assert find_port("/dev/ttyACM1") == "/dev/ttyACM1"
    plugged(port("/dev/ttyS0"))
    with pytest.raises(FieldError, match="No USB serial port found"):
        find_port(None)


@pytest.mark.parametrize("ports", [[], [port("/dev/ttyS0")]], ids=["no port", "only the computer's own"])
def test_without_a_usb_port_the_technician_is_told_what_to_check(plugged, ports):
    plugged(*ports)
    result = run()
    assert result.exit_code == 0
    assert "USB cable carries data" in result.stderr
    assert result.stdout == ""


def test_programs_get_an_empty_list_when_there_is_no_port(plugged):
    plugged()
    assert rows_of(run("--json").stdout) == []


def test_the_real_ports_of_this_computer_can_be_listed():
    assert isinstance(rows_of(run("--json").stdout), list)
