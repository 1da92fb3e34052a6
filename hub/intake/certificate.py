"""When the hub's own certificate ends: a broker that refuses it closes the connection and seldom says why."""

import datetime as dt

from hub.config.files import Broker
from schemas.language import Text

SOON = dt.timedelta(days=30)
"""So long before its end a certificate is warned of."""
REMEDY = Text(
    "make a new one with 'fenceline deploy init', and start the hub anew",
    "请用 fenceline deploy init 生成新证书，并重新启动数据中心",
)
NOTHING = Text("", "")


def remark(broker: Broker, now: dt.datetime | None = None) -> tuple[bool, Text]:
    """Tell whether the hub's certificate, if it has one, is good for now, and what is to be said of it, or nothing."""
    if broker.ca is None or broker.certificate is None:
        return True, NOTHING
    from cryptography import x509

    path = broker.certificate
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return False, Text(f"{path} cannot be read; run 'fenceline check'", f"{path} 无法读取，请运行 fenceline check")
    left = ends - (now or dt.datetime.now(dt.UTC))
    if left <= dt.timedelta():
        return False, Text(
            f"{path} has expired: it ended on {ends:%Y-%m-%d}; {REMEDY.en}",
            f"{path} 已于 {ends:%Y-%m-%d} 过期；{REMEDY.zh}",
        )
    if left <= SOON:
        return True, Text(
            f"{path} ends on {ends:%Y-%m-%d}, in {left.days} days; {REMEDY.en}",
            f"{path} 将于 {ends:%Y-%m-%d} 到期（还有 {left.days} 天）；{REMEDY.zh}",
        )
    return True, NOTHING
