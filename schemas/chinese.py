"""Says in Chinese what the product refuses: by the English sentence, which stands where it is raised.

`sentences.zh.toml` has each sentence with {} for what is filled in. What is filled in may be such a sentence itself,
as "FILE: is not valid TOML: Unterminated string", so each part is looked for again. What nobody has translated stays.

`sources.zh.toml` says in Chinese where facts of law are from, which files have in English.
"""

import re
from functools import cache
from pathlib import Path

from schemas.language import Lang, Text, spoken
from schemas.toml_text import read_toml_file

FILE = Path(__file__).with_name("sentences.zh.toml")
SOURCES = FILE.with_name("sources.zh.toml")
MOST_DEPTH = 6
"""Sentences in each other."""
LONGEST = 2000
"""Characters; what is longer holds somebody's data, and is left as it is."""

_BLANK = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
"""Between two Chinese words, where a part was filled in: there is none in Chinese."""
_JOINED = ((re.compile(r"(.+?): (.+)", re.DOTALL), "："), (re.compile(r"(.+); (.+)", re.DOTALL), "；"))
"""How sentences are put together where no template says it."""


def in_chinese(sentence: str) -> str:
    """Return a sentence in Chinese as far as it is known, without a full stop at its end."""
    bare = sentence.rstrip(".")
    if len(bare) > LONGEST:
        return bare
    text = _said(bare, MOST_DEPTH)
    for english, chinese in _known()[2].items():
        text = text.replace(english, chinese).replace(english.lower(), chinese)
    return _BLANK.sub("", text)


def translated(sentence: str) -> str:
    """Return a sentence in the language of this command line."""
    return in_chinese(sentence) if spoken() is Lang.zh else sentence


def source_text(source: str) -> Text:
    """Return where a fact is from, as people read it; titles, addresses, and what a city wrote itself as they stand."""
    return Text(source, _sources().get(source, source))


@cache
def _sources() -> dict[str, str]:
    found: dict[str, str] = read_toml_file(SOURCES)["sources"]
    return found


def _said(text: str, depth: int) -> str:
    whole, templates, _ = _known()
    if text in whole:
        return whole[text]
    if not depth or not re.search(r"[A-Za-z]{2}", text):
        return text
    for pattern, translation in templates:  # the most telling first
        found = pattern.fullmatch(text)
        if found:
            return translation.format(*(_said(part, depth - 1) for part in found.groups()))
    for pattern, sign in _JOINED:
        for cut in pattern.finditer(text):
            parts = [_said(part, depth - 1) for part in cut.groups()]
            if parts != [*cut.groups()]:
                return sign.join(parts)
    return text


@cache
def _known() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]], dict[str, str]]:
    content = read_toml_file(FILE)
    whole: dict[str, str] = {}
    templates: list[tuple[int, re.Pattern[str], str]] = []
    for english, chinese in (content["sentences"] | content["parts"]).items():
        bare = english.rstrip(".")
        if "{}" not in bare:
            whole[bare] = chinese.replace("{{", "{").replace("}}", "}")
            continue
        pieces = bare.split("{}")
        # Only the last part goes beyond a colon: before one stands whose sentence it is.
        parts = ["((?:(?!: ).)*?)"] * (len(pieces) - 2) + ["(.*?)"]
        pattern = re.compile("".join(map(str.__add__, map(re.escape, pieces), [*parts, ""])), re.DOTALL)
        templates.append((sum(map(len, pieces)), pattern, chinese))
    templates.sort(key=lambda one: -one[0])
    return whole, [(pattern, chinese) for _, pattern, chinese in templates], content["system"]
