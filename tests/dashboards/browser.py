"""A headless Chromium, driven by its own protocol over a pipe: opens pages at a size, in one go, and takes pictures.

No driver is needed: https://chromedevtools.github.io/devtools-protocol/ is JSON, each message ended by NUL.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """Use it in a `with` statement. `token` goes to Grafana at `url`, and nowhere else."""

    def __init__(self, url, token=""):
        self.origin = urlsplit(url).netloc
        self.token = token
        self.foreign = set()
        """Other servers that pages asked for something; they get no answer."""
        self._unanswered = set()
        """Requests of the page's own code that wait for their answers: a busy database takes its time."""
        self._number = 0
        self._read = b""
        self._waiting = {}

    def __enter__(self):
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise SystemExit(f"no browser: none of {', '.join(NAMES)} is installed; Debian's package is chromium")
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars"]
        flags += ["--disable-background-networking", "--disable-component-update", "--no-first-run", "--lang=en"]
        # The pipe's ends are the file descriptors 3 and 4.
        shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", shell, program, *flags, "about:blank"],
            pass_fds=(to_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")
        self._ask("Network.enable")
        self._ask("Fetch.enable", patterns=[{"urlPattern": "*"}])
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._ask("Browser.close", page=False)
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def open(self, url, width, height, quiet_s=2.5, most_s=120):
        """Open a page, and wait until it has asked for nothing, and waited for nothing, during `quiet_s`."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._unanswered.clear()
        self._ask("Page.navigate", url=url)
        self.wait(quiet_s, most_s)

    def wait(self, quiet_s=2.5, most_s=120):
        """Wait until a page has asked for nothing, and waited for nothing, during `quiet_s`."""
        begin = self._busy = time.monotonic()
        while (self._unanswered or time.monotonic() - self._busy < quiet_s) and time.monotonic() - begin < most_s:
            self._hear(0.2)

    def run(self, javascript):
        """Return what JavaScript gives in the page."""
        return self._ask("Runtime.evaluate", expression=javascript, returnByValue=True)["result"].get("value")

    def press(self, x, y):
        """Click."""
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            self._hear(0.2)

    def picture(self, file, width, height):
        """Write the upper left of what is seen, as PNG or WebP by the file's name."""
        kind = file.suffix.removeprefix(".")
        quality = {"quality": 60} if kind == "webp" else {}
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self._ask("Page.captureScreenshot", format=kind, clip=clip, **quality)
        file.write_bytes(base64.b64decode(taken["data"]))

    def _ask(self, method, *, page=True, **parameters):
        number = self._say(method, page=page, **parameters)
        deadline = time.monotonic() + 60
        while number not in self._waiting:
            self._hear(0.2)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the browser does not answer {method}")
        answer = self._waiting.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _say(self, method, *, page=True, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if page and method.partition(".")[0] not in {"Target", "Browser"}:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _hear(self, timeout_s):
        if not select.select([self._from], [], [], timeout_s)[0]:
            return
        self._read += os.read(self._from, 1 << 20)
        *messages, self._read = self._read.split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._waiting[message["id"]] = message
            elif message["method"] == "Fetch.requestPaused":
                self._let(message["params"])
            elif message["method"] == "Network.requestWillBeSent" and message["params"].get("type") in ("Fetch", "XHR"):
                self._unanswered.add(message["params"]["requestId"])
            elif message["method"] in ("Network.loadingFinished", "Network.loadingFailed"):
                self._busy = time.monotonic()
                self._unanswered.discard(message["params"]["requestId"])

    def _let(self, paused):
        """Let a request go on, to Grafana with the token; what goes elsewhere is put down and not sent."""
        self._busy = time.monotonic()
        request = paused["request"]
        address = urlsplit(request["url"])
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != self.origin:
            self.foreign.add(address.netloc)
            self._say("Fetch.failRequest", requestId=paused["requestId"], errorReason="BlockedByClient")
            return
        headers = request["headers"] | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        listed = [{"name": name, "value": value} for name, value in headers.items()]
        self._say("Fetch.continueRequest", requestId=paused["requestId"], headers=listed)
