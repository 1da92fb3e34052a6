"""Each way in which the connection to a board fails, with its cause and its remedy, in English and Chinese."""

import contextlib
import errno
import os
import re
import struct
from collections.abc import Callable, Iterator

import serial  # type: ignore[import-untyped]  # pyserial ships no types
from mpremote.transport import TransportError  # type: ignore[import-untyped]

from firmware.link.transport import is_garbage
from firmware.terminal.speech import FieldError
from schemas.language import Text

_RESTARTED = re.compile(rb"rst:0x[0-9a-f]+ |ESP-ROM:|MPY: soft reboot")
_NO_SPACE = re.compile(r"ENOSPC|OSError: (\[Errno )?28\b")
_ROM_START = re.compile(rb"rst:0x[0-9a-f]+ ")


class BoardCodeError(FieldError):
    """Code that the laptop ran on the board raised an exception there; `traceback` is the board's."""

    def __init__(self, port: str, traceback: str) -> None:
        self.traceback = traceback
        self.no_space = bool(_NO_SPACE.search(traceback))
        if self.no_space:
            super().__init__(
                Text(
                    f"the file system of the board at {port} is full. Rescue its data ('fenceline board backup'), "
                    "remove what does not belong there, or use a board with more flash.",
                    f"{port}上设备的文件系统已满。请先备份数据（fenceline board backup），删除无关文件，"
                    "或更换闪存更大的设备。",
                )
            )
            return
        last = traceback.strip().splitlines()[-1] if traceback.strip() else "?"
        super().__init__(
            Text(
                f"the board at {port} reports: {last}. Run the command again; if it stays, 'fenceline board install' "
                "puts the board's software on it anew.",
                f"{port}上的设备报告：{last}。请重新执行该命令；如仍出现，请用"
                " fenceline board install 重新安装设备软件。",
            )
        )


@contextlib.contextmanager
def translated(port: str, heard: Callable[[], bytes]) -> Iterator[None]:
    """Turn what pyserial and mpremote raise within the block into a FieldError; `heard` gives the last words."""
    try:
        yield
    except serial.SerialTimeoutException as error:
        raise silent(port, heard()) from error
    except (serial.SerialException, OSError) as error:
        raise lost(port) from error
    except (TransportError, struct.error) as error:
        raise silent(port, heard()) from error


def cannot_open(port: str, error: Exception) -> FieldError:
    """Return why a port can't be opened."""
    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return FieldError(
            Text(
                f"no permission for {port}: it belongs to the group dialout. Run 'sudo usermod -aG dialout $USER', log "
                "out and in again, and plug the board in anew.",
                f"没有访问{port}的权限：该端口属于dialout组。请执行"
                " sudo usermod -aG dialout $USER，注销后重新登录，再重新插上设备。",
            )
        )
    if number in (errno.EAGAIN, errno.EBUSY) or "lock" in str(error):
        return FieldError(
            Text(
                f"{port} is in use by another program: close the serial monitor, Thonny, or the other terminal with "
                "'fenceline board', and run the command again.",
                f"{port}正被其他程序占用：请关闭串口监视器、Thonny或另一个正在运行 fenceline board 的终端，然后重试。",
            )
        )
    if number == errno.ENOENT or not os.path.lexists(port):
        return FieldError(
            Text(
                f"there is no port {port}: check that the board is plugged in and that the USB cable carries data and "
                "not only power; 'fenceline board list' shows the ports.",
                f"没有端口{port}：请检查设备是否已插好、USB线是否为数据线（而非仅供电线）；"
                "fenceline board list 可列出所有端口。",
            )
        )
    return FieldError(
        Text(
            f"{port} can't be opened as a serial port ({_reason(error)}); 'fenceline board list' shows the ports.",
            f"{port}无法作为串口打开（{_reason(error)}）；fenceline board list 可列出所有端口。",
        )
    )


def lost(port: str) -> FieldError:
    """Return that the port vanished while it was in use."""
    return FieldError(
        Text(
            f"the connection to {port} was lost: the cable was pulled or the board lost its power. Nothing on it "
            "is half-written: plug it in again and run the same command.",
            f"与{port}的连接中断：USB线被拔出或设备断电。设备上不会留下写了一半的文件：请重新插好并再次执行同一命令。",
        )
    )


def lost_while_flashing(port: str, said: str = "") -> FieldError:
    """Return that the connection to a chip was lost, or that it refused something, while an image was written."""
    why = f" ({said})" if said else ""
    return FieldError(
        Text(
            f"flashing at {port} was cut off{why}: the cable was pulled or the power failed. The chip holds a part "
            "of the image and does not start it. Plug it in, hold BOOT and press RESET if it has no reset lines, and "
            "run the same command again: it goes on where it stopped.",
            f"{port}上的写入中断{why}：USB线被拔出或供电中断。芯片上只有部分固件，不会启动。请重新插好"
            "（无自动复位的设备请按住BOOT键并按RESET），再次执行同一命令，将从中断处继续。",
        )
    )


