"""When the hub's own certificate ends: a broker that refuses it closes the connection and seldom says why."""

import datetime as dt

from hub.config.files import Broker

SOON = dt.timedelta(days=30)
"""So long before its end a certificate is warned of."""


def remark(broker: Broker, now: dt.datetime | None = None) -> tuple[bool, str]:
    """Tell whether the hub's certificate, if it has one, is good for now, and what is to be said of it, or nothing."""
    if broker.ca is None or broker.certificate is None:
        return True, ""
    from cryptography import x509

    try:
        ends = x509.load_pem_x509_certificate(broker.certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return False, f"{broker.certificate} cannot be read; run 'fenceline check'"
    left = ends - (now or dt.datetime.now(dt.UTC))
    remedy = "make a new one with 'fenceline deploy init', and start the hub anew"
    if left <= dt.timedelta():
        return False, f"{broker.certificate} has expired: it ended on {ends:%Y-%m-%d}; {remedy}"
    if left <= SOON:
        return True, f"{broker.certificate} ends on {ends:%Y-%m-%d}, in {left.days} days; {remedy}"
    return True, ""
