"""Which slot is started: always one that is whole, never one on trial for ever, whatever the power cut left."""

import hashlib
import json
import os
import sys
from binascii import hexlify

from edge import boot
from tests.edge.helpers import raises, tmp_dir

boot.fsync = lambda _file: None  # the power cuts here are made up, and the disk is slow

CRASHES = {"edge/__init__.py": b"", "edge/main.py": b"def run():\n    raise ValueError('no sensor')\n"}


def manifest_of(version, files, arch="any", mpy="6.3"):
    """Return the manifest of a bundle as bytes, as firmware/software/bundle.py writes it."""
    entries = {name: {"size": len(files[name]), "sha256": sha256(files[name])} for name in files}
    return json.dumps({"version": version, "arch": arch, "mpy": mpy, "files": entries}).encode()


def sha256(content):
    return hexlify(hashlib.sha256(content).digest()).decode()


def bundle(version):
    """Return `{name: content}` of a version that runs, told apart by its contents; one is large if its name says so."""
    name = version.encode()
    return {
        "edge/__init__.py": b"VERSION = '%s'\n" % name,
        "edge/main.py": b"def run():\n    return '%s'\n" % name,
        "edge/drivers/__init__.py": b"",
        "edge/drivers/dust%s.py" % version: b"# only in %s\n" % name * (200 if "large" in version else 1),
    }


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def lay(slots, slot, version, files=None):
    """Put a whole version into a slot, as a technician does."""
    files = files or bundle(version)
    for folder in ("", "/" + slot, "/" + slot + "/edge", "/" + slot + "/edge/drivers"):
        if not exists(slots + folder):
            os.mkdir(slots + folder)
    for name in files:
        put("%s/%s/%s" % (slots, slot, name), files[name])
    put("%s/%s/manifest.json" % (slots, slot), manifest_of(version, files))


def board(*versions, **state):
    """Return the slots of a board with a version in a, and perhaps another in b, and the state if one is given."""
    slots = tmp_dir() + "/slots"
    for slot, version in zip(boot.SLOTS, versions):  # noqa: B905 (MicroPython's zip has no `strict`)
        lay(slots, slot, version)
    if state:
        assert boot.write(slots, dict({"run": "a", "trial": "", "starts": 0}, **state))
    return slots


def put_on_trial(slots):
    """Make the version in slot b the one on trial, the one in a the one that is known to work."""
    state = boot.read(slots) or {}
    state.update({"run": "a", "trial": "b", "starts": 0})
    assert boot.write(slots, state)


def version_in(slots, slot):
    """Return the version in a slot after checking each file against what it must be, without boot.py's help."""
    version = json.loads(get("%s/%s/manifest.json" % (slots, slot)))["version"]
    files = bundle(version)
    for name in files:
        assert get("%s/%s/%s" % (slots, slot, name)) == files[name], (version, name)
    return version


def started(slots):
    """Start the board once and return the version that is chosen."""
    return version_in(slots, boot.decide(slots))


class PowerCut(Exception):  # noqa: N818
    """The board is without power from here on."""


class Flash:
    """`open` and `os` for edge/boot.py and edge/update.py, until the power goes after so many steps.

    A step is a byte of a state file, half of another write, or an operation on a folder. A rename that replaces a file
    is two steps, as on FAT.
    """

    def __init__(self, steps):
        self.steps = steps

    def __enter__(self):
        from edge import update

        self._modules = (boot, update)
        for module in self._modules:
            module.open, module.os = self.open, self
        return self

    def __exit__(self, *_):
        for module in self._modules:
            module.open, module.os = open, os

    def step(self):
        if self.steps == 0:
            raise PowerCut
        self.steps -= 1

    def open(self, path, mode="r"):
        if "w" not in mode:
            return open(path, mode)
        self.step()
        return _File(self, open(path, mode), 1 if "/state." in path else None)

    def rename(self, old, new):
        if exists(new):
            self.remove(new)
        self.step()
        os.rename(old, new)

    def remove(self, path):
        self.step()
        os.remove(path)

    def mkdir(self, path):
        self.step()
        os.mkdir(path)

    def rmdir(self, path):
        self.step()
        os.rmdir(path)

    def listdir(self, path):
        return os.listdir(path)

    def stat(self, path):
        return os.stat(path)


class _File:
    def __init__(self, flash, file, piece):
        self._flash, self._file, self._piece = flash, file, piece

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        piece = self._piece or len(data) // 2 + 1
        for i in range(0, len(data), piece):
            self._flash.step()
            self._file.write(data[i : i + piece])

    def flush(self):
        self._file.flush()

    def fileno(self):
        return self._file.fileno()


def cut_everywhere(make, work, check):
    """Do `work(slots)` on a board from `make()`, with the power cut after each of its steps, and `check(slots)` then.

    Returns the number of cuts.
    """
    steps = 0
    while True:
        slots = make()
        with Flash(steps) as flash:
            try:
                work(slots)
                survived = True
            except PowerCut:
                survived = False
        check(slots)
        if survived and flash.steps:
            return steps
        steps += 1


def run_once(slots):
    """Start the board for good, in this process, and return the text of what it ended with."""
    kept = {name: sys.modules[name] for name in list(sys.modules) if name == "edge" or name.startswith("edge.")}
    path = list(sys.path)
    for name in kept:
        del sys.modules[name]
    try:
        boot.start(slots)
        return "at the prompt"
    except (SystemExit, KeyboardInterrupt) as end:
        return end.__class__.__name__
    finally:
        for name in [name for name in sys.modules if name == "edge" or name.startswith("edge.")]:
            del sys.modules[name]
        sys.modules.update(kept)
        sys.path[:] = path


