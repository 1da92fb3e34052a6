"""Builds the site of all pages: `make docs`.

The pages stay where they belong, beside the code, and link to each other and to files; so what is built is a copy of
the tree that holds the pages and what they link to. A link or an anchor that leads nowhere ends the build.

python -m docs.site                # into .cache/site
python -m docs.site --to FOLDER
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "site-work"
"""Zensical takes only paths below its configuration."""
LEFT_OUT = (".github/", "tests/")
NAVIGATION = {
    "Fenceline": ["README.md", "docs/quick-start.md", "docs/way.md", "docs/glossary.md", "CHANGELOG.md"],
    "Inspectors": ["docs/inspector.md", "dashboards/README.md"],
    "Officers": [
        *("docs/officer.md", "docs/cases.md", "docs/enterprises.md"),
        *("docs/sanitation.md", "docs/merchants.md"),
    ],
    "Technicians": ["docs/technician.md", "edge/drivers/README.md"],
    "Analysts": ["docs/analyst.md"],
    "The city's IT": [
        "docs/it.md",
        "docs/sign-on.md",
        "docs/stations.md",
        "docs/terminals.md",
        "docs/bins.md",
        "docs/workers.md",
        "docs/muck.md",
        "docs/install.md",
        "deploy/README.md",
        "deploy/systemd/README.md",
        "docs/upgrade.md",
        "docs/waves.md",
        "deploy/SIZING.md",
        "SECURITY.md",
    ],
    "Developers": [
        "docs/architecture.md",
        "CONTRIBUTING.md",
        "docs/add.md",
        "docs/decisions/README.md",
        "hub/README.md",
        "hub/judge/kinds/README.md",
        "edge/README.md",
        "firmware/README.md",
        "sim/README.md",
        "schemas/limits/README.md",
        "schemas/domains/README.md",
        "schemas/stations/README.md",
        "schemas/terminals/README.md",
    ],
    "References": [
        "docs/reference/settings.md",
        "docs/reference/commands.md",
        "docs/reference/api.md",
        "docs/reference/cases.md",
        "docs/reference/metrics.md",
        "docs/reference/limits.md",
        "docs/reference/quantities.md",
    ],
    "中文": [
        "README.zh.md",
        "docs/quick-start.zh.md",
        "docs/stations.zh.md",
        "docs/muck.zh.md",
        "docs/bins.zh.md",
        "docs/inspector.zh.md",
        "docs/officer.zh.md",
        "docs/cases.zh.md",
        "docs/enterprises.zh.md",
        "docs/technician.zh.md",
        "docs/sign-on.zh.md",
        "deploy/README.zh.md",
        "docs/reference/commands.zh.md",
    ],
}
CONFIG = """\
[project]
site_name = "Fenceline"
site_description = "Fenceline monitoring for cities"
docs_dir = "source"
site_dir = "site"
nav = {navigation}

[project.theme]
variant = "modern"
font = false                     # nothing is fetched from elsewhere
features = ["navigation.indexes", "navigation.top", "content.code.copy"]

[project.markdown_extensions.toc]
slugify = {{ object = "pymdownx.slugs.slugify", kwds = {{ case = "lower" }} }} # anchors as GitHub makes them
permalink = true

[project.markdown_extensions.tables]
[project.markdown_extensions.pymdownx.highlight]
[project.markdown_extensions.pymdownx.superfences]
"""


def pages() -> list[Path]:
    """Return every page of the tree, by its path in it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.md"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # no working copy of git: an archive of the tree
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*.md") if not _hidden(path)]
    return [
        Path(name) for name in sorted(set(names)) if name and not name.startswith(LEFT_OUT) and (ROOT / name).exists()
    ]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(ROOT).parts)


def copy(source: Path) -> None:
    """Copy the pages, and the files that they link to."""
    for page in pages():
        links = [ROOT / page]
        for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text("utf-8")):
            for inline in token.children or ():
                target = unquote(str(inline.attrGet("href") or inline.attrGet("src") or "")).partition("#")[0]
                if target and not re.match(r"[a-z][a-z0-9+.-]*:", target):
                    links.append((ROOT / page.parent / target).resolve())
        for path in links:
            if path.is_file() and path.is_relative_to(ROOT):
                copied = source / path.relative_to(ROOT)
                copied.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".md":
                    copied.write_text(indented(path.read_text("utf-8")), "utf-8")
                else:
                    shutil.copyfile(path, copied)


def indented(text: str) -> str:
    """Return a page with what belongs to an item of a list four blanks in, as Python's Markdown wants it.

    GitHub takes it where the item's text begins: two blanks behind `- `, three behind `1. `.
    """
    lines, width, fence = [], 0, ""
    for line in text.splitlines():
        inside = width and line.startswith(" " * width)
        if opened := re.match(r" *(```+|~~~+)", line):
            fence = "" if fence == opened[1] else fence or opened[1]
        elif not fence and (item := re.match(r"(?:[-*]|[1-9]\.) +(?=\S)", line)):
            width = len(item[0])
            if lines and lines[-1].startswith("    "):
                lines.append("")
        elif not fence and line.strip() and not inside and (lines and not lines[-1].strip()):
            width = 0
        lines.append(" " * (4 - width) + line if inside else line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Build the site; 1 if there is something to warn of."""
    parser = argparse.ArgumentParser(description="Build the site of all pages.")
    parser.add_argument("--to", type=Path, default=ROOT / ".cache" / "site", metavar="FOLDER")
    site = parser.parse_args().to.resolve()
    shutil.rmtree(WORK, ignore_errors=True)
    copy(WORK / "source")
    told = ", ".join(f"{{ {json.dumps(title)} = {json.dumps(names)} }}" for title, names in NAVIGATION.items())
    config = WORK / "zensical.toml"
    config.write_text(CONFIG.format(navigation=f"[{told}]"), "utf-8")
    command = [Path(sys.executable).parent / "zensical", "build", "--strict", "--clean", "--config-file", config]
    done = subprocess.run(command, cwd=WORK, capture_output=True, text=True, check=False)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr).partition("Traceback")[0].rstrip()
    print(said, file=sys.stderr if done.returncode else sys.stdout)
    if done.returncode == 0:
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(WORK / "site", site)
        print(f"{site}/index.html")
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
