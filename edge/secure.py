"""TLS towards the broker: its certificate is checked against the city's own authority, and the board shows its own."""

try:
    import tls
except ImportError:
    import ssl as tls  # type: ignore[no-redef] # CPython


def _content(path):
    with open(path, "rb") as file:
        return file.read()


def context(ca, certificate, key):
    """Return the TLS context for a client; the three are paths of PEM or (MicroPython only) DER files.

    Raises OSError or ValueError when a file is missing or is not what it should be.
    """
    made = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    made.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
    if hasattr(tls, "create_default_context"):
        made.load_verify_locations(ca)
        made.load_cert_chain(certificate, key)
    else:
        made.load_verify_locations(_content(ca))
        made.load_cert_chain(_content(certificate), _content(key))
    return made
