"""Takes the pictures of the console that docs/ and the READMEs show, as WebP: a real demo in a real Chromium.

python -m docs.shots     # takes about four minutes; what people see has changed, so the pictures are taken again
"""

import asyncio
import base64
import shutil
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from schemas.errors import UserError
from sim.city import enterprise
from sim.city.cli import BEGIN
from sim.city.demo import Demo, Plan, city
from sim.city.scenario import SHANGHAI
from sim.interpreter import find_micropython

FOLDER = Path(__file__).parent / "pictures"
SPEED = 60
ALERTS = 2
"""So many alerts are waited for ..."""
LONGEST = 420.0
"""... and so long at most [s]."""
QUALITY = 72
WAITING = "section[aria-labelledby=h-waiting]"
"""Of the page Today: what nobody has taken in hand."""
PHONE, DESK, WHOLE = (390, 844), (1280, 860), (1280, 1300)
"""What is seen, in pixels of the style sheet; a phone has two of its own for each."""
LANGS = {"en": "en", "zh": "zh-CN"}


class Shot(NamedTuple):
    """A picture, taken in both languages."""

    name: str
    path: str
    size: tuple[int, int]
    scheme: Literal["light", "dark"] = "light"
    user: Literal["viewer", "officer", "admin", "company"] = "officer"


def shots(alert: str, site: str, track: str) -> list[Shot]:
    """Return the pictures. `alert`, `site`, `track`: pages of those that have most to show; no `track`: none drives."""
    trucks = [
        Shot("live", "/console/live", WHOLE, user="viewer"),
        Shot("live-phone", "/console/live", PHONE, user="viewer"),
        Shot("track", track, WHOLE, user="viewer"),
        Shot("track-phone", track, PHONE, user="viewer"),
    ]
    return [
        *(trucks if track else ()),
        Shot("today", "/console/today", DESK),
        Shot("today-phone", "/console/today", PHONE),
        Shot("today-phone-dark", "/console/today", PHONE, "dark"),
        Shot("alert-phone", alert, PHONE),
        Shot("alert", alert, WHOLE),
        Shot("map", "/console/map", DESK, user="viewer"),
        Shot("map-dark", "/console/map", DESK, "dark", user="viewer"),
        Shot("map-phone", "/console/map", PHONE, user="viewer"),
        Shot("site-phone", site, PHONE, user="viewer"),
        Shot("verdicts", "/console/verdicts", DESK, user="viewer"),
        Shot("fleet", "/console/fleet", DESK, user="viewer"),
        Shot("things", "/console/things", DESK, user="viewer"),
        Shot("audit", "/console/audit", DESK, user="admin"),
        Shot("company", f"/console/companies/{enterprise.ID}", DESK, user="company"),
        Shot("company-phone", f"/console/companies/{enterprise.ID}", PHONE, user="company"),
        Shot("outlet", f"/console/outlets/{enterprise.OUTLET}", WHOLE, user="company"),
        Shot("marks-phone", "/console/marks", PHONE, user="company"),
        Shot("mark-form", "/console/add-mark", DESK, user="company"),
    ]


async def sign_in(browser: Browser, demo: Demo) -> dict[str, list[dict[str, object]]]:
    """Use each link of the demo once; return the cookies of each role."""
    cookies = {}
    for role, link in demo.links.items():
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(link)
        await page.click("main button")
        cookies[str(role)] = [dict(cookie) for cookie in await context.cookies()]
        await context.close()
    return cookies


async def visiting(browser: Browser, cookies: list[dict[str, object]], lang: str, shot: Shot) -> BrowserContext:
    """Return a browser of somebody who is signed in."""
    context = await browser.new_context(
        viewport={"width": shot.size[0], "height": shot.size[1]},
        device_scale_factor=2 if shot.size == PHONE else 1,
        locale=LANGS[lang],
        color_scheme=shot.scheme,
    )
    await context.add_cookies(cookies)  # type: ignore[arg-type]  # as they were given
    return context


async def live(page: Page, web: str) -> None:
    """Wait until the city has something to show, and take one alert in hand."""
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        await page.goto(f"{web}/console/today")
        if await page.locator(f"{WAITING} .card").count() >= ALERTS:
            break
        await asyncio.sleep(3)
    else:
        raise UserError(f"the demo has raised fewer than {ALERTS} alerts in {LONGEST:.0f} s; is the machine too busy?")
    taken = await page.locator(f"{WAITING} .card h3 a").last.get_attribute("href")
    await page.goto(f"{web}{taken}")
    if await page.locator("#acknowledge").count():
        await page.click("#acknowledge button")


async def gravest(page: Page, web: str) -> tuple[str, str]:
    """Return the pages of the gravest alert and of its site."""
    await page.goto(f"{web}/console/today")
    alert = await page.locator(f"{WAITING} .card h3 a").first.get_attribute("href")
    await page.goto(f"{web}{alert}")
    site = await page.locator("main a[href^='/console/sites/']").first.get_attribute("href")
    return str(alert), str(site)


async def first_way(page: Page, web: str) -> str:
    """Return the page of the first way on the live map; empty: nobody drives in this city."""
    await page.goto(f"{web}/console/live")
    ways = page.locator("main a[href^='/console/track/']")
    return str(await ways.first.get_attribute("href")) if await ways.count() else ""


async def take(page: Page, file: Path) -> None:
    """Write what a page shows."""
    session = await page.context.new_cdp_session(page)
    taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    picture = base64.b64decode(taken["data"])
    await asyncio.to_thread(file.write_bytes, picture)
    print(f"docs/pictures/{file.name}: {len(picture) / 1000:.0f} kB", flush=True)


async def run(folder: Path, chromium: str) -> None:
    """Live through a morning of the simulated city, and take every picture."""
    start = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0) + BEGIN
    plan = Plan(folder, start.timestamp(), SPEED, [], find_micropython(), 0, 0)
    async with city(plan) as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        web, cookies = demo.console.removesuffix("/console"), await sign_in(browser, demo)
        first = await visiting(browser, cookies["officer"], "en", Shot("", "", DESK))
        page = await first.new_page()
        await live(page, web)
        pages = *await gravest(page, web), await first_way(page, web)
        for shot in shots(*pages):
            for lang in LANGS:
                context = await visiting(browser, cookies[shot.user], lang, shot)
                page = await context.new_page()
                await page.goto(f"{web}{shot.path}")
                await take(page, FOLDER / f"console-{shot.name}-{lang}.webp")
                await context.close()
        await browser.close()


def main() -> int:
    """Take every picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here: apt install chromium", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fenceline-shots-") as name:
        asyncio.run(run(Path(name), chromium))
    return 0


if __name__ == "__main__":
    sys.exit(main())
