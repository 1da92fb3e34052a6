"""The bundle, compiled by the real mpy-cross and loaded by a real MicroPython."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.software.bundle import Arch, build
from firmware.software.cli import EDGE
from sim.interpreter import interpreter_name

HARBOUR = Path(__file__).parents[2] / "data" / "domains" / "harbour"
SAMPLE = {
    "__init__.py": '"""A board\'s package."""\n',
    "__main__.py": "raise SystemExit('only on a computer')\n",
    "board_host.py": "import typing\n",
    "gain.py": """\
import micropython


@micropython.viper
def twice(x: int) -> int:
    return x + x


@micropython.native
def thrice(x):
    return 3 * x
""",
    "drivers/__init__.py": "",
    "drivers/dust.py": """\
from sample.gain import thrice, twice


async def read():
    return f"{twice(20)} {thrice(7)}"
""",
}
XTENSAWIN, RV32IMC = 10, 11  # numbers of architectures in a .mpy file's header


@pytest.fixture
def sample(tmp_path):
    for name, text in SAMPLE.items():
        path = tmp_path / "sample" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "sample"


def command(*arguments, cwd):
    """Run the real command, as a technician does."""
    return subprocess.run(
        [sys.executable, "-c", "import fenceline; fenceline.main()", "board", "bundle", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("arch", "number"), [("xtensawin", XTENSAWIN), ("rv32imc", RV32IMC)])
def test_every_module_for_boards_is_compiled_and_none_for_computers(sample, tmp_path, arch, number):
    result = command("--source", sample, "--out", tmp_path / "out", "--arch", arch, cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    files = content(tmp_path / "out")
    manifest = json.loads(files.pop("manifest.json"))
    assert sorted(files) == [
        "sample/__init__.mpy",
        "sample/drivers/__init__.mpy",
        "sample/drivers/dust.mpy",
        "sample/gain.mpy",
    ]
    assert manifest["arch"] == arch
    assert manifest["mpy"] == "6.3"
    assert manifest["files"] == {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    magic, version, features, _ = files["sample/gain.mpy"][:4]
    assert (magic, version, features & 3, features >> 2) == (ord("M"), 6, 3, number)


def test_the_same_source_gives_the_same_bundle_wherever_it_is_built(sample, tmp_path):
    moved = tmp_path / "elsewhere" / "sample"
    moved.parent.mkdir()
    build(sample, tmp_path / "first", Arch.XTENSAWIN)
    sample.rename(moved)
    build(moved, tmp_path / "second", Arch.XTENSAWIN)
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_a_module_that_does_not_compile_is_named_with_its_line_and_the_old_bundle_stays(sample, tmp_path):
    build(sample, tmp_path / "out", Arch.XTENSAWIN)
    before = content(tmp_path / "out")
    (sample / "drivers" / "dust.py").write_text("def read():\n    return 1 +\n")

    result = command("--source", sample, "--out", tmp_path / "out", cwd=tmp_path)

    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "fenceline: sample/drivers/dust.py:2 does not compile for xtensawin: SyntaxError: invalid syntax"
    ]
    assert content(tmp_path / "out") == before


def test_a_module_that_has_gone_leaves_the_next_bundle_too(sample, tmp_path):
    build(sample, tmp_path / "out", Arch.XTENSAWIN)
    (sample / "drivers" / "dust.py").unlink()
    build(sample, tmp_path / "out", Arch.XTENSAWIN)
    assert "sample/drivers/dust.mpy" not in content(tmp_path / "out")


def test_a_folder_with_other_things_in_it_is_never_replaced(sample, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")

    result = command("--source", sample, "--out", tmp_path / "out", cwd=tmp_path)

    assert result.returncode == 2
    assert "out holds something other than a bundle" in result.stderr
    assert content(tmp_path / "out") == {"thesis.txt": b"years of work"}


def test_a_folder_without_modules_is_refused(tmp_path):
    result = command("--source", tmp_path / "nothing", cwd=tmp_path)
    assert result.returncode == 2
    assert "holds no Python modules" in result.stderr


@pytest.mark.parametrize("arch", [Arch.XTENSAWIN, Arch.RV32IMC])
def test_the_boards_real_code_compiles(tmp_path, arch):
    manifest = build(EDGE, tmp_path / "out", arch)
    boards = {path.relative_to(EDGE.parent).with_suffix(".mpy").as_posix() for path in EDGE.rglob("*.py")}
    left_out = boards - set(manifest["files"])
    assert "edge/__init__.mpy" in manifest["files"]
    assert all(name.endswith(("_host.mpy", "__main__.mpy")) for name in left_out)


def test_a_real_micropython_loads_the_bundle(sample, tmp_path, micropython):
    build(sample, tmp_path / "out", Arch.X86 if "32-bit" in interpreter_name(micropython) else Arch.X64)
    (tmp_path / "main.py").write_text(
        "import asyncio, sys\n"
        "sys.path.insert(0, 'out')\n"
        "from sample.drivers import dust\n"
        "print(asyncio.run(dust.read()))\n"
    )

    # Out of the way, so that the source cannot be what is imported.
    sample.rename(tmp_path / "source")
    answer = subprocess.run([micropython, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert answer.stdout.split() == ["40", "21"], answer.stderr


def test_a_bundle_has_the_quantities_of_the_packs_in_use_and_else_the_same_code(tmp_path, monkeypatch):
    plain = build(EDGE, tmp_path / "plain", Arch.X86)["files"]
    monkeypatch.setenv("FENCELINE_DOMAINS", str(HARBOUR))
    added = build(EDGE, tmp_path / "added", Arch.X86)["files"]
    assert plain.keys() == added.keys()
    assert [name for name in plain if plain[name] != added[name]] == ["edge/quantities.mpy", "edge/ranges.mpy"]
    assert b"h2s" in (tmp_path / "added" / "edge" / "quantities.mpy").read_bytes()
