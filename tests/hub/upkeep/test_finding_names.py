"""What `fenceline check` looked at is named in the reader's language, too."""

import ast
import re
from pathlib import Path

from hub.upkeep.checks.finding import shown

CHECKS = Path(__file__).resolve().parents[3] / "hub" / "upkeep" / "checks"
TELL = {"ok", "warning", "problem", "skipped", "check_secret", "Finding"}


def names():
    """Return the names in the source, as far as they stand there; of an f-string its beginning."""
    for path in CHECKS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TELL and node.args:
                first = node.args[0]
                first = first.values[0] if isinstance(first, ast.JoinedStr) else first
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_name_has_a_chinese_one():
    found = set(names())
    assert {"config", "broker", "broker login", "data folder"} <= found
    english = {name for name in found if re.search("[a-z]", shown(name).zh)}
    assert english == set()


def test_what_follows_a_name_stays_as_it_is():
    assert shown("database log.db").zh == "数据库 log.db"
    assert shown("broker login north").zh == "消息代理登录 north"
    assert shown("broker login north").en == "broker login north"
