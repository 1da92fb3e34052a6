"""Whoever has chosen Chinese is refused in Chinese: every sentence of the code has its other half."""

import ast
import re
import string
from pathlib import Path

import pytest

from schemas.chinese import FILE, SOURCES, in_chinese, source_text
from schemas.toml_text import read_toml_file

ROOT = Path(__file__).parents[2]
SHOWN = {
    *("UserError", "ConfigError", "EntryError", "TomlError", "CatalogueError", "DatabaseError", "DeskError"),
    *("AccessError", "RuleError", "UnitError", "ValueError", "LookupError", "JsonError", "UnreachableError"),
    *("TransportError", "WrongThingError"),
}
"""What ends up before a person's eyes."""
LEFT = {"nested more than {} deep", "no soft reboot", "the table ends before second {} of the day", "no channel {}"}
"""Of the API, and of our own mistakes."""
CHINESE = re.compile("[\u4e00-\u9fff]")
CONTENT = read_toml_file(FILE)


def template(node):
    """Return a text of the code with {} for what is filled in; None: it is no text."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(one.value if isinstance(one, ast.Constant) else "{}" for one in values)
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return "".join(one if (one := template(part)) is not None else "{}" for part in (left, right))
    return None


def sentences():
    """Yield (file, sentence) of what the code refuses."""
    rooms = ("schemas", "hub", "firmware", "deploy", "dashboards", "sim/chip", "sim/city", "sim/packs")
    for path in [ROOT / "fenceline.py", *(file for room in rooms for file in sorted((ROOT / room).rglob("*.py")))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name in SHOWN:
                    said = template(first)
                    if said and re.search("[a-z]{2,} [a-z]{2,}|: ", said.replace("{}", "")):
                        yield path.relative_to(ROOT).as_posix(), said


def test_every_sentence_has_its_chinese():
    known = {one.rstrip(".") for one in CONTENT["sentences"]} | {one.rstrip(".") for one in CONTENT["parts"]}
    left = LEFT | {one for _, one in sentences() if not re.search("[A-Za-z]{3}", one.replace("{}", ""))}
    assert [(path, one) for path, one in sentences() if one.rstrip(".") not in known | left] == []


def test_no_chinese_is_kept_of_a_sentence_that_is_no_more():
    said = {one for _, one in sentences()}
    assert [one for one in CONTENT["sentences"] if one not in said and re.search("[a-z]{2,} [a-z]{2,}", one)] == []


@pytest.mark.parametrize("part", ["sentences", "parts"])
def test_a_translation_fills_in_what_the_sentence_does(part):
    for english, chinese in CONTENT[part].items():
        assert CHINESE.search(chinese) or not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", english), english
        named = sorted({int(name) for _, name, *_ in string.Formatter().parse(chinese) if name is not None})
        assert {*named} <= {*range(english.count("{}"))}, english
        assert len(named) >= english.count("{}") - 1, english  # an error's number may be left out


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "fenceline.toml: is not valid TOML: Unterminated string (at line 1, column 5)",
            "fenceline.toml：不是有效的 TOML：字符串未结束（第 1 行，第 5 列）",
        ),
        (
            "f.toml: Expected `int`, got `str` - at `$.broker.port`",
            "f.toml：应为 `int`，实为 `str`（位于 `$.broker.port`）",
        ),
        (
            "r.toml: site 'x': kind = 'y': expected one of: construction, factory",
            "r.toml：站点 'x'：kind = 'y'：应为下列之一：construction, factory",
        ),
        (
            "b.csv, line 3, column site: board 'a': there is no site 'q'; add it or mend the name",
            "b.csv，第 3 行，site 列：设备 'a'：没有站点 'q'；请添加，或改正名称",
        ),
        ("there is no board 'x'; did you mean 'y'?", "没有设备 'x'；是否为 'y'？"),
        ("what nobody has translated 3", "what nobody has translated 3"),
    ],
)
def test_a_sentence_is_put_together_of_its_parts(english, chinese):
    assert in_chinese(english) == chinese
    assert in_chinese(chinese) == chinese  # those that a command says itself stay


def test_hostile_sentences_cost_no_time():
    for text in (": " * 900, "; " * 900, "a, line " * 200, "{} {} " * 300, "expected one of: " * 100, "x" * 100_000):
        assert isinstance(in_chinese(text), str)


def sources(content):
    """Yield where the facts of a file are from, as far as the file itself does not say it in Chinese."""
    if isinstance(content, dict):
        for name in ("source", "hours_source"):
            if isinstance(content.get(name), str) and f"{name}_zh" not in content:
                yield content[name]
    for part in content.values() if isinstance(content, dict) else content:
        if isinstance(part, dict | list):
            yield from sources(part)


def test_every_source_of_a_fact_has_its_chinese():
    files = [
        path
        for path in (ROOT / "schemas").rglob("*.toml")
        if not {"domains", "cases"} <= set(path.relative_to(ROOT).parts)  # worked cases: who sends, no fact
    ]
    found = {one for path in files for one in sources(read_toml_file(path))}
    assert len(found) > 50
    in_words = {one for one in found if re.search(r"[A-Za-z]{2,} [a-z]{2,}|knowledge|[;:] ", one)}
    known = set(read_toml_file(SOURCES)["sources"])
    assert sorted(in_words - known) == []
    assert sorted(known - found) == [], "sources that no file has any more"
    assert all(CHINESE.search(source_text(one).zh) for one in in_words)
