"""The board that this interpreter runs on."""

try:
    import esp32 as _chip  # noqa: F401 (only to know where we are)

    from edge.board_esp32 import Board
except ImportError:
    from edge.board_host import Board  # type: ignore[assignment]

__all__ = ["Board"]
