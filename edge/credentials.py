"""What a board proves itself with, and what is new of that and not settled yet (see rekey).

Needed at each start, and for each new certificate; the agent lets go of the module then.
"""

import os

from edge import message
from edge.borrow import borrow


def read(broker, renewed, key_file):
    """Return the files of TLS (None: there is none), how a connection is made, and the Signer of the key before.

    `renewed`: the file that says that a new certificate is good; `key_file`: of the key in force. Raises ValueError
    when the files cannot be used.
    """
    tls = broker.get("tls")
    made = {}
    if tls:
        if _there(renewed):
            borrow("rekey").finish(tls, renewed)
        try:
            made = secured(tls, broker["host"])
        except OSError as error:
            raise ValueError("broker.tls: %s; provision the board again" % error) from None
    before = borrow("rekey").before(key_file) if _there(key_file + ".old") else None
    return tls, made, message.Signer(before) if before else None


def secured(tls, host):
    """Return how a connection is made with these files."""
    return {"ssl": borrow("secure").context(**tls), "server_hostname": host}


def _there(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True
