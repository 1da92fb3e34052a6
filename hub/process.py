"""What the hub's processes have in common."""

import gc

MANY = 50_000


def settle() -> None:
    """Spare the garbage collector what has been made so far, and let it look only at `MANY` new objects at a time.

    Nothing that the hub makes for a message refers to itself, so counting references frees it. Without this, each group
    of messages in work makes the collector go through the whole registry again and again: a tenth of all time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MANY, 20, 20)
