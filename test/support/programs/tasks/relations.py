"""Tasks that wait for other tasks and for threads: two that have each other's lock, a semaphore, a condition, a group, a
set, a shield, an executor with one thread. argv[1]: `uvloop` for its loop."""
import asyncio
import concurrent.futures
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def sleeper():
    await asyncio.sleep(3600)


async def takes_both(first, second):
    async with first:
        await asyncio.sleep(0.05)
        async with second:
            return 1


async def takes(lock):
    async with lock:
        return 1


async def keeps(lock):
    async with lock:
        await asyncio.sleep(3600)


async def released(lock):
    async with lock:
        pass
    await asyncio.sleep(3600)


async def notified(condition):
    async with condition:
        await condition.wait()


async def groups():
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            child = group.create_task(sleeper())
            child.set_name("child %d" % number)


async def waits(*tasks):
    await asyncio.wait(tasks)


async def shields(task):
    await asyncio.shield(task)


async def limits():
    await asyncio.wait_for(sleeper(), 4000)


async def runs(pool, function):
    return await asyncio.get_event_loop().run_in_executor(pool, function)


def works():
    identify.append(truth.current_lwp())
    time.sleep(3600)


identify = []


async def main():
    named = truth.Named()
    left, right, semaphore, condition = asyncio.Lock(), asyncio.Lock(), asyncio.Semaphore(1), asyncio.Condition()
    free = asyncio.Lock()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    named("left first", takes_both(left, right))
    named("right first", takes_both(right, left))
    named("keeps", keeps(semaphore))
    named("semaphore", takes(semaphore))
    named("released", released(free))
    named("notified", notified(condition))
    named("works", runs(pool, works))
    await asyncio.sleep(0.2)
    await free.acquire()
    named("bare", takes(free))
    named("queued", runs(pool, works))
    named("left", takes(left))
    sleeps = named("sleeps", sleeper())
    named("waits", waits(sleeps))
    named("shields", shields(sleeps))
    named("limits", limits())
    if hasattr(asyncio, "TaskGroup"):
        named("groups", groups())
    await asyncio.sleep(0.3)
    named.report(worker=identify[0])
    await asyncio.Event().wait()


if sys.argv[1:] == ["uvloop"]:
    import uvloop

    uvloop.install()
asyncio.run(main())
