"""Prepares the real parts that the tests run against: `python -m tests.stack`, or `... micropython` for some only.

A test that talks to a mock broker shows only what its author believed of brokers. So the tests start Mosquitto,
InfluxDB and MicroPython themselves. What this machine has is used. What it lacks is fetched from the mirror that the
machine's own apt uses and unpacked under `.cache/` with every library it needs: no root, nothing installed, no service
that starts by itself, and the same versions whichever Debian this is.

MicroPython is the 32-bit i386 build where the machine can run it, because a board is a 32-bit machine too.
"""

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sim.interpreter import find_micropython, interpreter_name

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
DEBIAN_SUITE = "trixie"  # the first with MicroPython >= 1.24; taken on older and newer Debian alike

WRAPPER = """\
#!/bin/sh
# Starts the unpacked program with the libraries it was built for, wherever this folder lies.
here=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
exec "$here/{loader}" --library-path "{libraries}" "$here/{program}" "$@"
"""


class UnavailableError(Exception):
    """A part can't be had on this machine; the text says why in one line."""


@dataclass(frozen=True)
class Found:
    path: Path
    version: str


@dataclass(frozen=True)
class Part:
    """A real program that tests run against; `name` is its Debian package and its folder in the cache."""

    name: str
    title: str
    program: str
    needed_by: str
    find: Callable[[], Found | None]
    advice: str = ""
    """How to get it. Empty: it is fetched. What runs inside the machine's own Python needs the machine's own libc."""


def find_mosquitto() -> Found | None:
    return _find("mosquitto", "mosquitto", "-h", r"mosquitto version (2\.\S+)")


def find_influxdb() -> Found | None:
    # Only 1.x: the engine with InfluxQL and a configuration file. 2.x is configured in another way.
    return _find("influxdb", "influxd", "version", r"InfluxDB v(1\.\S+)")


def find_board() -> Found | None:
    path = find_micropython()
    return Found(path, interpreter_name(path).removeprefix("MicroPython ")) if path else None


def find_caddy() -> Found | None:
    return _find("caddy", "caddy", "version", r"v?(2\.\S+)")


def find_systemd() -> Found | None:
    return _find("systemd", "systemd-analyze", "--version", r"systemd (\d+)")


def find_nats() -> Found | None:
    """Find the server that the locked requirements bring."""
    return _run_for_version(Path(sys.executable).parent / "nats-server", "--version", r"nats-server: v(\S+)")


def find_faketime() -> Found | None:
    """Find the library that gives a process started with it in LD_PRELOAD another wall clock."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    program = _find("faketime", "faketime", "--version", r"Version (\S+)")
    return Found(library, program.version) if library and program else None


PARTS = {
    part.name: part
    for part in (
        Part("mosquitto", "Mosquitto", "mosquitto", "tests with a broker", find_mosquitto),
        Part("influxdb", "InfluxDB", "influxd", "tests with InfluxDB", find_influxdb),
        Part("micropython", "MicroPython", "micropython", "tests of the board's code on MicroPython", find_board),
        Part("caddy", "Caddy", "caddy", "tests of the reverse proxy", find_caddy),
        Part(
            "systemd",
            "systemd",
            "systemd-analyze",
            "tests of the units",
            find_systemd,
            "install it with 'apt-get install systemd'",
        ),
        Part(
            "nats",
            "NATS",
            "nats-server",
            "tests with a cluster of brokers",
            find_nats,
            "install requirements-dev.lock into the environment that runs the tests ('make test' does)",
        ),
        Part(
            "faketime",
            "libfaketime",
            "faketime",
            "tests in which the hub's clock is wrong",
            find_faketime,
            "install it with 'apt-get install faketime'",
        ),
    )
}


def required() -> bool:
    """Whether a missing part is a failure (in CI) rather than a reason to leave its tests out."""
    return os.environ.get("FENCELINE_REQUIRE_STACK") == "1"


def main(names: Collection[str] = ()) -> int:
    """Prepare what is missing and print what there is; 1 if a part is missing that is required, or that is named.

    Args:
        names: of parts; none: all of them.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"there is no part {unknown[0]!r}; expected some of: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    wanted = [part for part in PARTS.values() if part.name in (names or PARTS)]
    reasons = prepare(wanted)
    for part in wanted:
        found = part.find()
        if found is None:
            print(f"{part.title:<12}missing: {reasons[part.name]}. Left out: {part.needed_by}")
        else:
            where = found.path.relative_to(ROOT) if found.path.is_relative_to(ROOT) else found.path
            print(f"{part.title:<12}{found.version:<17}{where}")
            if "64-bit" in found.version:
                print(f"{'':<12}no 32-bit build here. Left out: what holds on a 32-bit machine only (memory, viper)")
    if reasons and required():
        print("FENCELINE_REQUIRE_STACK=1: a missing part is a failure")
        return 1
    return 1 if reasons and names else 0


