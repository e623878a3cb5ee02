"""More tasks than are read, all alike. argv[1]: how many."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def handler(event):
    await event.wait()


async def main():
    event = asyncio.Event()
    tasks = [asyncio.ensure_future(handler(event)) for _ in range(int(sys.argv[1]))]
    await asyncio.sleep(0.1)
    truth.Named().report()
    await event.wait()
    return tasks


asyncio.run(main())
