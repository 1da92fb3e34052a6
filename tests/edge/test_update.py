"""An update from the order to the version that stays, with the power, the network and the server failing everywhere."""

import asyncio
import json
import os
import sys

from edge import VERSION, boot, update
from edge.port import close
from tests.edge.helpers import raises, tmp_dir
from tests.edge.test_boot import (
    CRASHES,
    Flash,
    PowerCut,
    board,
    bundle,
    exists,
    get,
    lay,
    manifest_of,
    put,
    run_once,
    sha256,
    started,
    version_in,
)

try:
    import vfs
except ImportError:
    vfs = None  # CPython

MPY = getattr(sys.implementation, "_mpy", 0)
ARCH = update.ARCHS.get(MPY >> 10 & 0x0F, "any")
TWO = bundle("2")


class Web:
    """A web server on loopback that has one bundle.

    `files`: what it has; `asked`: what it was asked for. `most`: bytes it sends in all before it hangs up;
    `answer(name, content)`: what it says to a request.
    """

    def __init__(self, version="2", files=None):
        self.version = version
        self.files = dict(files or bundle(version))
        self.files["manifest.json"] = manifest_of(version, self.files, ARCH)
        self.sha256 = sha256(self.files["manifest.json"])
        self.asked = []
        self.most = None
        self.connections = 0
        self._open = set()

    def answer(self, name, content):
        if content is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nServer: test\r\n\r\n" % len(content) + content

    async def start(self):
        self._over = asyncio.Event()
        for port in range(42300, 42400):
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
                break
            except OSError:
                pass  # taken
        self.url = "http://127.0.0.1:%d/bundles/next" % port

    async def stop(self):
        self._server.close()
        self._over.set()
        while self._open:
            await asyncio.sleep(0.01)

    async def _serve(self, reader, writer):
        self.connections += 1
        self._open.add(writer)
        try:
            while self.most is None or self.most > 0:
                request = await reader.readline()
                if not request:
                    break
                while (await reader.readline()).strip():
                    pass
                name = request.decode().split()[1][len("/bundles/next/") :]
                self.asked.append(name)
                said = self.answer(name, self.files.get(name))
                if said is None:
                    await self._over.wait()
                    break
                if self.most is not None:
                    said, self.most = said[: self.most], self.most - len(said)
                writer.write(said)
                await writer.drain()
                if b"HTTP/1.0" in said or b"Connection: close" in said:
                    break
        except OSError:
            pass
        self._open.discard(writer)
        await close(writer)


async def connect(host, port, secured):
    return await asyncio.open_connection(host, port)


def with_web(work, web=None):
    """Run `work(web)`, an async function, beside a web server; return what it returns."""
    web = web or Web()

    async def run():
        await web.start()
        try:
            return await work(web)
        finally:
            await web.stop()

    asyncio.new_event_loop() if vfs else None  # what a test that failed left in MicroPython's loop
    return asyncio.run(run())


async def install(web, slots, slot="a", downgrade=False):
    """Order the update of a board that runs what is in `slot`."""
    sys.path.insert(0, slots + "/" + slot)
    try:
        return await update.install(web.url, web.sha256, connect, slots, downgrade)
    finally:
        sys.path.remove(slots + "/" + slot)


async def refused(web, slots):
    """Order an update that is refused; return the reason, after checking that the old version goes on."""
    try:
        await install(web, slots)
    except update.UpdateError as error:
        assert started(slots) == "1"
        return str(error)
    raise AssertionError("not refused")


def trial(slots, slot, now=0):
    """Return the Trial as the agent of the version in `slot` makes it."""
    sys.path.insert(0, slots + "/" + slot)
    try:
        return update.Trial(now, slots)
    finally:
        sys.path.remove(slots + "/" + slot)


def updated(slots=None, web=None):
    """Return the slots of a board with version 1 confirmed and another one fetched and put on trial."""
    slots = slots or board("1", run="a")
    with_web(lambda web: install(web, slots), web)
    return slots


def test_a_good_version_is_fetched_started_confirmed_and_stays():
    slots = board("1", run="a")
    assert with_web(lambda web: install(web, slots)) == "2"
    assert started(slots) == "2"
    health = trial(slots, "b")
    assert health.on_trial
    health.confirm()
    assert not health.check(10000)
    assert [started(slots) for _ in range(5)] == ["2"] * 5
    assert with_web(lambda web: install(web, slots, "b"), Web("3")) == "3"
    assert started(slots) == "3"


