"""Every command, on files and disks that are not as they should be: a sentence and exit code 2, never a traceback."""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fenceline
from tests.board_process import FENCELINE
from tests.hub.alerting import AlertCity, run, write_files
from tests.hub.helpers import Hub, Speaker
from tests.test_command_line import ENGLISH

UNTRIED = {("demo",), ("sim", "board"), ("sim", "chip")}
"""They need no file, and run until they are stopped."""
LISTING = {("domain", "check")}
"""They list on standard output what is wrong with the files they are given."""
GIVEN = {
    "--role": "viewer",
    "--kind": "construction",
    "--expires": "2027-01-01",
    "--url": "http://127.0.0.1:9",
    "--host": "city.example",
    "--port": "/dev/nothing",
    "method": "offset",
}
"""What an option gets that not any word will do for."""
SMALL = {("sim", "rounds"): ("--breaches", "1", "--look-alikes", "1")}
"""With what a command takes no files and much time otherwise."""
HOSTILE = ("missing/file", "folder", "no text", "other", "file/below")
ODD = (
    ("data/log.db", "folder"),
    ("data/log.db", "no text"),
    ("data/compliance.db", "no text"),
    ("data/compliance.db", "empty"),
    ("registry.toml", "folder"),
    ("registry.toml", "no text"),
    ("keys.toml", "empty"),
)
"""Files of a hub, and what stands in their places."""
COMMANDS = [path for path, command in ENGLISH.items() if not hasattr(command, "commands") and path not in UNTRIED]


def line(path, config, file):
    """Return arguments for a command: its configuration, every file that it takes, and a word for what it requires."""
    arguments = [*path[1:], *SMALL.get(path, ())]
    for param in ENGLISH[path].params:
        kind, name = str(param._runtime_param.annotation), max(param.opts, key=len)
        wanted = "Path" in kind
        if not (wanted or param.required or name == "--port"):
            continue
        value = (
            str(config if name == "--config" else file) if wanted else GIVEN.get(name, "1" if "int" in kind else "x")
        )
        arguments += [name, value] if name.startswith("-") else [value]
    return arguments


def end(path, arguments):
    """Run a command in this process; return its exit code and what it printed on standard error."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = fenceline._run(path[0], arguments)
    if path in LISTING and code == 2 and not err.getvalue():
        assert "fault(s)." in out.getvalue()
        return 1, ""
    return code, err.getvalue()


def is_told(code, err):
    return code in (0, 1) or (
        code == 2 and err.startswith("fenceline: ") and len(err.strip().splitlines()) == 1 and "Traceback" not in err
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files that no command can use."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file")
    (tmp_path / "no text").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "other").write_text('[other]\nkey = "value"\n')
    monkeypatch.chdir(tmp_path / "folder")
    return tmp_path


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A hub's folder with an alert and some readings."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "data").mkdir(mode=0o700)
    with AlertCity(folder / "data") as city, Hub(folder / "data") as hub:
        city.judge(74.0)
        hub.hear(Speaker().batch(1, 30))
    write_files(folder)
    return folder


@pytest.fixture
def city(here, template):
    """The configuration of such a hub."""
    shutil.copytree(template, here, dirs_exist_ok=True)
    return here / "fenceline.toml"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_on_files_that_are_not_as_they_should_be(path, here):
    for kind in HOSTILE:
        told = end(path, line(path, here / kind, here / kind))
        assert is_told(*told), (kind, told)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_with_a_good_configuration_and_hostile_files_beside_it(path, here, city):
    for kind in ("missing/file", "folder", "no text"):
        told = end(path, line(path, city, here / kind)) if path != ("run",) else (0, "")
        assert is_told(*told), (kind, told)


def test_who_has_chosen_chinese_is_refused_in_chinese(here, monkeypatch):
    monkeypatch.setenv("FENCELINE_LANG", "zh")
    names = re.compile(r"'[^']*'|`[^`]*`|/\S*|--[\w-]+|\bfenceline( [a-z-]+)+|, [A-Z]\d\d")
    for path in COMMANDS:
        for kind in ("missing/file", "other", "file/below"):
            code, err = end(path, line(path, here / kind, here / kind))
            if code == 2:
                assert re.search("[\u4e00-\u9fff]", err), err
                assert not re.search(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}", names.sub("", err.partition(": ")[2])), err


@contextlib.contextmanager
def full_disk():
    """Let no file grow: to a program that is what a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_on_a_full_disk(path, here, city):
    if path == ("run",):
        shutil.rmtree(here / "data")
    with full_disk():
        told = end(path, line(path, city, here / "new"))
    assert is_told(*told), told


