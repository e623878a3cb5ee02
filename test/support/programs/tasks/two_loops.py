"""Two threads with an event loop each."""
import asyncio
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def in_thread():
    await asyncio.sleep(3600)


async def in_main():
    await asyncio.sleep(0.3)
    truth.Named().report()
    await asyncio.Event().wait()


# A loop of its own, for asyncio.run() in a thread lacks a child watcher up to 3.7.
threading.Thread(target=lambda: asyncio.new_event_loop().run_until_complete(in_thread()), daemon=True).start()
asyncio.run(in_main())
