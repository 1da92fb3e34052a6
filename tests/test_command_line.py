"""The whole command line: every command and option in both languages, and one meaning for one option."""

import importlib
import json
import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command

import fenceline
from hub.log.log import Log
from hub.log.outcomes import Refused
from hub.terminal import tables
from schemas.language import Lang, speak
from tests.bench.start import LISTS, small_city
from tests.board_process import FENCELINE
from tests.hub.alerting import NINE, run
from tests.json_lines import rows_of

CHINESE = re.compile("[\u3400-\u9fff]")
SAME_IN_BOTH = {"Ctrl-C", "edge/"}
"""Defaults that are no words."""


def walk(command, path):
    yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from walk(one, (*path, name))


def commands(lang):
    """Return every command by its path, as it is built in a language."""
    speak(lang)
    try:
        found = {}
        for name, (module, _) in fenceline.COMMANDS.items():
            found |= walk(get_command(importlib.import_module(module).app), (name,))
    finally:
        speak(None)
    return found


ENGLISH, IN_CHINESE = commands(Lang.en), commands(Lang.zh)


def is_word(text):
    return re.search("[A-Za-z]", text) and not re.search("[/~]", text) and text not in SAME_IN_BOTH


@pytest.mark.parametrize("path", ENGLISH, ids=" ".join)
def test_every_command_and_option_is_explained_in_both_languages(path):
    en, zh = ENGLISH[path], IN_CHINESE[path]
    pairs = [(en.help, zh.help), *((one.help, two.help) for one, two in zip(en.params, zh.params, strict=True))]
    for one, two in pairs:
        assert one, f"{path}: a text is missing in English"
        assert not CHINESE.search(one.replace("上海", "")), one
        assert CHINESE.search(two or ""), f"{path}: {one!r} is missing in Chinese"
        # The printer of helps would take it for markup, and leave it out.
        assert "[" not in one + two
    for one, two in zip(en.params, zh.params, strict=True):
        if isinstance(one.show_default, str) and is_word(one.show_default):
            assert CHINESE.search(two.show_default), (path, one.name, one.show_default)
        panel = one.rich_help_panel, two.rich_help_panel
        assert panel == (None, None) or CHINESE.search(panel[1]), (path, one.name, panel)


@pytest.mark.parametrize("path", [path for path, one in ENGLISH.items() if not one.hidden], ids=" ".join)
def test_every_help_teaches_by_example(path):
    examples = [line.strip() for line in ENGLISH[path].epilog.splitlines()[1:] if line.strip()]
    assert examples
    assert all(" ".join(path) in one or "deploy init" in one for one in examples), examples


def test_an_option_means_the_same_wherever_it_is():
    meanings = {}
    for path, command in ENGLISH.items():
        for param in command.params:
            for name in param.opts:
                if name in ("--json", "--config", "--lang"):
                    meanings.setdefault(name, {})[param.help] = path
    assert len(meanings["--config"]) == 1
    # The live console prints a stream, and Grafana's dashboards have a language of their own.
    del meanings["--json"]["Print one JSON object a second for programs."]
    assert len(meanings["--json"]) == 1
    texts = meanings["--lang"]
    del texts["Whose dashboards, and the alert rules' wording."], texts["Only the dashboards in this language."]
    assert set(texts) == {"Language of what is printed."}


def test_the_old_name_of_board_is_taken_and_not_shown():
    for path in (("quarantine", "list"), ("quarantine", "replay"), ("quarantine", "release")):
        hidden = {name for param in ENGLISH[path].params if param.hidden for name in param.opts}
        assert hidden == {"--device"}


def fenceline_says(*arguments, **environment):
    """Return what the command prints for a person without a language in the environment."""
    clean = {name: value for name, value in os.environ.items() if name not in ("FENCELINE_LANG", "LC_ALL", "LANG")}
    done = subprocess.run(
        [*FENCELINE, *arguments], capture_output=True, text=True, check=True, env=clean | environment, encoding="utf-8"
    )
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--lang", "zh"], {}),
        (["--lang=zh"], {}),
        ([], {"FENCELINE_LANG": "zh"}),
        ([], {"LANG": "zh_CN.UTF-8"}),
    ],
)
def test_the_help_is_in_the_readers_language(arguments, environment):
    told = fenceline_says("limits", "explain", "--help", *arguments, **environment)
    for words in ("用法：", "参数", "选项", "说明哪些限值约束某站点", "默认：", "显示本帮助并退出", "示例："):
        assert words in told
    for words in ("Usage", "Arguments", "Options", "Show this", "default", "Examples", "OPTIONS"):
        assert words not in told
    assert (
        "Usage" in fenceline_says("limits", "explain", "--help", *arguments, **environment | {"FENCELINE_LANG": "en"})
        or arguments
    )
    assert "在本机运行模拟城市" in fenceline_says("--help", *arguments, **environment)


def test_chinese_help_is_not_cut_off():
    told = fenceline_says("alerts", "list", "--lang", "zh", "--help", COLUMNS="80")
    assert "…" not in told
    assert "其中指定登记册、密钥文件和数据目录。" in re.sub(r"[│\s]", "", told)


@pytest.fixture
def city(tmp_path, monkeypatch):
    """A hub that has run, with refused messages of two boards."""
    monkeypatch.setenv("FENCELINE_LANG", "en")
    small_city(tmp_path)
    log = Log(tmp_path / "data" / "log.db")
    log.commit([Refused("fenceline/1/x/y/gate-7/telemetry", b"{}", "gate-7", "bad_mac", "[it] is wrong")], NINE)
    log.close()
    return tmp_path


