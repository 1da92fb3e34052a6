"""No task of the board ends in silence."""

import asyncio

from edge import tasks
from edge.journal import tail


def failing(error, times):
    """Return work that fails so often and then goes on for ever, and the list that counts its starts."""
    starts = []

    async def work():
        starts.append(1)
        if len(starts) <= times:
            if error:
                raise error
            return
        await asyncio.Event().wait()

    return work, starts


def test_whatever_ends_a_task_is_logged_counted_and_followed_by_a_new_start():
    for error in (OSError(-202), ValueError("20 bytes"), MemoryError(), KeyError("x"), None):
        tasks.ends.clear()
        work, starts = failing(error, 2)

        async def run():
            task = asyncio.create_task(tasks.keep("clock", work, pause=0))  # noqa: B023
            while len(starts) < 3:  # noqa: B023
                await asyncio.sleep(0)
            task.cancel()

        asyncio.run(run())
        ends, cause = tasks.ends["clock"]
        assert ends == 2
        assert cause == "ended" if error is None else error.__class__.__name__ in cause
        assert "clock" in tail(1)[0]
    tasks.ends.clear()


def test_a_task_that_ends_again_and_again_gives_its_error_to_the_caller():
    work, starts = failing(ValueError("bug"), 99)
    given_up = []
    asyncio.run(tasks.keep("recorder", work, 3, given_up.append, pause=0))
    assert ([str(error) for error in given_up], len(starts)) == (["bug"], 3)
    tasks.ends.clear()


def test_what_is_done_beside_the_rest_disturbs_nobody():
    work, _ = failing(ZeroDivisionError("bug"), 1)
    asyncio.run(tasks.once("order", work()))
    assert tasks.ends["order"][0] == 1
    tasks.ends.clear()