def prepare(wanted: Iterable[Part] = tuple(PARTS.values())) -> dict[str, str]:
    """Fetch those of the parts that are missing; return the reason for each one that could not be had."""
    missing = [part for part in wanted if part.find() is None]
    if not missing:
        return {}
    CACHE.mkdir(exist_ok=True)
    reasons = {}
    with tempfile.TemporaryDirectory(prefix="apt-", dir=CACHE) as folder:
        open_archive = functools.cache(lambda architecture: Archive(Path(folder) / architecture, architecture))
        for part in missing:
            if part.advice:
                reasons[part.name] = part.advice
                continue
            print(f"Fetching {part.title} ...", flush=True)
            try:
                _fetch(part, open_archive)
            except (UnavailableError, OSError) as error:
                reasons[part.name] = str(error)
    return reasons


def _find(folder: str, program: str, argument: str, version: str) -> Found | None:
    # Debian keeps servers in /usr/sbin, which an ordinary user's PATH leaves out.
    system = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    for path in (CACHE / folder / "bin" / program, system):
        if path and (found := _run_for_version(Path(path), argument, version)):
            return found
    return None


def _run_for_version(path: Path, argument: str, version: str) -> Found | None:
    try:
        answer = subprocess.run([path, argument], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(version, answer.stdout)
    return Found(path, match[1]) if match else None


def _fetch(part: Part, open_archive: "Callable[[str], Archive]") -> None:
    if shutil.which("apt-get") is None:
        raise UnavailableError("it can only be fetched where there is apt-get; install it in your system's own way")
    native = _run("dpkg", "--print-architecture").stdout.strip()
    architectures = ["i386", native] if part.name == "micropython" and native == "amd64" else [native]
    for architecture in architectures:
        try:
            open_archive(architecture).unpack(part, CACHE / part.name)
        except UnavailableError:
            if architecture == native:
                raise
        if part.find():
            return
    raise UnavailableError(f"the archive's {part.title} does not run here, or is too old")


class Archive:
    """The packages of one architecture in the distribution's archive, read without touching the machine's own apt.

    The private package database is empty, so apt names every library that a program needs, down to libc and the
    loader, and the program runs on whatever release this machine has. Signatures are checked as always.
    """

    def __init__(self, folder: Path, architecture: str) -> None:
        for needed in ("lists/partial", "archives/partial"):
            (folder / needed).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "archive.sources").write_text(_source(architecture))
        # Of the machine's own configuration only the way to its mirror (proxies, certificates), not its hooks.
        way = [
            line for line in _run("apt-config", "dump").stdout.splitlines() if re.match("Acquire::(http|Check)", line)
        ]
        own = f"""
            Dir::State::Lists "{folder}/lists"; Dir::State::status "{folder}/status"; Dir::State "{folder}";
            Dir::Cache "{folder}"; Dir::Cache::Archives "{folder}/archives";
            Dir::Etc::SourceList "{folder}/archive.sources"; Dir::Etc::SourceParts "/dev/null";
            Dir::Etc::Main "/dev/null"; Dir::Etc::Parts "/dev/null"; Dir::Etc::Preferences "/dev/null";
            Dir::Etc::PreferencesParts "/dev/null";
            APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};
            APT::Install-Recommends "0"; APT::Sandbox::User ""; Acquire::Languages "none"; Debug::NoLocking "1";
        """
        config = folder / "apt.conf"
        config.write_text("\n".join([*way, own]))
        self._debs = folder / "archives"
        self._environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}
        # One of several mirrors may fail, so only a package that is missing in the end is a failure; this says why.
        self._trouble = _first_complaint(_run("apt-get", "update", environment=self._environment, check=False))

    def unpack(self, part: Part, target: Path) -> None:
        """Put the part and all it needs into `target`, to be started by `target`/bin/PROGRAM."""
        try:
            _run("apt-get", "install", "--yes", "--download-only", part.name, environment=self._environment)
        except UnavailableError as error:
            raise UnavailableError(f"{error}{self._trouble and ', after '}{self._trouble}") from error
        with tempfile.TemporaryDirectory(prefix=f"{part.name}-", dir=CACHE) as folder:
            new = Path(folder) / "new"
            new.mkdir()
            for deb in self._debs.glob("*.deb"):
                _run("dpkg-deb", "--extract", str(deb), str(new / "tree"))
                deb.unlink()
            shutil.rmtree(new / "tree/usr/share", ignore_errors=True)  # manuals
            _write_wrapper(new, part.program)
            shutil.rmtree(target, ignore_errors=True)
            new.rename(target)