def silent(port: str, heard: bytes) -> FieldError:
    """Return why a board does not go on answering; `heard` is what it said last."""
    if _RESTARTED.search(heard):
        return FieldError(
            Text(
                f"the board at {port} restarted in the middle: its power failed or its reset button was pressed. "
                "Nothing on it is half-written: run the same command again; if it happens again, with a better supply.",
                f"{port}上的设备中途重启：供电中断或按了复位键。设备上不会留下写了一半的文件：请再次执行同一命令；"
                "如再次发生，请更换更可靠的电源。",
            )
        )
    if is_garbage(heard):
        return garbage(port)
    return FieldError(
        Text(
            f"the board at {port} no longer answers: press its reset button, wait two seconds, and run the "
            "command again.",
            f"{port}上的设备不再应答：请按一下复位键，等待两秒后重新执行该命令。",
        )
    )


class NoPromptError(FieldError):
    """A board gave no prompt; `may_be_rom` tells whether the loader in its ROM may answer in its place."""

    may_be_rom = True


def no_prompt(port: str, heard: bytes) -> FieldError:
    """Return why no raw REPL could be had from a board that said `heard`."""
    if not heard.strip():
        return NoPromptError(
            Text(
                f"the board at {port} says nothing: check its power and that its cable carries data, and press its "
                "reset button. If it stays silent, it has no firmware: 'fenceline board flash --image FILE'.",
                f"{port}上的设备没有任何应答：请检查供电和数据线，并按一下复位键。如仍无应答，说明设备没有固件："
                "请执行 fenceline board flash --image 文件。",
            )
        )
    if is_garbage(heard):
        return garbage(port)
    if b"waiting for download" in heard.lower():
        return NoPromptError(
            Text(
                f"the board at {port} is in download mode: press its reset button without holding BOOT. If it "
                "comes back to it, it has no firmware: 'fenceline board flash --image FILE'.",
                f"{port}上的设备处于下载模式：请松开BOOT键后按复位键。如仍进入下载模式，说明没有固件："
                "请执行 fenceline board flash --image 文件。",
            )
        )
    if len(_ROM_START.findall(heard)) > 1:
        return NoPromptError(
            Text(
                f"the board at {port} restarts again and again (boot loop){_last_words(heard)}. Try another USB port "
                "or supply, since weak power does it, too; then 'fenceline board flash --image FILE', which erases "
                "what is on it.",
                f"{port}上的设备反复重启（启动循环）{_last_words(heard)}。请先更换USB口或电源（供电不足也会如此）；"
                "仍不行时执行 fenceline board flash --image 文件（会清除设备内容）。",
            )
        )
    return NoPromptError(
        Text(
            f"what answers at {port} is not MicroPython{_last_words(heard)}. Is it the right port? If so, put "
            "MicroPython on it: 'fenceline board flash --image FILE'.",
            f"{port}上应答的不是MicroPython{_last_words(heard)}。请确认端口是否正确；若正确，请写入MicroPython："
            "fenceline board flash --image 文件。",
        )
    )


def garbage(port: str) -> FieldError:
    """Return that what is heard is no text."""
    return FieldError(
        Text(
            f"only garbage comes from {port}: the baud rate is wrong, or cable or plug are damaged. A board of ours "
            "talks at 115200 baud (--baud); else try another cable.",
            f"从{port}收到的是乱码：波特率不对，或线缆、插头损坏。本系统设备的波特率为115200（--baud）；"
            "否则请更换线缆。",
        )
    )


def garbled(port: str, path: str) -> FieldError:
    """Return that a file did not arrive as it was sent."""
    return FieldError(
        Text(
            f"{path} arrived damaged over {port} (its SHA-256 is wrong) and was not taken over: use another cable or "
            "USB port and run the command again.",
            f"{path}经{port}传输时损坏（SHA-256不符），未启用：请更换线缆或USB口后重新执行该命令。",
        )
    )


class BoardFullError(FieldError):
    """A board has no room for what is to be written."""


def full(port: str, path: str, needed: int, free: int) -> BoardFullError:
    """Return that a board has no room; sizes in bytes."""
    return BoardFullError(
        Text(
            f"the board at {port} is full: {path} needs {needed} bytes and {free} are left. Rescue its data "
            "('fenceline board backup'), remove what does not belong there, or use a board with more flash.",
            f"{port}上的设备存储已满：{path}需要{needed}字节，仅剩{free}字节。请先备份数据（fenceline board backup），"
            "删除无关文件，或更换闪存更大的设备。",
        )
    )


def _last_words(heard: bytes) -> str:
    lines = [line.strip() for line in heard.decode("utf-8", "replace").splitlines() if line.strip()]
    shown = [line for line in lines if not line.startswith(("rst:", "load:", "entry", "ets "))]
    return f": '{(shown or lines)[-1][:80]}'" if lines else ""


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else str(error)
