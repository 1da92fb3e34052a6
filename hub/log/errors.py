"""What stops a consumer of the log for a while."""


class StoreError(Exception):
    """A store that does not answer or refuses; its text says why. `retry_after`: how long it wants to rest [s]."""

    def __init__(self, text: str, retry_after: float = 0) -> None:
        super().__init__(text)
        self.retry_after = retry_after
