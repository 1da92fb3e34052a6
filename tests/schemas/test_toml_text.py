"""TOML that costs a reader its time, memory or stack is one sentence, wherever TOML is read."""

import time

import pytest

from dashboards.contact import read_contact
from hub.config.files import ConfigError, load_config
from hub.registry.exchange import read_import
from schemas import CatalogueError, load_quantities
from schemas.errors import UserError
from schemas.toml_text import MOST_BYTES, MOST_PARTS, TomlError, parse_toml

HOSTILE = {
    "lists in lists": ("x = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "tables in tables": ("x = " + "{a = " * 900 + "1" + "}" * 900, "nested too deeply"),
    "just too deep": ("x = " + "[" * 17 + "]" * 17, "nested too deeply"),
    "a dotted key": (".".join(["a"] * 30_000) + " = 1", f"more than {MOST_PARTS} parts"),
    "a dotted table": ("[" + " . ".join(["a"] * 20_000) + "]", f"more than {MOST_PARTS} parts"),
    "a dotted key in a table": ("x = {" + ".".join(["'a'"] * 20_000) + " = 1}", f"more than {MOST_PARTS} parts"),
    "a dotted key of strings": ('"a.b" = 1\n' + ".".join(['"a"'] * 20_000) + " = 1", "(line 2)"),
    "digits": ("x = " + "9" * 50_000, "is not valid TOML"),
    "a control character": ('x = "\x1b[2J"', "is not valid TOML"),
    "too much": ("# " + "x" * MOST_BYTES, "bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_take_the_reader_s_time_or_stack_is_refused_at_once(name):
    text, told = HOSTILE[name]
    begin = time.process_time()
    with pytest.raises(TomlError) as refused:
        parse_toml(text)
    assert time.process_time() - begin < 2
    assert told in str(refused.value)
    assert len(str(refused.value)) < 300


def test_dots_in_texts_and_remarks_are_no_keys():
    dots = ".".join(["a"] * 40)
    content = parse_toml(f'a.b.c = "{dots}" # {dots}\nb = \'{dots}\'\nv = "1.2.3"\n')
    assert content == {"a": {"b": {"c": dots}}, "b": dots, "v": "1.2.3"}
    assert parse_toml("x = " + "[" * 14 + "]" * 14)


def test_notepad_s_mark_is_left_out_and_another_encoding_is_named():
    assert parse_toml("\ufeffx = 1".encode()) == {"x": 1}
    with pytest.raises(TomlError, match=r"not UTF-8 \(line 2, byte 12\), perhaps GBK; save it as UTF-8"):
        parse_toml("x = 1\nzh = '工地'".encode("gbk"))
    with pytest.raises(TomlError, match="UTF-16"):
        parse_toml("x = 1".encode("utf-16"))


@pytest.mark.parametrize("name", ["lists in lists", "a dotted key", "digits", "too much"])
@pytest.mark.parametrize(
    ("read", "refusal"),
    [
        (load_config, ConfigError),
        (lambda path: read_import(path, None), ConfigError),
        (load_quantities, CatalogueError),
        (read_contact, UserError),
    ],
)
def test_every_reader_of_toml_refuses_it_with_the_file_s_name(tmp_path, read, refusal, name):
    path = tmp_path / "some.toml"
    path.write_text(HOSTILE[name][0])
    with pytest.raises(refusal) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