def _write_wrapper(folder: Path, program: str) -> None:
    def find(*patterns: str) -> list[Path]:
        found = [path for pattern in patterns for path in sorted(folder.glob(pattern)) if not path.is_symlink()]
        if not found:
            raise UnavailableError(f"the unpacked packages hold no {patterns[0]}")
        return [path.relative_to(folder) for path in found]

    # Older releases keep the loader and some libraries in /lib.
    libraries = find("tree/usr/lib/*-linux-gnu*", "tree/lib/*-linux-gnu*")
    wrapper = folder / "bin" / program
    wrapper.parent.mkdir()
    wrapper.write_text(
        WRAPPER.format(
            loader=find("tree/usr/lib/*/ld-linux*.so.*", "tree/lib/*/ld-linux*.so.*")[0],
            libraries=":".join(f"$here/{library}" for library in libraries),
            program=find(f"tree/usr/*bin/{program}")[0],
        )
    )
    wrapper.chmod(0o755)


def _source(architecture: str) -> str:
    """Describe the distribution's archive to apt, at the mirror that this machine's apt uses."""
    system = platform.freedesktop_os_release()
    name, release = system.get("ID", ""), system.get("VERSION_CODENAME", "")
    suites = {
        "debian": f"Suites: {DEBIAN_SUITE}\nComponents: main",
        "ubuntu": f"Suites: {release} {release}-updates\nComponents: main universe",
    }
    keyring = next(Path("/usr/share/keyrings").glob(f"{name}-archive-keyring.*"), None)
    # apt itself reads its sources, in either format, and says without any download what an update would ask for.
    planned = _run("apt-get", "update", "--print-uris", "-o", "Debug::NoLocking=1", "-o", f"Dir::State::Lists={CACHE}")
    mirrors = re.findall(rf"'(\S+)/dists/(?:{release}|stable|testing|sid)/InRelease'", planned.stdout)
    if name not in suites or keyring is None or not mirrors:
        raise UnavailableError(
            f"no mirror of Debian or Ubuntu among the apt sources of this machine ({name} {release})"
        )
    return (
        f"Types: deb\nURIs: {' '.join(mirrors)}\n{suites[name]}\nArchitectures: {architecture}\nSigned-By: {keyring}\n"
    )


def _run(
    *command: str, environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"'{' '.join(command[:2])}' failed: {error}") from error
    if check and done.returncode != 0:
        raise UnavailableError(f"'{' '.join(command[:2])}' failed: {_first_complaint(done)}")
    return done


def _first_complaint(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("E:", "W:"))), lines[0] if lines else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
