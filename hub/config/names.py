"""Names that are the deployment's own: to the broker a certificate's common name is who its owner is.

A board called `health` would get the rights of the health check, a district called `hub-nanhai` the certificate of
nanhai's hub. So no board, site or district may be called so, wherever it is named first.
"""

OWN = ("broker", "ca", "grafana", "health", "hub", "proxy")
"""Common names of the certificates that `fenceline deploy init` makes, and client ids at the broker."""
OF_HUBS = ("hub-", "fenceline-hub")
"""How the names of the districts' own hubs begin, and the hubs' client ids at a broker that goes by those."""
OF_FOLDERS = "before-restore-"
"""How the folders of replaced data begin; a district with a hub of its own has a folder of its name beside them."""
EXPECTED = f"not {', '.join(OWN)}, nor what begins with {', '.join(OF_HUBS)} or {OF_FOLDERS}"


def is_own(name: str) -> bool:
    """Tell whether a name is one of the deployment's own."""
    return name in OWN or name.startswith((*OF_HUBS, OF_FOLDERS))