def test_what_a_former_version_left_in_the_slot_is_removed():
    slots = updated(board("1", "0", run="a"))
    assert exists(slots + "/b/edge/drivers/dust2.py")
    assert not exists(slots + "/b/edge/drivers/dust0.py")
    assert sorted(os.listdir(slots + "/b")) == ["edge", "manifest.json"]


def test_a_version_that_crashes_at_once_is_rolled_back_after_three_starts():
    slots = updated(web=Web("2", CRASHES))
    for _ in range(3):
        run_once(slots)
    assert started(slots) == "1"
    health = trial(slots, "a")
    assert not health.on_trial
    assert health.why == "2: not healthy after 3 starts; last: ValueError: no sensor"
    health.reported()
    assert trial(slots, "a").why == ""


def test_a_version_that_is_not_healthy_within_five_minutes_is_rolled_back():
    slots = updated()
    assert started(slots) == "2"
    health = trial(slots, "b", now=1000)
    assert not health.check(1299)
    assert health.check(1300)
    assert health.check(1301)
    assert [started(slots) for _ in range(5)] == ["1"] * 5
    assert trial(slots, "a").why == "2: not healthy within 300 s"


def test_a_trial_whose_state_is_lost_ends_with_a_reset_and_a_version_that_runs():
    slots = updated()
    boot.decide(slots)
    health = trial(slots, "b")
    for name in boot.STATES:
        put(slots + "/" + name, b"")
    health.confirm()
    assert health.check(300)
    assert started(slots) in ("1", "2")


def test_after_a_roll_back_the_update_can_be_ordered_again():
    slots = updated()
    assert [started(slots) for _ in range(4)] == ["2", "2", "2", "1"]
    updated(slots)
    assert started(slots) == "2"
    assert trial(slots, "b").why == ""


def test_a_trial_is_of_the_version_that_runs_and_of_no_other():
    slots = updated()
    health = trial(slots, "a")
    health.confirm()
    assert boot.read(slots)["trial"] == "b"
    assert not update.Trial(0, tmp_dir()).check(10000)


def test_a_bundle_with_one_wrong_byte_in_any_file_is_refused():
    async def work(web):
        tried = 0
        for name in sorted(web.files):
            slots = board("1", run="a")
            good = web.files[name]
            for i in range(len(good)):
                web.files[name] = good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :]
                assert (await refused(web, slots)).startswith(name + ": its SHA-256 is ")
                assert not exists(slots + "/b/" + (update.NEW if name == boot.MANIFEST else name))
                tried += 1
            web.files[name] = good
            assert await install(web, slots) == "2"
        print(tried, "wrong bytes", end=" ")

    with_web(work)


def test_a_connection_cut_at_any_byte_is_refused_and_the_next_order_goes_on():
    async def work(web):
        cuts, most, why = 0, 0, ""
        while why is not None:
            slots = board("1", run="a")
            web.most = most
            try:
                await install(web, slots)
                why = None
            except update.UpdateError as error:
                why = str(error)
                assert started(slots) == "1"
                assert why.split(": ")[0] in web.files, why
                web.most = None
                assert await install(web, slots) == "2"
            assert started(slots) == "2"
            cuts, most = cuts + 1, most + 3
        print(cuts, "cuts", end=" ")
        assert cuts > 250

    with_web(work)


def test_what_is_there_and_right_is_not_fetched_again():
    async def work(web):
        slots = board("1", run="a")
        whole = web.files.pop("edge/main.py")
        assert await refused(web, slots) == "edge/main.py: the server answered b'HTTP/1.1 404 Not Found'"
        web.files["edge/main.py"] = whole
        web.asked.clear()
        assert await install(web, slots) == "2"
        assert web.asked == ["edge/main.py"]

    with_web(work)


def test_a_power_cut_at_each_step_leaves_a_board_that_boots_and_can_be_updated():
    """From the order to the confirmation; the slot that is written holds another version at first."""

    async def life(web, slots):
        await install(web, slots)
        boot.decide(slots)
        health = trial(slots, "b")
        health.confirm()
        health.reported()

    async def work(web):
        steps = 0
        while True:
            slots = board("1", "0", run="a", why="0: bad")
            with Flash(steps) as flash:
                try:
                    await life(web, slots)
                    break
                except PowerCut:
                    pass
            await check_board_and_update(web, slots)
            steps += 1
        assert flash.steps == 0
        assert started(slots) == "2"
        print(steps, "cuts", end=" ")
        assert steps > 300

    with_web(work)


async def check_board_and_update(web, slots):
    """Start the board; what runs must be known to work or be whole and on trial; then update it."""
    version = started(slots)
    if version == "1":
        if not boot.read(slots)["trial"]:
            await install(web, slots)
        version = started(slots)
    assert version == web.version
    trial(slots, "b").confirm()
    assert [started(slots) for _ in range(4)] == [web.version] * 4


