"""A coroutine that blocks its event loop, while two others wait: one to be run, one for a lock."""
import asyncio
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


def blocking_call():
    time.sleep(3600)


async def careless():
    await asyncio.sleep(0.3)
    await handler()


async def handler():
    named.report()
    blocking_call()


async def takes(lock):
    async with lock:
        return 1


async def polls():
    while True:
        await asyncio.sleep(0)


async def main():
    lock = asyncio.Lock()
    await lock.acquire()
    named("careless", careless())
    named("polls", polls())
    named("lock", takes(lock))
    await asyncio.Event().wait()


named = truth.Named()
asyncio.run(main())
