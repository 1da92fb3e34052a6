"""Finds hosts and connects to them without stopping the measuring.

MicroPython's getaddrinfo() holds up everything, on a chip whose router has lost its uplink for 10 s and more at each
attempt. So names are asked for here, by DNS over UDP (RFC 1035), while the other tasks go on; when no name server
answers, the addresses that it gave the last time are used. The system's own way, which stops all, is left for
names that only it can find: those without a dot, those under .local, and where no name server is known.

Needed at each connection and hourly for the time; whoever uses this module lets go of it then.
"""

import asyncio
import socket
import struct
from errno import EAGAIN, EINPROGRESS
from os import urandom

from edge.borrow import borrow

try:
    import esp32 as _chip  # noqa: F401 (only to know where we are)

    here = borrow("resolver_esp32")
except ImportError:
    here = borrow("resolver_host")
try:
    from asyncio import core  # MicroPython's
    from asyncio.stream import Stream  # type: ignore[import-not-found]
except ImportError:
    core = None  # CPython's own ways do not block

PORT = 53
PATIENCE = 2  # s for each answer
TRIES = 2  # a datagram may be lost


class Refused(OSError):
    """A server's own answer that it gives no other; nothing better comes by waiting."""


async def ask(ip, port, question, read):
    """Send a datagram and return what `read(answer)` makes of the first answer that it takes.

    `read` raises ValueError for what answers another question, which is then waited for, and Refused for a refusal.
    Raises OSError when nothing of use came for PATIENCE seconds.
    """
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    why = "no answer within %d s" % PATIENCE
    try:
        line.setblocking(False)
        line.connect(here.address(ip, port))
        line.send(question)
        for _ in range(PATIENCE * 50):
            await asyncio.sleep(0.02)
            try:
                heard = line.recv(512)
            except OSError as error:
                if error.errno != EAGAIN:
                    raise
                continue
            try:
                return read(heard)
            except ValueError as error:
                why = str(error)
    finally:
        line.close()
    raise OSError("%s:%d: %s" % (ip, port, why))


def is_address(name):
    """Tell whether a name is an IPv4 address already."""
    parts = name.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)


def dns_question(name):
    """Return the DNS question for the IPv4 addresses of a name; raises ValueError where it is no name."""
    asked = urandom(2) + b"\x01\x00\x00\x01" + bytes(6)
    for label in name.rstrip(".").split("."):
        text = label.encode()
        if not 0 < len(text) < 64:
            raise ValueError("host '%s': no name of a host" % name)
        asked += bytes([len(text)]) + text
    return asked + b"\x00\x00\x01\x00\x01"


def dns_answer(heard, asked):
    """Return the IPv4 addresses in an answer to `asked`; raises ValueError for another's, Refused where none is."""
    end = len(asked)
    if len(heard) < end or heard[:2] != asked[:2] or not heard[2] & 0x80 or heard[12:end] != asked[12:]:
        raise ValueError("it answers another question")
    if heard[3] & 0x0F:
        raise Refused("the name server knows no such name (code %d)" % (heard[3] & 0x0F))
    found = []
    at = end
    for _ in range(heard[6] << 8 | heard[7]):
        while at < len(heard) and heard[at]:
            if heard[at] >= 0xC0:
                at += 1
                break
            at += heard[at] + 1
        at += 1
        if at + 10 > len(heard):
            break
        kind, class_, _, length = struct.unpack(">HHIH", heard[at : at + 10])
        at += 10
        if (kind, class_, length) == (1, 1, 4) and at + 4 <= len(heard):
            found.append("%d.%d.%d.%d" % tuple(heard[at : at + 4]))
        at += length
    if not found:
        raise Refused("the name server knows no IPv4 address of it")
    return found


async def addresses(known, name):
    """Return the IPv4 addresses of a host, or its name where only the system can find it; raises OSError why not."""
    if is_address(name):
        return [name]
    found = here.hosts(name)
    if found:
        return found
    servers = here.name_servers()
    if "." not in name or name.endswith(".local") or not servers:
        return [name]
    trouble = None
    for server in servers * TRIES:
        asked = dns_question(name)
        try:
            found = await ask(server, PORT, asked, lambda heard: dns_answer(heard, asked))  # noqa: B023
        except OSError as error:
            trouble = error
        else:
            known[name] = found
            return found
    if name in known:
        return known[name]
    raise OSError("host '%s': not found: %s" % (name, trouble))


async def connect(known, host, port, ssl=None, server_hostname=None):
    """Return `(reader, writer)` of a connection to the first address of a host that takes it.

    `ssl`: a TLS context; the certificate must be for `server_hostname`.
    """
    trouble = None
    for ip in await addresses(known, host):
        try:
            if core is not None:
                return await _open(here.address(ip, port), ssl, server_hostname)
            more = {"ssl": ssl, "server_hostname": server_hostname} if ssl else {}
            return await asyncio.open_connection(ip, port, **more)
        except OSError as error:
            trouble = error
    raise trouble


def _open(address, ssl, server_hostname):
    """Do what MicroPython's open_connection does, but for its getaddrinfo(); a generator is its coroutine."""
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        line.setblocking(False)
        try:
            line.connect(address)
        except OSError as error:
            if error.errno != EINPROGRESS:
                raise
        if ssl:
            line = ssl.wrap_socket(line, server_hostname=server_hostname, do_handshake_on_connect=False)
            line.setblocking(False)
        stream = Stream(line)
        yield core._io_queue.queue_write(line)  # noqa: SLF001 (as MicroPython does)
    except BaseException:
        line.close()
        raise
    return stream, stream