class Blocks:
    """A medium in memory that keeps a journal of what is written to it."""

    def __init__(self, image, size):
        self.image, self.size, self.journal = image, size, None

    def readblocks(self, number, buffer, offset=0):
        start = number * self.size + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        start = number * self.size + offset
        self.image[start : start + len(buffer)] = buffer
        if self.journal is not None:
            self.journal.append((start, bytes(buffer)))

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self.image) // self.size
        if operation == 5:
            return self.size
        if operation == 6:
            self.writeblocks(argument, b"\xff" * self.size)
        return 0


def file_systems():
    """Return `[(class, block size, whether a cut within a block is survived), ...]`: those of a board."""
    return [(vfs.VfsLfs2, 1024, True), (vfs.VfsFat, 512, False)] if vfs else []


def test_a_power_cut_at_each_block_that_littlefs_or_fat_writes_leaves_a_board_that_boots():
    """On the real file systems of MicroPython; CPython has none, there the test above stands alone."""

    async def work(web):
        for system, size, survives_torn in file_systems():
            blocks = Blocks(bytearray(80 * size), size)
            system.mkfs(blocks)
            vfs.mount(system(blocks), "/flash")
            os.mkdir("/flash/slots")
            slots = "/flash/slots"
            lay(slots, "a", "1")
            lay(slots, "b", "0-large")
            boot.write(slots, {"run": "a", "trial": "", "starts": 0})
            before = bytearray(blocks.image)
            blocks.journal = []
            await install(web, slots)
            assert started(slots) == "2.1-large"
            trial(slots, "b").confirm()
            vfs.umount("/flash")
            cuts = await replay(web, system, size, before, blocks.journal, survives_torn)
            print(system.__name__, cuts, "cuts", end=" ")
            assert cuts > 40

    with_web(work, Web("2.1-large"))


async def replay(web, system, size, image, journal, torn):
    """Boot from the medium as it was after each write, and after parts of it if `torn`; update every tenth board."""
    cuts = 0
    for start, data in journal:
        for length in range(16, len(data) + 1, 16) if torn else (len(data),):
            image[start : start + length] = data[:length]
            vfs.mount(system(Blocks(bytearray(image), size)), "/flash")
            if cuts % 10:
                assert started("/flash/slots") in ("1", web.version), cuts
            else:
                await check_board_and_update(web, "/flash/slots")
            vfs.umount("/flash")
            cuts += 1
    return cuts


def test_answers_that_are_no_file_are_refused_with_the_reason():
    body = bytes(10)
    for said, reason in (
        (b"HTTP/1.1 200 OK\r\n\r\n" + body, "the server gives no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "the server gives no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + body, "99999 bytes, expected at most 16384"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "the server answered b'HTTP/1.1 302 Found'"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "the server answered b'SSH-2.0-OpenSSH_9.2p1'"),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes(9000), "HTTP head of more than 4096 bytes"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n" + body, "connection lost"),
    ):
        web = Web()
        web.answer = lambda name, content, said=said: said
        assert with_web(lambda web: refused(web, board("1", run="a")), web) == "manifest.json: " + reason
    web.answer = lambda name, content: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"
    assert "manifest.json: " in with_web(lambda web: refused(web, board("1", run="a")), web)


