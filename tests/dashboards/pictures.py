"""Writes pictures of all dashboards, in both languages, as a Grafana that runs shows them.

    python -m tests.dashboards.city --sites 60              # fills a database of its own, and says where it is
    fenceline grafana push --url http://127.0.0.1:3000 --token-file token --store-url http://127.0.0.1:PORT
    python -m tests.dashboards.pictures --url http://127.0.0.1:3000 --token-file token --to MILLISECONDS

It brings neither a Grafana nor a browser: Debian's package `chromium` is one. Each picture is of the whole page. With
`--all` at 1920 pixels and at the width of a phone, light and dark. At the end it says which other servers pages asked:
none.
"""

import argparse
import sys
from pathlib import Path
from urllib.parse import urlencode

from tests.dashboards.browser import Browser

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PLACES = {
    "city": ("24h", {}),
    "site": ("24h", {"var-district": "north", "var-site": "tower"}),
    "factory": ("7d", {"var-district": "south", "var-site": "mill"}),
    "verdicts": ("7d", {}),
    "fleet": ("24h", {}),
    "public": ("7d", {}),
}
"""Of each dashboard how far back it is shown, and which of the simulated week's sites."""
SECONDS = {"24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
PHONE, TALL, PHONE_TALL = 390, 3600, 9000
"""Pixels: panels below the window's edge are not drawn, so the window is as high as any page."""
LOOKS = [(f"-{width}-{theme}", width, theme) for width in (1920, PHONE) for theme in ("light", "dark")]
ENDS = """Math.ceil(Math.max(0, ...[...document.querySelectorAll('.react-grid-item')]
    .map(one => one.getBoundingClientRect().bottom)))"""

BUSY = "[...document.querySelectorAll('button')].some(one => one.textContent.trim() === 'Cancel')"
"""While a query is under way the button that asks again is one that breaks it off."""
READY = f"{ENDS} > 0 && !{BUSY} && !document.querySelector('[aria-label=\"Panel loading bar\"]')"


def address(url, name, lang, until_ms, theme, span="", places=None):
    """Return the address of a dashboard in kiosk mode over a time range."""
    length, chosen = PLACES[name]
    chosen = chosen if places is None else places
    asked = {"from": until_ms - 1000 * SECONDS[span or length], "to": until_ms, "theme": theme, **chosen}
    return f"{url}/d/fenceline-{name}-{lang}?{urlencode(asked)}&kiosk"


def picture(browser, file, page, width):
    """Write a picture of a whole page."""
    height = PHONE_TALL if width == PHONE else TALL
    _open(browser, page, width, height)
    browser.picture(file, width, min(height, browser.run(ENDS) + 40))


def _open(browser, page, width, height):
    """Open a page, and wait until its panels are there."""
    browser.open(page, width, height)
    for _ in range(20):
        browser.wait()
        if browser.run(READY):
            return
    raise SystemExit(f"{page}: no panels came; look at it with a browser")


def main():
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="Grafana's address")
    parser.add_argument(
        "--token-file", type=Path, help="token of a service account; without it: as an anonymous viewer"
    )
    parser.add_argument("--to", type=int, required=True, help="end of the time range, Unix ms")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--names", nargs="*", default=list(PLACES), choices=list(PLACES))
    parser.add_argument("--langs", nargs="*", default=["en", "zh"])
    parser.add_argument("--all", action="store_true", help="1920 pixels and a phone, light and dark")
    parser.add_argument("--everywhere", action="store_true", help="of another city: no sites are chosen")
    parser.add_argument("--database", default="", help="uid of the data source, where it is not ours")
    parser.add_argument("--span", default="", help="such as 7d, for all")
    parser.add_argument("--format", default="webp", choices=["webp", "png"])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    token = given.token_file.read_text().strip() if given.token_file else ""
    looks = LOOKS if given.all else [("", 1600, "light")]
    url = given.url.rstrip("/")
    with Browser(url, token) as browser:
        for name in given.names:
            for lang in given.langs:
                for suffix, width, theme in looks:
                    places = {} if given.everywhere else None
                    if given.database:
                        places = {"var-datasource": given.database}
                    file = given.out / f"{name}-{lang}{suffix}.{given.format}"
                    picture(browser, file, address(url, name, lang, given.to, theme, given.span, places), width)
                    print(f"{file}: {file.stat().st_size // 1024} KB", flush=True)
        print(f"other servers asked: {', '.join(sorted(browser.foreign)) or 'none'}")
    return 1 if browser.foreign else 0


if __name__ == "__main__":
    sys.exit(main())
