"""What a chip knows of hosts by itself, and how its sockets are told where to connect."""

import network


def hosts(name):
    """Return the addresses that the board itself knows for a name."""
    return ["127.0.0.1"] if name == "localhost" else []


def name_servers():
    """Return the addresses of the name servers that the network told; raises OSError while there is no network."""
    wlan = network.WLAN(network.STA_IF)
    if not wlan.isconnected():
        raise OSError("no network yet")
    server = wlan.ifconfig()[3]
    return [] if server == "0.0.0.0" else [server]  # noqa: S104 (none)


def address(ip, port):
    """Return what a socket connects to."""
    return ip, port
