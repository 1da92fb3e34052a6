"""What `pip install` brings: the commands work from any folder, and one that needs more says what to install."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from deploy.files import CARRIED

ROOT = Path(__file__).parent.parent
DEPENDENCIES = sysconfig.get_path("purelib")
PACKAGES = {"dashboards", "deploy", "edge", "firmware", "hub", "schemas", "sim"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the wheel into an environment of its own, beside the dependencies that are there; return its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    uv = Path(sys.executable).parent / "uv"
    into = ["--python", folder / "venv/bin/python", "--offline", "--no-deps"]
    subprocess.run([uv, "pip", "install", "--quiet", *into, wheel], check=True)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(DEPENDENCIES)  # its own .pth files, the checkout's among them, are not read
    return folder


def fenceline(installed, *arguments):
    return subprocess.run(
        [installed / "venv/bin/fenceline", *arguments],
        check=False,
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_brings_the_product_and_no_tests(installed):
    (wheel,) = installed.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == PACKAGES | {"fenceline.py", "fenceline_completion.py"}
    assert not [name for name in names if name.endswith((".key", ".crt", ".env", ".db"))]


def test_commands_work_from_any_folder(installed):
    where = "import hub; print(hub.__file__)"
    said = subprocess.check_output([installed / "venv/bin/python", "-c", where], cwd="/", text=True)
    assert str(installed) in said
    shown = fenceline(installed, "limits", "list", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout.splitlines()[-1])["summary"]
    demo = fenceline(installed, "demo", "--for", "2", "--json")
    assert demo.returncode == 0, demo.stderr
    assert json.loads(demo.stdout.splitlines()[-1])["lost"] == 0
    assert fenceline(installed, "grafana", "build", "--check").returncode == 0


def test_recorded_data_are_judged_from_any_folder(installed):
    (installed / "noise.csv").write_text("time,dt,quantity,value\n2026-11-20 22:00,600,laeq,58.1\n")
    judged = fenceline(installed, "backtest", "noise.csv", "--tz", "Asia/Shanghai", "--json")
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout.splitlines()[-1])["summary"]


def test_a_city_without_containers_is_laid_out_in_a_new_folder_also_without_grafana(installed):
    (site,) = (installed / "venv/lib").glob("python*/site-packages")
    hidden = site / "grafana_foundation_sdk.py"
    hidden.write_text(
        "raise ModuleNotFoundError(\"No module named 'grafana_foundation_sdk'\", name='grafana_foundation_sdk')"
    )
    try:
        done = fenceline(installed, "deploy", "init", "--host", "hub.city.example", "--folder", "city", "--json")
    finally:
        hidden.unlink()
    assert done.returncode == 0, done.stderr
    files = {file["path"]: file["done"] for file in json.loads(done.stdout)["files"]}
    assert files["city/secrets/contact-points.json"] == "left"
    for name in CARRIED:
        assert (installed / "city" / name).read_bytes() == (ROOT / "deploy" / name).read_bytes(), name
    assert "FENCELINE_HOST=hub.city.example" in (installed / "city" / ".env").read_text()
    again = fenceline(installed, "deploy", "init", "--host", "hub.city.example", "--folder", "city", "--json")
    assert {file["done"] for file in json.loads(again.stdout)["files"]} == {"kept", "made"}, "Grafana's part comes now"
    taken = installed / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    refused = fenceline(installed, "deploy", "init", "--host", "hub.city.example", "--folder", "taken")
    assert (refused.returncode, list(taken.iterdir())) == (2, [taken / "thesis.txt"])


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("amqtt", ["demo", "--for", "1"], "sim"),
        ("grafana_foundation_sdk", ["grafana", "build", "--check"], "grafana"),
        ("serial", ["board", "list"], "board"),
    ],
)
def test_a_command_that_needs_more_says_what_to_install(installed, missing, command, extra):
    (site,) = (installed / "venv/lib").glob("python*/site-packages")
    hidden = site / f"{missing}.py"
    hidden.write_text(f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')")
    try:
        refused = fenceline(installed, *command)
    finally:
        hidden.unlink()
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"pip install 'fenceline[{extra}]'" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