@pytest.mark.parametrize(
    "path", [one for one in COMMANDS if any("--config" in param.opts for param in ENGLISH[one].params)], ids=" ".join
)
def test_with_something_else_in_the_place_of_a_file_of_the_hub(path, here, template):
    for name, kind in ODD:
        if path == ("run",) and kind == "empty":
            continue  # a new hub begins with less, and runs
        folder = here / f"{name} {kind}"
        shutil.copytree(template, folder)
        place = folder / name
        place.unlink()
        if kind == "folder":
            place.mkdir()
        else:
            place.write_bytes(b"" if kind == "empty" else bytes(range(256)) * 40)
            place.chmod(0o600)
        told = end(path, line(path, folder / "fenceline.toml", folder / "new"))
        assert is_told(*told), (name, kind, told)


def test_a_backup_is_put_back_where_there_is_no_configuration(here, city):
    archive = json.loads(run(here, "backup", here / "backups", "--json").out)["path"]
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    for config in (elsewhere / "fenceline.toml", here / "missing" / "fenceline.toml", here / "folder"):
        told = end(("restore",), [archive, "--config", str(config)])
        assert is_told(*told), told
    assert (elsewhere / "data" / "log.db").exists()


def ends(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


PRINTS = pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("limits", "list")], ids=" ".join)


@PRINTS
def test_output_that_nobody_reads_to_its_end_is_no_error(arguments):
    with subprocess.Popen([*FENCELINE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as lister:
        lister.stdout.close()
        assert lister.stderr.read() == b""
    assert lister.returncode in (1, 141)  # the parser of command lines ends with 1


@PRINTS
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_cannot_be_written_is_told(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [*FENCELINE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "fenceline: no space left on device; make room on the disk\n"


@PRINTS
def test_a_command_whose_output_is_closed_works(arguments):
    closed = subprocess.run(
        [*FENCELINE, *arguments], stderr=subprocess.PIPE, timeout=60, check=False, preexec_fn=lambda: os.close(1)
    )
    assert (closed.returncode, closed.stderr) == (0, b"")


def test_what_the_hub_makes_is_for_its_user_alone(tmp_path):
    umask = os.umask(0o022)
    try:
        config = write_files(tmp_path)
        script = (
            "import sys, pathlib\n"
            "from hub.config.files import load_config\n"
            "from hub.run.hub import Hub\n"
            "import time\n"
            "hub = Hub(load_config(pathlib.Path(sys.argv[1])))\n"
            "hub.start()\n"
            "end = time.monotonic() + 30\n"
            "while len(hub._downstream.states) < 4 and time.monotonic() < end: time.sleep(0.1)\n"
            "time.sleep(0.5)\n"
            "hub.stop()\n"
        )
        with config.open("a") as file:
            file.write("[http]\nport = 0\n[broker]\nport = 9\n")
        done = ends([sys.executable, "-c", script, config], cwd=Path(__file__).parent.parent)
        assert done.returncode == 0, done.stderr
        run(tmp_path, "access", "add", "officer-2")
        run(tmp_path, "backup", tmp_path / "new" / "backups")
    finally:
        os.umask(umask)
    made = {path: path.stat().st_mode & 0o777 for path in (tmp_path / "data", *(tmp_path / "data").rglob("*"))}
    assert any(path.name == "log.db" for path in made)
    assert {f"{path}: {mode:o}" for path, mode in made.items() if mode & 0o077} == set()


def test_databases_of_an_earlier_version_are_closed_to_others(city, here):
    for path in (here / "data").glob("*.db"):
        path.chmod(0o644)
    run(here, "access", "list")
    assert (here / "data" / "compliance.db").stat().st_mode & 0o777 == 0o600
