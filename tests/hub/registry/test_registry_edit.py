"""What becomes of the registry's files when a command changes them: all or nothing, and people's comments stay."""

import csv
import io
import os
import signal
import stat
import subprocess
import sys
import textwrap
import tomllib

import pytest

from hub.config.files import ConfigError, load_config
from hub.registry.edit import editing
from hub.registry.live import load_entries, load_registry
from tests.hub.registry_files import CONFIG, KEYS, REGISTRY, contents, make, run


@pytest.fixture
def city(tmp_path):
    make(tmp_path)
    return tmp_path


def registry(folder):
    return load_registry(load_config(folder / "fenceline.toml"))


def plain(folder):
    return load_entries(load_config(folder / "fenceline.toml")).plain()


def lines_changed(folder):
    """Return (removed, added) lines of registry.toml, in order."""
    old, new = REGISTRY.splitlines(), (folder / "registry.toml").read_text("utf-8").splitlines()
    left = list(new)
    removed = []
    for line in old:
        if line in left:
            left.remove(line)
        else:
            removed.append(line)
    return removed, left


def test_retiring_a_board_adds_one_line_and_keeps_its_key(city):
    assert run(city, "retire", "fence-1", "--date", "2026-12-31").code == 0
    assert lines_changed(city) == ([], ["retired = 2026-12-31"])
    assert registry(city).keys["fence-1"].hex() == KEYS["fence-1"]
    text = (city / "registry.toml").read_text("utf-8")
    assert text.index('id = "fence-1"') < text.index("retired = 2026-12-31") < text.index("# --- south ---")


def test_a_new_entry_stands_behind_the_last_of_its_kind_and_every_comment_stays(city):
    site = ("--district", "nanhai", "--kind", "factory", "--en", "Kiln", "--zh", "窑")
    assert run(city, "add", "site", "kiln", *site).code == 0
    assert run(city, "add", "board", "fence-2", "--site", "kiln").code == 0
    removed, added = lines_changed(city)
    assert removed == []
    assert {'id = "kiln"', 'id = "fence-2"', 'site = "kiln"', 'zh = "窑"'} < {*added}
    assert (
        (city / "registry.toml")
        .read_text("utf-8")
        .endswith('\n\n[[board]]\nid = "fence-2"\nsite = "kiln"\n\n# end of file\n')
    )


def test_an_entry_with_tables_of_its_own_is_changed_too(city):
    text = REGISTRY.replace('zh = "老面粉厂"\n', 'zh = "老面粉厂"\n[[site.contacts]]\nrole = "porter"\nphone = "1"\n')
    (city / "registry.toml").write_text(text, "utf-8")
    (city / "new.toml").write_text('[[site]]\nid = "mill"\nzone_class = "3"\n', "utf-8")
    assert run(city, "import", str(city / "new.toml")).code == 0
    mill = registry(city).sites["mill"]
    assert (mill.zone_class, mill.contacts[0].role) == ("3", "porter")


def test_a_registry_in_one_line_is_refused_not_rewritten(city):
    site = 'site = [{id = "mill", district = "n", kind = "factory", en = "M", zh = "M"}]\n'
    text = site + 'board = [{id = "fence-1", site = "mill"}]\n'
    (city / "registry.toml").write_text(text, "utf-8")
    before = contents(city)
    ended = run(city, "retire", "fence-1")
    assert ended.code == 2
    assert "[[table]] of its own" in ended.err
    assert contents(city) == before


def test_a_header_inside_a_text_misleads_nobody(city):
    note = "note = '''\n[[board]]\nid = \"stack-9\"\n'''"
    (city / "registry.toml").write_text(REGISTRY.replace("retired = 2026-06-30", note), "utf-8")
    before = contents(city)
    assert run(city, "retire", "stack-1").code == 2
    assert contents(city) == before


