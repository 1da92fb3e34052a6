"""Finds out what stands at each serial port: by its prompt, or, where that is silent, by the loader in its ROM."""

from dataclasses import asdict, dataclass
from typing import Any

from firmware.link.link import Link
from firmware.link.ports import SerialPort, serial_ports
from firmware.software.flash import find_chip
from firmware.software.identity import identify
from firmware.terminal.speech import FieldError
from schemas.language import Text, tell

DOWNLOAD = Text("nothing yet: in download mode", "尚无固件：处于下载模式")


@dataclass(frozen=True)
class Found:
    """A port and what was found there."""

    port: SerialPort
    chip: str | None = None
    mac: str | None = None
    runs: str | None = None
    """In the language of this command line."""
    board: str | None = None
    site: str | None = None
    problem: str | None = None
    """Why nothing could be found out, and what to do."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        port = self.port
        place = {"port": port.device, "description": port.description, "usb": port.usb, "usb_chip": port.chip}
        return place | {name: value for name, value in asdict(self).items() if name != "port"}


def ports(only: str | None) -> list[SerialPort]:
    """Return the ports of this computer, or the one that is named, known to the computer or not."""
    found = serial_ports()
    if only is None:
        return found
    return [port for port in found if port.device == only] or [SerialPort(only, "", None, None)]


def ask(port: SerialPort) -> Found:
    """Ask what stands at a port; a board that measures is interrupted for some seconds, and goes on afterwards."""
    try:
        with Link.open(port.device) as link:
            board = identify(link)
            return Found(port, board.chip, board.mac, board.runs(), board.device, board.site)
    except FieldError as error:
        problem = str(error)
        if not getattr(error, "may_be_rom", False):
            return Found(port, problem=problem)
    try:
        chip = find_chip(port.device, attempts=1)
    except FieldError:
        return Found(port, problem=problem)
    return Found(port, chip.chip, chip.mac, tell(DOWNLOAD))
