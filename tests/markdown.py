"""Markdown pages as tests read them: headings and their anchors, links, blocks of code and what is said of those."""

import re
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
_MARK = re.compile(r"<!-- (run|file: \S+) -->")


@dataclass(frozen=True)
class Block:
    """A block of code: where it begins, its language, its text, and the mark in the comment before it."""

    line: int
    language: str
    text: str
    mark: str = ""
    """`run`, `file: NAME`, or nothing."""


@dataclass(frozen=True)
class Page:
    """What stands in one file: headings as `(level, text)`, links and pictures as `(line, target)`, blocks of code."""

    path: Path
    headings: tuple[tuple[int, str], ...]
    links: tuple[tuple[int, str], ...]
    blocks: tuple[Block, ...]

    def anchors(self) -> set[str]:
        """Return the anchors that GitHub gives the headings; the second of two alike ends in -1."""
        found: set[str] = set()
        for _, text in self.headings:
            base, number = anchor(text), 0
            while (name := f"{base}-{number}" if number else base) in found:
                number += 1
            found.add(name)
        return found


def anchor(heading: str) -> str:
    """Return a heading's anchor by GitHub's rule: lower case, punctuation out, blanks to hyphens."""
    kept = (c for c in heading.lower() if c in " -_" or unicodedata.category(c)[0] in "LMN")
    return "".join(kept).replace(" ", "-")


@cache
def tracked(*patterns: str) -> tuple[Path, ...]:
    """Return the project's own files as git knows them, those not yet committed among them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / name for name in sorted(set(names.split("\0"))) if name and (ROOT / name).exists())


@cache
def read(path: Path) -> Page:
    """Read a page as CommonMark, with tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))
    headings, blocks, links, mark = [], [], [], ""
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            headings.append((int(token.tag[1]), _plain(tokens[place + 1])))
        elif token.type == "inline":
            links.extend((_line(token), target) for target in _targets(token))
        elif token.type in ("fence", "code_block"):
            blocks.append(Block(_line(token), token.info.strip(), token.content, mark))
        if token.type not in ("fence", "html_block"):
            mark = ""
        elif found := _MARK.fullmatch(token.content.strip()):
            mark = found[1]
    return Page(path, tuple(headings), tuple(links), tuple(blocks))


def _line(token: Token) -> int:
    return (token.map or [0])[0] + 1


def _plain(inline: Token) -> str:
    return "".join(one.content for one in inline.children or () if one.type in ("text", "code_inline"))


def _targets(inline: Token) -> Iterator[str]:
    for one in inline.children or ():
        target = one.attrGet("href") or one.attrGet("src")
        if target:
            yield str(target)