def test_a_board_without_a_state_starts_the_version_that_is_there():
    slots = board("1")
    for _ in range(5):
        assert started(slots) == "1"
    assert boot.read(slots)["run"] == "a"
    slots = tmp_dir() + "/slots"
    lay(slots, "a", "1")
    os.rename(slots + "/a", slots + "/b")
    assert started(slots) == "1"


def test_a_board_with_nothing_to_start_waits_for_a_technician():
    assert boot.decide(tmp_dir() + "/slots") is None
    assert run_once(tmp_dir()) == "at the prompt"


def test_without_a_state_and_with_two_versions_one_proves_itself_and_the_other_is_there_to_go_back_to():
    slots = board("1", "2")
    assert [started(slots) for _ in range(5)] == ["1", "1", "1", "2", "2"]


def test_a_version_on_trial_is_started_three_times_and_then_the_old_one_for_ever():
    slots = board("1", "2", trial="b", version="2")
    assert [started(slots) for _ in range(6)] == ["2", "2", "2", "1", "1", "1"]
    assert boot.read(slots)["why"] == "2: not healthy after 3 starts"


def test_a_slot_with_a_file_missing_cut_short_or_changed_is_never_started():
    slots = board("1", "2")
    for name in sorted(set(bundle("2")) | {"manifest.json"}):
        path = slots + "/b/" + name
        content = get(path)
        wrong = [content[:cut] for cut in range(len(content))]
        if name != "manifest.json":
            wrong += [content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :] for i in range(len(content))]
        for damaged in wrong:
            put(path, damaged)
            put_on_trial(slots)
            assert started(slots) == "1", damaged
        os.remove(path)
        put_on_trial(slots)
        assert started(slots) == "1", name
        put(path, content)
    put_on_trial(slots)
    assert started(slots) == "2"


def test_a_state_cut_short_or_damaged_at_any_byte_still_starts_a_version_that_runs():
    for state in ({}, {"trial": "b"}, {"trial": "b", "starts": 3}, {"run": "b", "why": "2: damaged"}):
        slots = board("1", "2", **dict({"run": "a"}, **state))
        path = slots + "/" + boot.STATES[1]
        content = get(path)
        for damage in range(len(content)):
            for torn in (
                content[:damage],
                content[:damage] + bytes([content[damage] ^ 1]) + content[damage + 1 :],
                content[damage:],
            ):
                for name in boot.STATES:
                    put(slots + "/" + name, b"")
                put(path, torn)
                assert boot.read(slots) is None or torn == content, torn
                assert started(slots) in ("1", "2"), torn


def test_a_state_of_nonsense_with_a_right_checksum_is_no_state():
    for state in (
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"seq":1,"run":"c","trial":"","starts":0}',
        b'{"seq":1,"run":"a","trial":"c","starts":0}',
        b'{"seq":1,"run":"a","trial":"","starts":"x"}',
        b'{"seq":"9","run":"a","trial":"","starts":0}',
    ):
        slots = board("1")
        put(slots + "/state.0", b"%08x " % boot.crc32(state) + state)
        assert boot.read(slots) is None, state
        assert started(slots) == "1"


def test_a_power_cut_at_each_step_of_counting_and_giving_up_is_survived():
    cuts = 0
    for starts in range(4):
        cuts += cut_everywhere(
            lambda starts=starts: board("1", "2", trial="b", version="2", starts=starts),
            boot.decide,
            lambda slots, starts=starts: check_the_rest_of_the_trial(slots, 3 - starts),
        )
    cuts += cut_everywhere(lambda: board("1", "2"), boot.decide, started)
    print(cuts, "cuts", end=" ")
    assert cuts > 300


def check_the_rest_of_the_trial(slots, most):
    versions = [started(slots) for _ in range(5)]
    assert versions.count("2") <= most, versions
    assert versions[-1] == "1"


def test_a_damaged_version_gives_way_to_the_other_and_is_started_only_if_there_is_none():
    slots = board("1", "2", run="b")
    put(slots + "/b/edge/main.py", b"")
    assert started(slots) == "1"
    assert boot.read(slots)["why"] == "slot b: files damaged"
    put(slots + "/a/edge/main.py", b"")
    assert boot.decide(slots) == "a"


def test_when_a_start_cannot_be_counted_the_old_version_runs():
    slots = board("1", "2", trial="b")

    def refuse(path, mode="r"):
        if "w" in mode:
            raise OSError(28)
        return open(path, mode)

    boot.open = refuse
    try:
        assert [started(slots) for _ in range(5)] == ["1"] * 5
    finally:
        boot.open = open


def test_a_version_that_crashes_is_told_with_its_last_error():
    slots = board("1", trial="b", version="2")
    lay(slots, "b", "2", CRASHES)
    for _ in range(3):
        assert run_once(slots) == "SystemExit"
    assert started(slots) == "1"
    assert boot.read(slots)["why"] == "2: not healthy after 3 starts; last: ValueError: no sensor"


def test_an_agent_that_ends_is_started_again_and_ctrl_c_leads_to_the_prompt():
    slots = board("1")
    assert run_once(slots) == "SystemExit"
    lay(slots, "a", "1", {"edge/__init__.py": b"", "edge/main.py": b"def run():\n    raise KeyboardInterrupt\n"})
    assert run_once(slots) == "KeyboardInterrupt"


def test_what_a_newer_version_adds_to_the_state_is_kept():
    slots = board("1", "2", trial="b", added=[1, 2])
    boot.decide(slots)
    assert boot.read(slots)["added"] == [1, 2]


def test_the_power_cut_of_these_tests_cuts():
    raises(PowerCut, Flash(0).remove, "x")
    slots = board("1")
    with Flash(20):
        raises(PowerCut, boot.write, slots, {"run": "a", "trial": "", "starts": 0})
    assert len(get(slots + "/state.1")) == 19
