"""The pages that people read: every link leads somewhere, both languages say the same, and what they type works."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from tests.markdown import ROOT, Page, anchor, read, tracked

PAGES = tracked("*.md")
PAIRS = [
    (path, zh)
    for zh in PAGES
    if zh.name.endswith(".zh.md") and (path := zh.with_name(zh.name.replace(".zh.md", ".md"))).exists()
]
FIXTURES = ROOT / "tests" / "data"


def name(path):
    return str(path.relative_to(ROOT))


def trouble(page: Page) -> list[str]:
    """Return what is wrong with a page's links."""
    found = []
    for line, link in page.links:
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        target, _, fragment = unquote(link).partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists():
            found.append(f"line {line}: {link}: there is no such file")
        elif target and not path.is_relative_to(ROOT):
            found.append(f"line {line}: {link}: outside of the project")
        elif fragment and (path.suffix != ".md" or fragment not in read(path).anchors()):
            found.append(f"line {line}: {link}: there is no such heading")
    return found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path):
    assert trouble(read(path)) == []


def test_a_dead_link_and_a_dead_anchor_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` (c), d!\n\n[x](#a-b-c-d) [dead](gone.md) ![no](gone.svg) `[code](gone.txt)`\n\n"
        "[no anchor](#nowhere)\n\n    [code](gone.c)\n"
    )
    dead = [one for one in trouble(read(page)) if "outside" not in one]
    assert [one.split(": ")[1] for one in dead] == ["gone.md", "gone.svg", "#nowhere"]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("The way of a reading", "the-way-of-a-reading"),
        ("4-20 mA", "4-20-ma"),
        ("When the hub's clock is wrong", "when-the-hubs-clock-is-wrong"),
        ("两条命令", "两条命令"),
        ("数据库、备份（一）", "数据库备份一"),
    ],
)
def test_anchors_are_github_s(heading, expected):
    assert anchor(heading) == expected


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for _, link in read(path).links:
            target = (path.parent / unquote(link).partition("#")[0]).resolve()
            if target.suffix == ".md" and target.is_relative_to(ROOT) and target.exists():
                waiting.append(target)
    lost = {name(path) for path in PAGES if path not in reached and not name(path).startswith((".github/", "tests/"))}
    assert lost == set()


def outline(page):
    return [level for level, _ in page.headings]


def commands(page):
    """Return what stands to be typed, without comments and without the words of a language."""
    lines = [
        re.sub(r"\s+#.*$", "", line).strip()
        for block in page.blocks
        if block.language in ("", "sh")
        for line in block.text.splitlines()
    ]
    typed = [line.removeprefix("$ ") for line in lines if re.match(r"(\$ )?(fenceline|make|docker|sudo|\. )", line)]
    return [re.sub(r"\"[^\"]*\"|[^\x00-\x7f]+", "…", line) for line in typed]


def test_there_are_pages_in_both_languages():
    have = {name(path) for path, _ in PAIRS}
    assert have >= {
        "README.md",
        "deploy/README.md",
        *(f"docs/{one}.md" for one in ("quick-start", "inspector", "officer")),
    }
    assert "docs/technician.md" in have


@pytest.mark.parametrize(("en", "zh"), PAIRS, ids=name)
def test_a_page_has_the_same_headings_and_commands_in_both_languages(en, zh):
    if "reference" in en.parts:
        pytest.skip("generated from the program in both languages")
    one, other = read(en), read(zh)
    assert outline(one) == outline(other)
    assert commands(one) == commands(other)
    assert len(one.blocks) == len(other.blocks)
    marked = [[(block.mark, block.text) for block in page.blocks if block.mark] for page in (one, other)]
    assert marked[0] == marked[1]


def test_the_readme_is_short():
    for path in (ROOT / "README.md", ROOT / "README.zh.md"):
        assert len(path.read_text("utf-8")) < 5000
        assert [link for _, link in read(path).links if link.endswith(".svg")], "a picture"


def glossary():
    """Return the Chinese words that are not used, with the word that is."""
    words = {}
    for line in (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0] not in ("English", "---"):
            words.update({other: cells[1] for other in cells[2].split("、") if other})
    return words


def other_words(text: str) -> list[str]:
    return [f"{other} (say {word})" for other, word in glossary().items() if other in text]


READ = [
    path
    for path in tracked("*.md", "*.py", "*.toml", "*.yaml", "*.json")
    if path != ROOT / "docs" / "glossary.md" and path.parts[len(ROOT.parts)] != "tests"
]


def test_one_thing_has_one_word_in_chinese():
    found = {name(path): words for path in READ if (words := other_words(path.read_text("utf-8")))}
    assert found == {}


def own_words() -> dict[str, str]:
    """Return the Chinese word of each English one."""
    lines = (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1] for row in cells if len(row) == 5}


def both(table):
    """Yield each text of a table of texts, in English and Chinese."""
    if {*table} == {"en", "zh"}:
        yield table["en"], table["zh"]
        return
    for one in table.values():
        if isinstance(one, dict):
            yield from both(one)


NAMED = ("site", "board", "hub", "alert", "calibration", "quarantine", "outbox", "flag")
"""What dashboards show: whoever reads one sees the same word on each of them, and in the pages."""


@pytest.mark.parametrize(
    "path", [ROOT / "dashboards" / "texts.toml", *sorted((ROOT / "schemas" / "domains").glob("*/texts.toml"))], ids=name
)
def test_dashboards_have_the_words_of_the_glossary(path):
    words, wrong = own_words(), []
    for en, zh in both(tomllib.loads(path.read_text("utf-8"))):
        said = re.sub("(construction|building|dump) sites?", "", en.lower())  # names of kinds
        wrong += [(word, en, zh) for word in NAMED if re.search(rf"\b{word}s?\b", said) and words[word] not in zh]
    assert wrong == []


def test_another_word_for_the_broker_the_outbox_or_the_hub_is_found():
    assert other_words("请检查消息服务器") == ["消息服务器 (say 消息代理)"]
    assert other_words("待发送区") == ["待发送区 (say 发件箱)"]
    assert other_words("平台") == ["平台 (say 数据中心)"]
    assert other_words("各测点的评价时段") == ["测点 (say 站点)", "评价时段 (say 统计时段)"]
    assert other_words("数据中心通过消息代理读取发件箱，产生告警") == []


RUN = [path for path in PAGES if any(block.mark for block in read(path).blocks)]
TRANSLATED = {zh for _, zh in PAIRS}
"""Their commands and files are those of the English page, which a test holds them to: they need not be run again."""


def test_the_pages_that_say_what_to_type_are_run():
    assert {name(path) for path in RUN} >= {"docs/quick-start.md", "docs/analyst.md", "docs/add.md"}


@pytest.mark.parametrize("path", RUN, ids=name)
def test_a_reader_sees_the_name_of_each_file_that_is_to_be_written(path):
    """The mark that tells it to this test is shown by nobody."""
    text, at = path.read_text("utf-8"), 0
    for mark in re.finditer(r"<!-- file: (\S+) -->", text):
        assert f"`{mark[1]}`" in text[at : mark.start()], f"{name(path)}: {mark[1]}"
        at = mark.end()


@pytest.mark.parametrize("path", [path for path in RUN if path not in TRANSLATED], ids=name)
def test_what_a_page_says_can_be_typed(path, tmp_path):
    """Write a page's files and type its commands, in their order, in a copy of the tree."""
    tree = copy_of_the_tree(tmp_path)
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"FENCELINE_LANG": "en", "HOME": str(tmp_path)}
    for block in read(path).blocks:
        if block.mark.startswith("file: "):
            file = tree / block.mark.removeprefix("file: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
        elif block.mark == "run":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=tree,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"{name(path)}, line {block.line}: {done.stdout}{done.stderr}"


def copy_of_the_tree(folder):
    """Copy the project, and put a `fenceline` and a `python` on the PATH that are of the copy."""
    tree = folder / "fenceline"
    for source in tracked():
        target = tree / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    if (ROOT / ".cache" / "micropython").exists():
        (tree / ".cache").mkdir()
        (tree / ".cache" / "micropython").symlink_to(ROOT / ".cache" / "micropython")
    program = folder / "bin" / "fenceline"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tree}" exec "{sys.executable}" -c "import fenceline; fenceline.main()" "$@"\n'
    )
    program.chmod(0o755)
    return tree


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "docs.site", "--to", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in ("index.html", "docs/way/index.html", "docs/officer.zh/index.html", "hub/index.html"):
        text = (tmp_path / page).read_text("utf-8")
        assert "<h1" in text
        assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)"', text), "nothing comes from elsewhere"
    assert (tmp_path / "docs/pictures/demo.svg").is_file()
    for path in PAGES:
        if not name(path).startswith((".github/", "tests/")):
            assert shape_of_site(tmp_path, path) == shape_on_github(path), name(path)


def shape_on_github(path):
    """Return how many items of lists, tables and blocks of code a page has as CommonMark."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))
    kinds = [token.type for token in tokens]
    return kinds.count("list_item_open"), kinds.count("table_open"), kinds.count("fence") + kinds.count("code_block")


def shape_of_site(site, path):
    page = site / name(path).replace("README.md", "").removesuffix(".md").strip("/") / "index.html"
    article = re.search(r"<article.*?</article", page.read_text("utf-8"), re.DOTALL)[0]
    return article.count("<li>"), article.count("<table"), article.count("<pre")


def test_a_dead_link_ends_the_build(tmp_path):
    tree = copy_of_the_tree(tmp_path)
    page = tree / "docs" / "way.md"
    page.write_text(page.read_text("utf-8") + "\n[dead](gone.md)\n", "utf-8")
    command = [sys.executable, "-m", "docs.site", "--to", tmp_path / "site"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0
    assert "gone.md" in done.stdout + done.stderr or "page does not exist" in done.stdout + done.stderr


def test_the_pictures_are_drawn_from_commands_and_need_nothing_from_elsewhere():
    pictures = tracked("docs/pictures/*.svg")
    assert {path.name for path in pictures} >= {"demo.svg", "demo.zh.svg", "alerts.svg", "limits.svg", "way.svg"}
    for path in pictures:
        text = path.read_text("utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path.name
        assert "<svg" in text[:200]


def test_the_changelog_has_cut_the_version_of_the_wheel():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = [text for level, text in read(ROOT / "CHANGELOG.md").headings if level == 2]
    assert any(re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", one) for one in headings), headings