def test_a_server_that_hangs_up_after_each_file_is_asked_again():
    for head in (b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"):
        web = Web()
        web.answer = lambda name, content, head=head: head + b"content-length:%d\r\n\r\n" % len(content) + content
        assert started(updated(web=web)) == "2"
        assert web.connections == len(web.files)


def test_a_server_that_keeps_its_connection_is_asked_over_one():
    web = Web()
    updated(web=web)
    assert web.connections == 1


def test_a_server_that_says_nothing_or_nothing_more_is_given_up():
    web = Web()
    web.answer = lambda name, content: None
    update.TIMEOUT = 0.1
    try:
        assert "nothing came" in with_web(lambda web: refused(web, board("1", run="a")), web)
        update.MOST_TIME = -1
        assert "did not come within" in with_web(lambda web: refused(web, board("1", run="a")))
    finally:
        update.TIMEOUT, update.MOST_TIME = 20, 3600


def test_a_server_that_is_not_there_is_told():
    async def work(web):
        await web.stop()
        return await refused(web, board("1", run="a"))

    async def run():
        web = Web()
        await web.start()
        return await work(web)

    assert asyncio.run(run()).startswith("manifest.json: ")


def test_a_medium_that_is_full_is_told_with_the_file():
    async def work(web):
        slots = board("1", run="a")

        def full(path, mode="r"):
            if "w" in mode and path.endswith("main.py"):
                raise OSError(28)
            return open(path, mode)

        update.open = full
        try:
            return await refused(web, slots)
        finally:
            update.open = open

    assert with_web(work).startswith("edge/main.py: ")


def test_a_manifest_that_is_ordered_but_makes_no_sense_is_refused():
    async def work(web):
        slots = board("1", run="a")
        entry = {"size": 1, "sha256": sha256(b"x")}
        for content, reason in (
            (b"nonsense", "not a manifest"),
            (b"[]", "not a manifest"),
            (b'{"version":"2","files":{}}', "not a manifest"),
            (manifest_of("2", {}, ARCH), "no files"),
            (json.dumps({"version": "2", "arch": ARCH, "mpy": "6.3", "files": {"../a/x": entry}}).encode(), "outside"),
            (json.dumps({"version": "2", "arch": ARCH, "mpy": "6.3", "files": {"x": {}}}).encode(), "not a manifest"),
        ):
            web.files["manifest.json"] = content
            web.sha256 = sha256(content)
            assert reason in await refused(web, slots), content

    with_web(work)


def test_a_bundle_for_another_chip_is_refused_before_its_files_are_fetched():
    class Chip:
        """An ESP32 as update.py sees it."""

        path = sys.path

        class implementation:  # noqa: N801
            _mpy = 10 << 10 | 3 << 8 | 6

    async def work(web):
        slots = board("1", run="a")
        for arch, mpy in (("rv32imc", "6.3"), ("xtensawin", "7.0")):
            web.files["manifest.json"] = manifest_of("2", TWO, arch, mpy)
            web.sha256 = sha256(web.files["manifest.json"])
            reason = "made for %s with .mpy format %s, this board is xtensawin with 6" % (arch, mpy)
            assert reason in await refused(web, slots)
            assert web.asked[-1] == "manifest.json"
        web.files["manifest.json"] = manifest_of("2", TWO, "xtensawin", "6.3")
        web.sha256 = sha256(web.files["manifest.json"])
        assert await install(web, slots) == "2"

    update.sys = Chip
    try:
        with_web(work)
    finally:
        update.sys = sys


def test_an_older_version_is_refused_before_its_files_are_fetched_unless_the_order_permits_it():
    async def work(web):
        slots = board("1", run="a")
        update.VERSION = "1.10.0"
        for version in ("1.9.9", "1.9", "0.11.0", "1.10"):
            web.files["manifest.json"] = manifest_of(version, TWO, ARCH)
            web.sha256 = sha256(web.files["manifest.json"])
            assert "%s is older than 1.10.0, which runs" % version in await refused(web, slots)
            assert web.asked[-1] == "manifest.json"
        assert await install(web, slots, downgrade=True) == "1.10"
        for version in ("1.10.0", "1.10.1", "2.0"):
            slots = board("1", run="a")
            web.files["manifest.json"] = manifest_of(version, TWO, ARCH)
            web.sha256 = sha256(web.files["manifest.json"])
            assert await install(web, slots) == version

    try:
        with_web(work)
    finally:
        update.VERSION = VERSION


def test_orders_that_make_no_sense_now_are_refused():
    async def work(web):
        slots = board("1", run="a")
        orders = [told(web, slots), told(web, slots)]
        answers = sorted(await asyncio.gather(*orders))
        assert answers == ["2", "another update is under way"]
        assert "2 is on trial" in await told(web, slots)
        boot.decide(slots)
        trial(slots, "b").confirm()
        assert await install(web, slots, "b") is None
        for url in ("ftp://x/y", "http://", "http://x:y/", "x"):
            web.url = url
            assert "expected http://" in await refused(web, board("1", run="a"))

    async def told(web, slots):
        sys.path.insert(0, slots + "/a")
        try:
            return await update.install(web.url, web.sha256, connect, slots)
        except update.UpdateError as error:
            return str(error)
        finally:
            sys.path.remove(slots + "/a")

    with_web(work)
    order = update.install("http://127.0.0.1/", "0", connect, tmp_dir())
    assert "was not started by boot.py" in str(raises(update.UpdateError, lambda: asyncio.run(order)))


def test_a_file_damaged_after_it_was_fetched_is_fetched_again_and_never_started():
    slots = updated()
    put(slots + "/b/edge/main.py", b"")
    assert started(slots) == "1"
    web = Web()
    updated(slots, web)
    assert web.asked == ["edge/main.py"]
    assert version_in(slots, boot.decide(slots)) == "2"
    assert get(slots + "/b/edge/main.py") == TWO["edge/main.py"]