def test_the_first_entries_of_a_city_make_its_files(tmp_path):
    (tmp_path / "fenceline.toml").write_text(CONFIG, "utf-8")
    site = ("--district", "nanhai", "--kind", "factory", "--en", "Mill", "--zh", "厂", "--position=23.02,113.14")
    assert run(tmp_path, "add", "site", "mill", *site).code == 0
    assert run(tmp_path, "add", "board", "fence-1", "--site", "mill", "--sensors", "plantower,modbus").code == 0
    city = registry(tmp_path)
    assert city.boards["fence-1"].sensors == ("plantower", "modbus")
    assert city.sites["mill"].position == (23.02, 113.14)
    assert len(city.keys["fence-1"]) == 32
    assert stat.S_IMODE((tmp_path / "keys.toml").stat().st_mode) == 0o600


def test_two_boards_never_get_the_same_key(city):
    for name in ("a", "b"):
        assert run(city, "add", "board", name, "--site", "mill").code == 0
    keys = registry(city).keys
    assert len({*keys.values()}) == 4


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_keys_can_be_read_by_their_owner_only_even_while_they_are_written(city, umask, monkeypatch):
    modes = []
    really = os.fchmod

    def look(file, mode):
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in city.glob("keys.toml*"))
        really(file, mode)

    monkeypatch.setattr(os, "fchmod", look)
    old = os.umask(umask)
    try:
        assert run(city, "add", "board", "fence-2", "--site", "mill").code == 0
    finally:
        os.umask(old)
    assert {*modes} == {0o600}
    assert sorted(path.name for path in city.iterdir()) == ["fenceline.toml", "keys.toml", "registry.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_files_stay_their_owners_when_root_changes_them(city):
    for name in ("registry.toml", "keys.toml"):
        os.chown(city / name, 10001, 10002)
    assert run(city, "add", "board", "fence-2", "--site", "mill").code == 0
    for name in ("registry.toml", "keys.toml"):
        assert ((city / name).stat().st_uid, (city / name).stat().st_gid) == (10001, 10002)


def test_a_stricter_mode_of_the_registry_stays(city):
    (city / "registry.toml").chmod(0o640)
    assert run(city, "retire", "fence-1").code == 0
    assert stat.S_IMODE((city / "registry.toml").stat().st_mode) == 0o640


KILLED = """
    import os, signal, sys
    import fenceline
    from hub.registry import edit as registry_edit
    really, done = registry_edit.replace_file, []
    def replace(path, *rest):
        if len(done) == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        really(path, *rest)
        done.append(path)
    registry_edit.replace_file = replace
    fenceline._run("registry", sys.argv[2:])
"""


@pytest.mark.parametrize("writes", [0, 1])
def test_a_command_killed_before_or_between_its_writes_leaves_a_registry_that_loads(city, writes):
    before = (city / "registry.toml").read_bytes()
    add = ["add", "board", "fence-2", "--site", "mill", "--config", str(city / "fenceline.toml")]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(writes), *add]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    assert (city / "registry.toml").read_bytes() == before
    assert registry(city).boards.keys() == KEYS.keys()
    drawn = tomllib.loads((city / "keys.toml").read_text()).get("fence-2")
    assert (drawn is not None) == bool(writes)
    assert run(city, *add[:-2]).code == 0
    assert drawn in (None, registry(city).keys["fence-2"].hex())


def test_a_command_killed_while_it_wrote_is_in_nobodys_way(city):
    (city / "keys.toml.new").write_text("half a ke")
    assert run(city, "add", "board", "fence-2", "--site", "mill").code == 0
    assert not (city / "keys.toml.new").exists()


def test_only_one_command_changes_the_registry_at_a_time(city):
    before = contents(city)
    with editing(load_config(city / "fenceline.toml")):
        ended = run(city, "retire", "fence-1")
    assert ended.code == 2
    assert "another command is changing it; try again" in ended.err
    assert contents(city) == before
    assert run(city, "retire", "fence-1").code == 0


