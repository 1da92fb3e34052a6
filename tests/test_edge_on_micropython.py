"""Runs every test of the board's code once more, on the real MicroPython."""

import ast
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "tests" / "edge").glob("test_*.py"))
HEAP = "2m"  # enough for any module with its tests; a test about memory starts an interpreter of its own
TIMEOUT_S = 240  # on a busy machine the longest takes more than a minute; less than what ends a test that hangs


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_on_micropython(module, micropython, tmp_path):
    passes(module, micropython, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("module", [one for one in MODULES if "littlefs" in one.stem], ids=lambda module: module.stem)
def test_power_cuts_within_each_write_lie_closer_together(module, micropython, tmp_path):
    passes(module, micropython, tmp_path, FENCELINE_TEAR="16")


def passes(module, micropython, tmp_path, **environment):
    exit_code, told = _run(
        [micropython, "-X", f"heapsize={HEAP}", ROOT / "tests" / "edge" / "run.py", module],
        cwd=tmp_path,
        env={**os.environ, "MICROPYPATH": f"{ROOT}:.frozen", "FENCELINE_TEST_DIR": str(tmp_path), **environment},
    )
    assert exit_code == 0, told
    assert told.splitlines()[-1] == f"{_count_tests(module)} passed, 0 failed"


def _run(command, **options):
    try:
        run = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False, **options
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"still running after {TIMEOUT_S} s:\n{(error.stdout or b'').decode()}")
    return run.returncode, run.stdout.decode()


def _count_tests(module):
    definitions = ast.parse(module.read_text(encoding="utf-8")).body
    return sum(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in definitions)
