"""Handlers of a web service whose locks of asyncio are taken in different orders: three wait for each other, two more for
the first of these. argv[1]: `limited` where one of the three gives up after a while, `inner` where its limit is that of a
task that waits for it, `timeout` and `manager` where it is that of a block, `endless` for a block without one, `joins` where
two tasks wait for each other's end, `itself` for one that waits for its own lock."""
import asyncio
import contextlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def handle(scope, first, second):
    async with first:
        await asyncio.sleep(0.05)
        await take(second)


async def take(lock):
    async with lock:
        return 1


async def show(scope, lock):
    await take(lock)


async def limited(scope, first, second):
    async with first:
        await asyncio.sleep(0.05)
        await asyncio.wait_for(take(second), 4000)


async def inner(scope, first, second):
    await asyncio.wait_for(handle(scope, first, second), 4000)


async def timeout(scope, first, second):
    async with asyncio.timeout(4000):
        await handle(scope, first, second)


async def endless(scope, first, second):
    async with asyncio.timeout(None):
        await handle(scope, first, second)


@contextlib.contextmanager
def fail_after(seconds):
    timer = asyncio.get_running_loop().call_later(seconds, asyncio.current_task().cancel)
    yield
    timer.cancel()


async def manager(scope, first, second):
    with fail_after(4000):
        await handle(scope, first, second)


async def joins(others):
    await asyncio.sleep(0.05)
    await others[0]


async def twice(scope, lock):
    async with lock:
        await take(lock)


def scope(path):
    return {"type": "http", "method": "POST", "path": path, "headers": []}


async def main(mode):
    stock, cart, bill = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
    named = truth.Named()
    if mode == "joins":
        others = []
        first = named("first", joins(others))
        others.append(named("second", joins([first])))
    elif mode == "itself":
        named("twice", twice(scope("/twice"), stock))
    else:
        named("stock", handle(scope("/stock"), stock, cart))
        named("cart", handle(scope("/cart"), cart, bill))
        third = {each.__name__: each for each in (limited, inner, timeout, endless, manager)}.get(mode, handle)
        named("bill", third(scope("/bill"), bill, stock))
        await asyncio.sleep(0.2)
        named("show", show(scope("/show"), stock))
        named("list", show(scope("/list"), stock))
    await asyncio.sleep(0.3)
    named.report()
    await asyncio.Event().wait()


asyncio.run(main("".join(sys.argv[1:])))
