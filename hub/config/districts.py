"""One hub of several: each owns some districts, with a session, a folder and a port of its own."""

import msgspec

from hub.config.files import Config


def of_districts(config: Config) -> list[Config]:
    """Return one configuration for each district that a hub owns, or the same one if it owns all.

    Each has its own session at the broker, folder of data and HTTP port (counted up from the configured one), so that a
    district is moved to another hub by stopping it here, moving its folder and starting it there: the broker, the
    boards and the folder hold all that is on its way.
    """
    if not config.districts:
        return [config]
    broker = config.broker
    return [
        msgspec.structs.replace(
            config,
            districts=(district,),
            data=config.data / district,
            broker=msgspec.structs.replace(broker, client_id=f"{broker.client_id}-{district}"),
            lorawan=tuple(
                msgspec.structs.replace(one, client_id=f"{one.client_id}-{district}") for one in config.lorawan
            ),
            http=msgspec.structs.replace(config.http, port=config.http.port and config.http.port + i),
        )
        for i, district in enumerate(config.districts)
    ]


def config_of(config: Config, district: str = "") -> Config:
    """Return the configuration of a district's own hub (empty: of the only hub there is)."""
    return next((one for one in of_districts(config) if one.districts == (district,)), config)
