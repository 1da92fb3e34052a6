"""An asyncio streams server that sends back what comes, line by line: `python tests/bench/echo.py PORT`."""

import asyncio
import sys


async def echo(reader, writer):
    """Send back each line."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def main():
    """Serve until killed."""
    server = await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