def test_a_registry_that_is_wrong_already_is_not_changed(city):
    (city / "registry.toml").write_text(REGISTRY.replace("factory", "airport"), "utf-8")
    before = contents(city)
    ended = run(city, "retire", "fence-1")
    assert ended.code == 2
    assert "site 'mill': kind = 'airport'" in ended.err
    assert contents(city) == before


def test_a_folder_that_cannot_be_written_is_named(city, monkeypatch):
    (city / "keys.toml.new").mkdir()  # what stands in the way of the new file for root, too
    before = contents(city)
    ended = run(city, "add", "board", "fence-2", "--site", "mill")
    assert ended.code == 2
    assert "keys.toml: cannot be written" in ended.err
    assert contents(city) == before


def empty(folder):
    folder.mkdir()
    (folder / "fenceline.toml").write_text(CONFIG, "utf-8")
    return folder


def test_toml_to_csv_to_toml_loses_nothing_but_the_cities_names(city, tmp_path):
    other = empty(tmp_path / "other")
    for kind in ("sites", "boards"):
        assert run(city, "export", str(tmp_path / f"{kind}.csv"), "--kind", kind).code == 0
        assert run(other, "import", str(tmp_path / f"{kind}.csv")).code == 0
    assert plain(other) == plain(city) | {"city": {}, "district": {}}
    assert run(other, "import", str(tmp_path / "registry.toml")).code == 0
    assert plain(other) == plain(city)


def test_toml_to_toml_loses_nothing(city, tmp_path):
    other = empty(tmp_path / "other")
    (tmp_path / "all.toml").write_text(run(city, "export").out, "utf-8")
    assert run(other, "import", str(tmp_path / "all.toml")).code == 0
    assert plain(other) == plain(city)
    assert {*registry(other).keys.values()}.isdisjoint({*registry(city).keys.values()})


def test_an_export_for_a_spreadsheet_begins_with_the_mark_of_utf_8(city):
    assert run(city, "export", str(city / "sites.csv"), "--kind", "sites").code == 0
    data = (city / "sites.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfid,district")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[0]["zh"] == "北门七号地块"
    assert rows[0]["contacts"] == "site manager|Li|+86 757 0000 0000;duty|||a@b.example"


def test_what_a_cell_cannot_hold_is_not_exported_as_csv(city):
    (city / "registry.toml").write_text(REGISTRY.replace("Li", "Li; Wu"), "utf-8")
    ended = run(city, "export", "--format", "csv", "--kind", "sites")
    assert (ended.code, ended.out) == (2, "")
    assert "site 'gate-7': contacts: 'Li; Wu' cannot stand in CSV" in ended.err


@pytest.mark.parametrize("name", ["registry.toml", "keys.toml"])
def test_an_export_never_overwrites_the_hubs_own_files(city, name):
    before = contents(city)
    assert run(city, "export", str(city / name)).code == 2
    assert contents(city) == before


def test_keys_that_others_can_read_are_not_added_to(city):
    (city / "keys.toml").chmod(0o644)
    ended = run(city, "add", "board", "fence-2", "--site", "mill")
    assert ended.code == 2
    assert "chmod 600" in ended.err


def test_a_leftover_key_that_is_none_is_not_given_to_a_new_board(city):
    with (city / "keys.toml").open("a") as file:
        file.write('fence-2 = "secret"\n')
    before = contents(city)
    ended = run(city, "add", "board", "fence-2", "--site", "mill")
    assert ended.code == 2
    assert "the key of board 'fence-2' is not 64 hexadecimal digits; remove that line" in ended.err
    assert "secret" not in ended.err
    assert contents(city) == before


def test_editing_a_folder_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "fenceline.toml").write_text('registry = "no/registry.toml"\nkeys = "keys.toml"\n')
    with pytest.raises(ConfigError, match="No such file"), editing(load_config(tmp_path / "fenceline.toml")):
        pass
