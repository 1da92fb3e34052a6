"""Takes the pictures of the console that docs/ and the READMEs show, as WebP: a real demo in a real Chromium.

python -m docs.shots     # takes about five minutes; what people see has changed, so the pictures are taken again
python -m docs.shots case patrol     # only those whose names begin so
"""

import asyncio
import base64
import io
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from schemas.errors import UserError
from sim.city import enterprise
from sim.city.cli import BEGIN
from sim.city.demo import Demo, Plan, city
from sim.city.scenario import SHANGHAI
from sim.interpreter import find_micropython
from sim.packs.casework import CASES, SHOP, Act

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
BETWEEN = 4.0
"""Between two steps of the case that is made before the pictures [s], as many minutes of the city's."""
HANDLING = next(number for number, one in enumerate(CASES, 1) if any(act.what == "supervise" for act in one.acts))
"""A case of the demo that is under way."""
STREET = "lake-road"
LANGS = {"en": "en", "zh": "zh-CN"}


WAY = (
    Act("", "officer", "attach", photo="before"),
    Act("", "officer", "file", "与投诉件不是同一晚 Of another night than what was reported"),
    Act("", "dispatcher", "dispatch", "请立即处置 At once, please"),
    Act("", "handler", "receive"),
    Act("", "handler", "feed_back", "浇筑已停止，设备已撤离 Pouring has stopped, the machines have left"),
    Act("", "handler", "attach", photo="after"),
    Act("", "officer", "send_check"),
    Act("", "collector", "inspect", "现场已安静 It is quiet there", given=(("result", "pass"),)),
    Act("", "officer", "close", "已达标 It keeps the limit"),
)
"""What becomes of the case about noise at night."""


class Shot(NamedTuple):
    """A picture, taken in both languages."""

    name: str
    path: str
    size: tuple[int, int]
    scheme: Literal["light", "dark"] = "light"
    user: Literal["viewer", "officer", "collector", "handler", "admin", "company"] = "officer"
    paper: bool = False
    """As it is printed: its first sheet of A4."""


def shots(alert: str, site: str, track: str, closed: int) -> list[Shot]:
    """Return the pictures. `alert`, `site`, `track`: pages of those that have most to show; no `track`: none drives.

    `closed`: the number of a case that has gone all its way.
    """
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
        Shot("companies", "/console/companies", DESK),
        Shot("companies-phone", "/console/companies", PHONE),
        Shot("company-report", f"/console/companies/{enterprise.ID}/report", WHOLE, user="company"),
        Shot("company-report-phone", f"/console/companies/{enterprise.ID}/report", PHONE, user="company"),
        Shot("marks-phone", "/console/marks", PHONE, user="company"),
        Shot("mark-form", "/console/add-mark", DESK, user="company"),
        *shots_of_cases(closed),
    ]


def shots_of_cases(closed: int) -> list[Shot]:
    """Return the pictures of cases and of patrols."""
    handling, done = f"/console/cases/{HANDLING}", f"/console/cases/{closed}"
    street, shop = f"/console/patrol/{SHOP}?along={STREET}", f"/console/patrol/{SHOP}/shop-4"
    return [
        Shot("case-today", "/console/today", DESK, user="handler"),
        Shot("case-today-phone", "/console/today", PHONE, user="handler"),
        Shot("cases", "/console/cases", DESK),
        Shot("cases-phone", "/console/cases", PHONE),
        Shot("case", handling, WHOLE, user="handler"),
        Shot("case-phone", handling, PHONE, user="handler"),
        Shot("case-closed", done, WHOLE),
        Shot("case-closed-phone", done, PHONE),
        Shot("case-evaluation", "/console/evaluation?by=department", DESK),
        Shot("case-evaluation-phone", "/console/evaluation?by=department", PHONE),
        Shot("case-file", f"{done}/file", DESK, paper=True),
        Shot("patrol", street, DESK, user="collector"),
        Shot("patrol-phone", street, PHONE, user="collector"),
        Shot("patrol-shop", shop, WHOLE),
        Shot("patrol-shop-phone", shop, PHONE, user="collector"),
        Shot("patrol-scores", f"/console/scores/{SHOP}?along={STREET}", DESK),
        Shot("patrol-scores-phone", f"/console/scores/{SHOP}?along={STREET}", PHONE),
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


async def case_about_noise(demo: Demo, page: Page, web: str) -> int:
    """Let a case about the noise of the first site's night go all its way; return its number."""
    assert demo.casework is not None, "the city has begun"
    began = time.monotonic()
    cards = page.locator("main .card", has_text=demo.sites[0].en).filter(has_text="dB")
    noise = cards.locator("h3 a[href^='/console/alerts/']")
    while True:
        await page.goto(f"{web}/console/today?kind=limit")
        if await noise.count():
            break
        if time.monotonic() - began > LONGEST:
            raise UserError(f"the demo has raised no alert of noise in {LONGEST:.0f} s; is the machine too busy?")
        await asyncio.sleep(3)
    alert = str(await noise.first.get_attribute("href")).rpartition("/")[2]
    number = demo.casework.open_about(int(alert), demo.clock.now())
    for act in WAY:
        await asyncio.sleep(BETWEEN)
        demo.casework.go_on(number, act, demo.clock.now())
    return number


async def take(page: Page, shot: Shot, file: Path) -> None:
    """Write what a page shows."""
    if shot.paper:
        picture = await asyncio.to_thread(first_sheet, await page.pdf(format="A4", prefer_css_page_size=True))
    else:
        session = await page.context.new_cdp_session(page)
        taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        picture = base64.b64decode(taken["data"])
    await asyncio.to_thread(file.write_bytes, picture)
    print(f"docs/pictures/{file.name}: {len(picture) / 1000:.0f} kB", flush=True)


def first_sheet(pdf: bytes) -> bytes:
    """Return the first sheet of a PDF file as a picture, by pdftoppm of Poppler."""
    drawn = subprocess.run(
        ["pdftoppm", "-png", "-r", "80", "-f", "1", "-l", "1", "-"], input=pdf, capture_output=True, check=True
    ).stdout
    out = io.BytesIO()
    Image.open(io.BytesIO(drawn)).save(out, "WEBP", quality=QUALITY)
    return out.getvalue()


async def run(folder: Path, chromium: str, wanted: tuple[str, ...]) -> None:
    """Live through a morning of the simulated city, and take the pictures whose names begin as `wanted` says."""
    start = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0) + BEGIN
    plan = Plan(folder, start.timestamp(), SPEED, [], find_micropython(), 0, 0)
    async with city(plan) as demo, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        web, cookies = demo.console.removesuffix("/console"), await sign_in(browser, demo)
        first = await visiting(browser, cookies["officer"], "en", Shot("", "", DESK))
        page = await first.new_page()
        await live(page, web)
        alert, site = await gravest(page, web)
        track, closed = await first_way(page, web), await case_about_noise(demo, page, web)
        for shot in shots(alert, site, track, closed):
            for lang in LANGS if shot.name.startswith(wanted) else ():
                context = await visiting(browser, cookies[shot.user], lang, shot)
                page = await context.new_page()
                await page.goto(f"{web}{shot.path}")
                await take(page, shot, FOLDER / f"console-{shot.name}-{lang}.webp")
                await context.close()
        await browser.close()


def main() -> int:
    """Take every picture."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here: apt install chromium", file=sys.stderr)
        return 2
    if shutil.which("pdftoppm") is None:
        print("no pdftoppm here: apt install poppler-utils", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fenceline-shots-") as name:
        asyncio.run(run(Path(name), chromium, tuple(sys.argv[1:]) or ("",)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
