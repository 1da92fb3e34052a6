"""`fenceline board list|flash|install|bundle|bundle-key`: find a board and put software on it."""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from firmware.link.link import Link
from firmware.link.ports import NO_BOARD, find_port
from firmware.software import finding, signature
from firmware.software.bundle import Arch, build
from firmware.software.flash import BAUD as FLASH_BAUD
from firmware.software.flash import find_chip, flash
from firmware.software.identity import identify
from firmware.software.image import Image, image_for, read_image, wanted
from firmware.software.install import Installed, install
from firmware.terminal import screen as show
from firmware.terminal.options import BAUD, Baud, Port
from firmware.terminal.speech import FieldError
from hub.terminal.commands import alone, command, option
from hub.terminal.json_lines import print_list, print_object
from hub.terminal.options import AsJson
from schemas.errors import UserError
from schemas.language import Text, tell

app = alone()

EDGE = Path(__file__).resolve().parent.parent.parent / "edge"


@command(
    app,
    "list",
    Text(
        "List the serial ports, and what stands there: chip, MAC address, software, site.",
        "列出串口及所连接的设备：芯片、MAC 地址、软件、站点。",
    ),
    "fenceline board list",
    "fenceline board list --port /dev/ttyUSB0 --json",
    "fenceline board list --no-ask",
)
def list_command(
    port: Port = None,
    ask: Annotated[
        bool,
        option(
            Text(
                "Ask what runs there; a board that measures pauses for some seconds.",
                "查询其运行内容；正在测量的设备会暂停数秒。",
            ),
            "--ask/--no-ask",
        ),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """List the serial ports."""
    seen = finding.ports(port)
    # What is no chip of ours may take Ctrl-C or a reset amiss.
    asked = [each for each in seen if ask and (each.chip or port)]
    title = Text("Asking the boards", "正在查询设备")
    with show.progress(title, len(asked)) as more:
        answers = {}
        for each in asked:
            more(0, each.device)
            answers[each] = finding.ask(each)
            more(1, each.device)
    found = [answers.get(each) or finding.Found(each) for each in seen]
    if as_json:
        print_list((each.to_json() for each in found), "ports")
    else:
        # The computer's own ports hold no board, and most have no plug; one that is named is shown all the same.
        _show([each for each in found if port or each.port.usb])
    if not found or not (port or any(each.usb for each in seen)):
        print(tell(NO_BOARD), file=sys.stderr)


def _show(found: list[finding.Found]) -> None:
    columns = (
        Text("Port", "端口"),
        Text("USB", "USB"),
        Text("Chip", "芯片"),
        Text("MAC", "MAC"),
        Text("Runs", "运行"),
        Text("Board", "设备"),
    )
    if found:
        show.table(
            columns,
            [
                [
                    each.port.device,
                    each.port.usb or "-",
                    each.chip or each.port.chip or "-",
                    each.mac or "-",
                    each.runs or "-",
                    each.board or "-",
                ]
                for each in found
            ],
        )
    for each in found:
        if each.problem:
            print(each.problem, file=sys.stderr)


@command(
    app,
    "flash",
    Text(
        "Put MicroPython on a chip, and verify it; what was cut off goes on where it stopped.",
        "将 MicroPython 写入芯片并校验；中断后可从断点继续。",
    ),
    "fenceline board flash",
    "fenceline board flash --image ESP32_GENERIC-20250415-v1.25.0.bin",
    "fenceline board flash --image ./images",
)
def flash_command(
    image: Annotated[
        Path | None,
        option(
            Text(
                "MicroPython's firmware for the chip, a whole .bin file; of a folder, the newest for the chip.",
                "该芯片的 MicroPython 固件，完整的 .bin 文件；为目录时取其中适用于该芯片的最新版。",
            ),
            show_default=Text("look at the chip and name the file", "查询芯片并给出文件名"),
        ),
    ] = None,
    port: Port = None,
    baud: Annotated[
        int,
        option(
            Text("While the image is sent; lower it for a bad cable.", "写入时的波特率；线缆不佳时请降低。"), "--baud"
        ),
    ] = FLASH_BAUD,
    erase: Annotated[
        bool,
        option(
            Text(
                "Erase the board's files, too: its identity, and readings not yet sent.",
                "同时清除设备上的文件：身份和未发送的读数。",
            ),
            "--erase",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put MicroPython on a chip."""
    name = find_port(port)
    checked = read_image(image) if image and not image.is_dir() else _image(name, image)
    title = Text(f"Flashing {checked.chip}", f"正在写入{checked.chip}")
    with show.progress(title, len(checked.content)) as more:
        done = flash(name, checked, erase=erase, baud=baud, progress=lambda count: more(count, ""))
    if as_json:
        print_object(asdict(done))
        return
    print(
        tell(
            Text(
                f"{done.chip} {done.mac}: {done.size} bytes there and verified, {done.sent} of them sent now. "
                "Next: fenceline board install",
                f"{done.chip} {done.mac}：共{done.size}字节，已校验，本次写入{done.sent}字节。下一步：fenceline "
                "board install",
            )
        )
    )


def _image(port: str, folder: Path | None) -> Image:
    """Find the image for the chip at a port in a folder; without one say which file it takes."""
    chip = find_chip(port).chip
    if folder is not None:
        return image_for(chip, folder)
    name = wanted(chip)
    raise FieldError(
        Text(
            f"the chip at {port} is an {chip}: fetch {name.en}, and name it with --image. Nothing was changed on it.",
            f"{port} 上的芯片为 {chip}：请下载{name.zh}，并用 --image 指定。芯片未作任何改动。",
        )
    )


@command(
    app,
    "install",
    Text(
        "Put the board's software on a board: only what differs is sent, and the board verifies it.",
        "将设备软件装入设备：只发送有差异的部分，由设备校验。",
    ),
    "fenceline board install",
    "fenceline board install --port /dev/ttyUSB0 --bundle ./board-xtensawin",
)
def install_command(
    port: Port = None,
    baud: Baud = BAUD,
    bundle: Annotated[
        Path | None,
        option(
            Text("A signed bundle from the city's IT.", "信息部门签名的软件包。"),
            show_default=Text("compiled here, for this board", "在本机为该设备编译"),
        ),
    ] = None,
    trusted: Annotated[
        Path | None,
        option(
            Text("Public key to check it with.", "用于验签的公钥。"),
            show_default=Text(str(signature.TRUSTED), str(signature.TRUSTED)),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put the board's software on a board."""
    if bundle is not None:
        signature.check(bundle, trusted)
    with show.progress(Text("Installing", "正在安装"), 1) as more, tempfile.TemporaryDirectory() as folder:
        shown = 0.0

        def progress(done: int, size: int) -> None:
            nonlocal shown
            more(done / max(1, size) - shown, f"{done}/{size}")
            shown = done / max(1, size)

        more(0, tell(Text("connecting", "正在连接")))
        with Link.open(port, baud=baud) as link:
            source = bundle or _compiled(link, Path(folder))
            done = install(link, source, (EDGE / "boot.py").read_bytes(), progress)
    if as_json:
        print_object(done.to_json())
    else:
        print(tell(_outcome(done)))


def _outcome(done: Installed) -> Text:
    told = _what(done)
    if done.set_aside is None:
        return told
    return Text(
        f"{told.en}\nA main.py that is not ours was there; it is now {done.set_aside}.",
        f"{told.zh}\n设备上原有其他main.py，已改名为{done.set_aside}。",
    )


def _what(done: Installed) -> Text:
    if not done.sent_files and not done.copied_files:
        return Text(
            f"Fenceline {done.version} is on the board already (slot {done.slot}, {done.files} files verified).",
            f"设备上已是Fenceline {done.version}（{done.slot}区，{done.files}个文件校验通过）。",
        )
    return Text(
        f"Fenceline {done.version} is on the board (slot {done.slot}): {done.sent_files} of {done.files} files sent, "
        f"{done.sent_bytes} bytes, in {done.seconds:.1f} s. Next: fenceline board provision",
        f"已安装Fenceline {done.version}（{done.slot}区）：发送{done.sent_files}/{done.files}个文件，"
        f"{done.sent_bytes}字节，用时{done.seconds:.1f}秒。下一步：fenceline board provision",
    )


def _compiled(link: Link, folder: Path) -> Path:
    """Compile the board's code for the board at hand."""
    board = identify(link)
    if board.arch is None:
        raise FieldError(
            Text(
                f"the board at {link.port} ({board.chip}) is of a kind that Fenceline is not compiled for: use an "
                "ESP32, S3, C3 or C6.",
                f"{link.port}上的设备（{board.chip}）不在支持范围内：请使用ESP32、S3、C3或C6。",
            )
        )
    build(EDGE, folder / "bundle", board.arch)
    return folder / "bundle"


@command(
    app,
    "bundle",
    Text("Compile the board's code and write it with a manifest of every file.", "编译设备软件，连同文件清单写出。"),
    "fenceline board bundle",
    "fenceline board bundle --arch rv32imc --sign bundle.key",
)
def bundle_command(
    arch: Annotated[
        Arch,
        option(
            Text(
                "The board's: xtensawin ESP32, S2, S3; rv32imc C3, C6.",
                "设备的架构：xtensawin 为 ESP32、S2、S3；rv32imc 为 C3、C6。",
            )
        ),
    ] = Arch.XTENSAWIN,
    out: Annotated[
        Path | None,
        option(Text("Folder of the bundle.", "软件包目录。"), show_default=Text("dist/board-ARCH", "dist/board-架构")),
    ] = None,
    source: Annotated[
        Path, option(Text("The package to compile.", "要编译的源代码目录。"), show_default=Text("edge/", "edge/"))
    ] = EDGE,
    sign: Annotated[
        Path | None,
        option(
            Text("Sign it with this key (fenceline board bundle-key).", "用此密钥签名（fenceline board bundle-key）。"),
            show_default=Text("unsigned", "不签名"),
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compile the board's code."""
    folder = out or Path("dist") / f"board-{arch}"
    try:
        manifest = build(source.resolve(), folder, arch)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give --out a folder that can be written.") from error
    if sign is not None:
        signature.sign(folder, sign)
    if as_json:
        print_object({"folder": str(folder), "signed": sign is not None, **manifest})
        return
    count, mpy = len(manifest["files"]), manifest["mpy"]
    told = Text(f"{count} modules for {arch}, .mpy format {mpy}", f"{arch}，{count}个模块，.mpy格式{mpy}")
    print(f"{folder}: {tell(told)}")


@command(
    app,
    "bundle-key",
    Text(
        "Make the key that the city's IT signs bundles with; technicians get its public half.",
        "生成信息部门签名软件包所用的密钥；公钥交给技术员。",
    ),
    "fenceline board bundle-key --out bundle.key",
)
def bundle_key_command(
    out: Annotated[
        Path,
        option(
            Text(
                "File of the new key; its public half goes beside it, as .pub.",
                "新密钥的文件；公钥放在旁边，扩展名为 .pub。",
            )
        ),
    ],
) -> None:
    """Make the key that bundles are signed with."""
    public = signature.make_key(out)
    print(
        tell(
            Text(
                f"{out}: keep it where only IT can read it. Technicians put {public} at {signature.TRUSTED}.",
                f"{out}：请妥善保管，仅限信息部门读取。技术员将{public}放到{signature.TRUSTED}。",
            )
        )
    )
