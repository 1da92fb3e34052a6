"""The time from time servers (SNTP, RFC 4330), believed only as far as it can be.

An answer counts when it is one to this very question (its origin is our random stamp), from a server that says that its
own clock is right (leap, stratum), and lies between FIRST and LAST. A clock that is set moves by more than STEP only
when two servers of different addresses agree, or one and the hub; one never set takes what the only server says.

Needed once an hour; whoever uses this module lets go of it then.
"""

from os import urandom

from edge.borrow import borrow

names = borrow("names")

PORT = 123
STEP = 60000  # ms by which one server may move a clock that is set
AGREE = 2000  # ms between two servers that agree
ROUGH = 10000  # ms between a server and what the hub said, whose way is longer
MOST = 4  # servers that are asked
FIRST, LAST = 1767225600, 4102444800  # Unix s: 2026, before which none of this was made, and 2100
_EPOCH = 2208988800  # 1970 in seconds from 1900
_ERA = 4294967296  # s: seconds below half of it are counted from 2036 (RFC 4330, 3)


def question():
    """Return a client's request, whose random stamp the answer must bear."""
    return b"\x23" + bytes(39) + urandom(8)


def answer(heard, asked):
    """Return the Unix time in ms that an answer to `asked` tells.

    Raises ValueError for what is no answer to it, names.Refused for one that tells no time that can be believed.
    """
    if len(heard) < 48:
        raise ValueError("%d bytes, expected 48" % len(heard))
    if heard[24:32] != asked[40:48] or heard[0] & 0x07 != 4:
        raise ValueError("it answers another question")
    stratum = heard[1]
    if not stratum:
        raise names.Refused(
            "the server refuses: %s" % bytes([code for code in heard[12:16] if 32 < code < 127]).decode()
        )
    if heard[0] >> 6 == 3 or stratum > 15:
        raise names.Refused("the server's own clock is not set (leap %d, stratum %d)" % (heard[0] >> 6, stratum))
    seconds = int.from_bytes(heard[40:44], "big")
    t = seconds - _EPOCH + (0 if seconds >= _ERA // 2 else _ERA)
    if not seconds or not FIRST <= t < LAST:
        raise names.Refused("the server says Unix time %d, expected %d to %d" % (t, FIRST, LAST))
    return t * 1000 + (int.from_bytes(heard[44:46], "big") * 1000 >> 16)


async def _offset(board, ip, port):
    """Return the Unix time by a server less the board's ticks, ms."""
    asked = question()
    began = board.ticks_ms()
    told = await names.ask(ip, port, asked, lambda heard: answer(heard, asked))
    return told - (began + board.ticks_ms()) // 2


async def offset(board, servers, own, hub):
    """Return the Unix time less the board's ticks (ms) that may be set now; raises OSError with why there is none.

    `servers`: `HOST` or `HOST:PORT` each. `own`: what is set, None while nothing is; `hub`: what the hub said
    lately, or None.
    """
    heard = [] if hub is None else [(hub, ROUGH)]
    asked = []
    why = "no time server is configured"
    for server in servers:
        host, _, port = server.partition(":")
        try:
            found = await names.addresses(board.known, host)
        except OSError as error:
            why = str(error)
            continue
        for ip in found:
            if ip in asked or len(asked) >= MOST:
                continue
            asked.append(ip)
            try:
                told = await _offset(board, ip, int(port or PORT))
            except OSError as error:
                why = str(error)
                continue
            if own is not None and abs(told - own) <= STEP:
                return told
            if [other for other, slack in heard if abs(other - told) <= slack]:
                return told
            heard.append((told, AGREE))
            away = " is %d s from the clock" % ((told - own) // 1000) if own is not None else ""
            why = "%s%s, and no second source agrees" % (ip, away)
    if own is None and len(heard) == 1 and hub is None:
        return heard[0][0]
    raise OSError("no time: %s" % why)
