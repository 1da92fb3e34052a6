"""Finds the compliance database of a hub; where each district has a hub of its own, that of one district."""

from pathlib import Path

from hub.config.files import Config, ConfigError

COMPLIANCE = "compliance.db"


def compliance_of(config: Config, district: str = "") -> Path:
    """Return the path of the database with the alerts and users of a district (empty: of the only hub there is).

    Raises:
        ConfigError: every district has a hub of its own, and none was named.
    """
    if district and (district in config.districts or (config.data / district / COMPLIANCE).exists()):
        return config.data / district / COMPLIANCE
    path = config.data / COMPLIANCE
    if district or path.exists():
        return path
    own = sorted({*config.districts, *(found.parent.name for found in config.data.glob(f"*/{COMPLIANCE}"))})
    if own:
        raise ConfigError(f"every district has a hub of its own here; name one with --district: {', '.join(own)}")
    return path