def test_each_list_ends_with_a_summary(city):
    rows = {
        "registry": rows_of(run(city, "registry", "list", "--json").out),
        "limits": rows_of(fenceline_says("limits", "list", "--json")),
        "alerts": rows_of(run(city, "alerts", "list", "--json").out),
        "quarantine": rows_of(run(city, "quarantine", "list", "--json").out),
        "access": rows_of(run(city, "access", "list", "--json").out),
    }
    assert all(rows.values())
    assert json.loads(run(city, "alerts", "list", "--site", "mill", "--json").out) == {"summary": True, "alerts": 0}


def test_a_list_tells_of_an_alert_what_the_api_tells(city):
    (listed, *_) = rows_of(run(city, "alerts", "list", "--json").out)
    shown = json.loads(run(city, "alerts", "show", listed["id"], "--json").out)
    assert listed.items() <= shown.items()


def test_the_quarantine_speaks_one_language_and_is_filtered_by_board(city):
    en = run(city, "quarantine", "list", "--board", "gate-7").out
    assert "[it] is wrong" in en
    assert not CHINESE.search(en)
    zh = run(city, "quarantine", "list", "--lang", "zh").out
    assert "隔离区" in zh
    assert "Quarantine" not in zh
    by_new_name = run(city, "quarantine", "list", "--board", "gate-7", "--json").out
    assert by_new_name == run(city, "quarantine", "list", "--device", "gate-7", "--json").out
    (row,) = rows_of(by_new_name)
    assert (row["device"], row["reason"]) == ("gate-7", "bad_mac")
    shown = run(city, "quarantine", "show", row["id"], "--lang", "zh").out
    assert "原因" in shown
    done = run(city, "quarantine", "replay", "--board", "gate-7", "--lang", "zh")
    assert (done.code, done.out) == (0, "重新判定1条：接受0条，仍拒绝1条（原因见列表）。\n")


def test_an_alert_is_acknowledged_by_either_name(city):
    assert run(city, "alerts", "ack", 1).out.endswith("; it had been resolved\n")
    assert run(city, "alerts", "acknowledge", 2).out.endswith("; it had been resolved\n")
    assert " ack " not in run(city, "alerts", "--help").out


def test_sites_and_boards_are_filtered_by_site(city):
    boards = rows_of(run(city, "registry", "list", "--site", "tower", "--json").out)
    assert {one["site"] for one in boards} == {"tower"}
    (site,) = rows_of(run(city, "registry", "list", "sites", "--site", "mill", "--json").out)
    assert site["id"] == "mill"
    refused = run(city, "registry", "list", "--site", "mil")
    assert (refused.code, "did you mean 'mill'?" in refused.err) == (2, True)


def test_lists_load_nothing_that_only_the_hub_needs(city):
    heavy = ("pydantic", "fastapi", "apprise", "cryptography", "influxdb_client", "grafana_client", "rich.console")
    script = f"""
        import sys, fenceline
        for name in {LISTS}:
            sys.argv = ["fenceline", name, "list"]
            try:
                fenceline.main()
            except SystemExit as end:
                assert not end.code, name
            loaded = [one for one in {heavy} if one in sys.modules]
            assert not loaded, (name, loaded)
    """
    code = "\n".join(line.removeprefix("        ") for line in script.splitlines())
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=city, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_a_table_in_a_pipe_folds_nothing_and_counts_chinese_as_two(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.table(
        ["Site", "n", "What"],
        [("钟楼", "7", "x" * 300), ("[mill]", "12", tables.Cell("one\ntwo", "red"))],
        numbers=(1,),
    )
    head, first, second, third = capsys.readouterr().out.splitlines()
    assert head == "Site     n  What"
    assert first == f"钟楼     7  {'x' * 300}"
    assert second == "[mill]  12  one"
    assert third == f"{'':12}two"


def test_a_narrow_terminal_folds_a_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    tables.table(["Id", "What"], [("board-0001", "word " * 20)], whole=(0,))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "board-0001" in lines[1]
    assert sum(line.count("word") for line in lines) == 20


@pytest.mark.parametrize(
    ("line", "en", "zh"),
    [
        ("alerts comment 1 --txt x", "No such option: --txt", "没有选项 --txt"),
        ("alerts list --most 0", "greater than or equal to 1", "应不小于 1"),
        ("alerts list --most", "requires an argument", "选项 --most 缺少取值"),
        ("alerts show 1 2", "extra argument", "多余的参数：2"),
        ("backtest", "Missing argument", "缺少参数 FILE"),
        ("board flash --imag x", "No such option: --imag", "没有选项 --imag"),
    ],
)
def test_a_usage_error_names_the_help_of_the_command_itself_in_the_language_spoken(line, en, zh):
    words = line.split()
    path = " ".join(["fenceline", *words[: 1 if words[0] == "backtest" else 2]])
    for lang, said in (("en", en), ("zh", zh)):
        answer = subprocess.run(
            [*FENCELINE, *words], capture_output=True, text=True, env=os.environ | {"FENCELINE_LANG": lang}, check=False
        )
        assert answer.returncode == 2
        assert said in answer.stderr
        assert f"{path} --help" in answer.stderr
