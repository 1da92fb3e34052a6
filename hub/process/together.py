"""Coroutines that belong together, as the two directions of one connection do."""

import asyncio
from collections.abc import Coroutine


async def until_one_ends(*parts: Coroutine[object, object, None]) -> None:
    """Run all parts until one of them ends, then end the others; what it raised is raised here."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
