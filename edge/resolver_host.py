"""What a host knows of others by itself, and how its sockets are told where to connect."""

import socket
import struct
import sys


def _words(path):
    """Return the words of each line of a file that has two or more; none where there is no such file."""
    try:
        with open(path) as file:
            lines = [text.split("#")[0].split() for text in file]
    except OSError:
        return []
    return [words for words in lines if len(words) > 1]


def hosts(name):
    """Return the addresses that the host itself knows for a name."""
    if name == "localhost":
        return ["127.0.0.1"]
    return [words[0] for words in _words("/etc/hosts") if name in words[1:] and ":" not in words[0]]


def name_servers():
    """Return the addresses of the host's name servers."""
    return [words[1] for words in _words("/etc/resolv.conf") if words[0] == "nameserver" and ":" not in words[1]][:2]


def address(ip, port):
    """Return what a socket connects to; MicroPython's unix port takes it packed, as getaddrinfo() gives it."""
    if sys.implementation.name == "cpython":
        return ip, port
    parts = ip.split(".")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return socket.getaddrinfo(ip, port)[0][-1]
    return struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + bytes([int(part) for part in parts]) + bytes(8)
