"""Takes the pictures of docs/pictures: a real demo, and what real commands say of it afterwards, as SVG.

python -m docs.pictures     # takes about two minutes; what people see has changed, so the pictures are taken again
"""

import asyncio
import io
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from html import unescape
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from sim.city.cli import BEGIN
from sim.city.demo import Plan, city
from sim.city.scenario import SHANGHAI
from sim.city.view import DemoView
from sim.interpreter import find_micropython, interpreter_name

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 120
SPEED = 60
SECONDS = 112
"""How long the demo runs: until the pile driver has been heard for ten minutes."""
COMMANDS = {
    "alerts": "fenceline alerts list --most 8",
    "limits": "fenceline limits explain --kind construction --zone 2 | head -9",
}
"""By the picture's name: what is typed; it works in the folder that the demo has kept."""
THEME = TerminalTheme(
    (16, 24, 32),
    (223, 230, 237),
    [
        *((52, 64, 76), (240, 96, 96), (96, 200, 128), (224, 184, 80)),
        *((96, 160, 240), (200, 128, 224), (80, 192, 208), (208, 216, 224)),
    ],
    [
        *((120, 136, 152), (255, 128, 128), (128, 224, 160), (255, 216, 112)),
        *((128, 184, 255), (224, 160, 255), (112, 216, 232), (255, 255, 255)),
    ],
)
# As rich's own, without fonts from another machine: a picture looks the same where there is no network.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", "Noto Sans Mono CJK SC", Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def take(name: str, title: str, what: RenderableType) -> None:
    """Draw what stands on a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(what)
    drawn = console.export_svg(title=title, theme=THEME, code_format=SVG, unique_id=name.replace(".", "-"))
    # Viewers differ in how wide a run of blanks is; each word has its own place instead.
    drawn = re.sub(
        r'<text class="([^"]*)" x="([^"]*)" y="([^"]*)" textLength="[^"]*" ([^>]*)>([^<]*)</text>', _words, drawn
    )
    (FOLDER / f"{name}.svg").write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", "utf-8")
    print(f"docs/pictures/{name}.svg", flush=True)


def _words(run: re.Match[str]) -> str:
    kind, x, y, rest, text = run.groups()
    cell, parts = 12.2, []
    column = 0
    for piece in re.split(r"((?:&#160;){2,})", text):
        shown = unescape(piece)
        wide = cell_len(shown)
        if shown.strip("\xa0 "):
            at, length = float(x) + column * cell, wide * cell
            parts.append(f'<text class="{kind}" x="{at:g}" y="{y}" textLength="{length:g}" {rest}>{piece}</text>')
        column += wide
    return "".join(parts)


async def demo(folder: Path) -> None:
    """Live through a morning of the simulated city and take its picture, in both languages."""
    start = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0) + BEGIN
    micropython = find_micropython()
    plan = Plan(folder, start.timestamp(), SPEED, [], micropython, 0)
    async with city(plan) as running:
        await asyncio.sleep(SECONDS)
        for lang in ("en", "zh"):
            view = DemoView(running, interpreter_name(micropython or Path(sys.executable)), lang)
            take("demo" if lang == "en" else "demo.zh", "make demo", view.screen(WIDTH, 40))
        await running.finish()


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fenceline-pictures-") as name:
        folder = Path(name)
        asyncio.run(demo(folder))
        for picture, typed in COMMANDS.items():
            for lang in ("en", "zh"):
                path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
                own = {"PATH": path, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "FENCELINE_LANG": lang}
                said = subprocess.run(
                    ["sh", "-c", typed], cwd=folder, env=os.environ | own, capture_output=True, text=True, check=True
                ).stdout
                ending = "" if lang == "en" else ".zh"
                take(f"{picture}{ending}", f"$ {typed}", Text.from_ansi(said))


if __name__ == "__main__":
    main()
