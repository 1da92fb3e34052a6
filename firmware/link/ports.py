"""Finds the serial ports of this computer and names the USB chips behind them, so that a technician spots the board."""

from dataclasses import dataclass
from typing import Any

import serial  # type: ignore[import-untyped]  # pyserial ships no types
from serial.tools.list_ports import comports  # type: ignore[import-untyped]

from firmware.link import errors as link_errors
from firmware.terminal.speech import FieldError
from schemas.language import Text

WAIT_S = 10.0
"""How long a read or a write may take."""
NO_BOARD = Text(
    "No USB serial port found. Check that the board is plugged in, that the USB cable carries data and not only power, "
    "and that this computer has the driver of the board's USB chip.",
    "未找到USB串口。请检查设备是否已插好、USB线是否为数据线（而非仅供电线），以及本机是否装有该USB芯片的驱动。",
)

CHIPS = {
    # drivers/usb/serial/cp210x.c in the Linux kernel
    (0x10C4, 0xEA60): "Silicon Labs CP210x USB bridge",
    # drivers/usb/serial/ch341.c in the Linux kernel
    (0x1A86, 0x5523): "WCH CH341 USB bridge",
    (0x1A86, 0x7523): "WCH CH340 USB bridge",
    # device lists of several flashing tools for ESP32 boards; the chips are standard CDC-ACM devices
    (0x1A86, 0x55D3): "WCH CH343 USB bridge",
    (0x1A86, 0x55D4): "WCH CH9102 USB bridge",
    # drivers/usb/serial/ftdi_sio_ids.h in the Linux kernel
    (0x0403, 0x6001): "FTDI FT232R USB bridge",
    (0x0403, 0x6010): "FTDI FT2232 USB bridge",
    (0x0403, 0x6015): "FTDI FT-X USB bridge",
    # USB_JTAG_SERIAL_PID in esptool, and the device lists of several flashing tools for the other three
    (0x303A, 0x1001): "Espressif ESP32 USB-Serial/JTAG",
    (0x303A, 0x0002): "Espressif ESP32-S2 in download mode",
    (0x303A, 0x0009): "Espressif ESP32-S3 in download mode",
    (0x303A, 0x4001): "Espressif ESP32-S2/S3 running firmware with its own USB port, such as MicroPython",
}
"""Vendor and product numbers of USB bridges and chips found on ESP32 boards, with where they are from."""


@dataclass(frozen=True)
class SerialPort:
    """One serial port; ``usb`` is vendor and product as ``10C4:EA60``, ``chip`` a name from ``CHIPS``."""

    device: str
    description: str
    usb: str | None
    chip: str | None


def serial_ports() -> list[SerialPort]:
    """Return the serial ports of this computer, those of known chips first, then by name."""
    found = [
        SerialPort(
            device=port.device,
            description=port.description,
            usb=None if port.vid is None else f"{port.vid:04X}:{port.pid:04X}",
            chip=CHIPS.get((port.vid, port.pid)),
        )
        for port in sorted(comports())
    ]
    return sorted(found, key=lambda port: port.chip is None)


def find_port(port: str | None) -> str:
    """Return the port that was named, or that of the only board that is plugged in.

    Raises:
        FieldError: none was named, and there is no board, or several.
    """
    if port:
        return port
    found = [each for each in serial_ports() if each.usb]
    known = [each for each in found if each.chip] or found
    if not known:
        raise FieldError(NO_BOARD)
    if len(known) > 1:
        names = ", ".join(each.device for each in known)
        raise FieldError(
            Text(
                f"{len(known)} boards are plugged in ({names}): name the one you mean with --port, such as --port "
                f"{known[0].device}.",
                f"插有{len(known)}块设备（{names}）：请用 --port 指定其中一块，例如 --port {known[0].device}。",
            )
        )
    return known[0].device


def open_port(name: str, baud: int) -> Any:
    """Open a serial port for this program alone.

    Raises:
        FieldError: it is not there, not permitted, in use, or no serial port.
    """
    try:
        return serial.serial_for_url(name, baudrate=baud, timeout=WAIT_S, write_timeout=WAIT_S, exclusive=True)
    except (OSError, ValueError) as error:
        raise link_errors.cannot_open(name, error) from error
