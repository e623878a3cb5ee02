"""A lock of threads that a coroutine holds while it awaits. argv[1]: `itself` where another coroutine of the same loop blocks
on it, `peer` where threads wait for it and the coroutine for a server that says nothing, `reentrant` for an RLock in its
place, `sleep` where the coroutine sleeps long, `worker` where it waits for a thread that wants the lock, `turns` where it
gives the lock back ten times a second."""
import asyncio
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402

mode = sys.argv[1]
shared = threading.RLock() if mode == "reentrant" else threading.Lock()


def work():
    while True:
        with shared:
            pass


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"select\n")
    return await reader.readline()


async def holds(port):
    with shared:
        if mode == "itself":
            await asyncio.sleep(3600)
        elif mode == "sleep":
            await asyncio.sleep(1800)
        elif mode == "worker":
            await asyncio.get_event_loop().run_in_executor(None, work)
        else:
            await ask(port)


async def turns():
    while True:
        with shared:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0)


async def blocks():
    await asyncio.sleep(0.3)
    named.report()
    with shared:
        return 1


async def main():
    port = truth.silent_server()
    if mode == "turns":
        named("holds", turns())
    else:
        named("holds", holds(port))
    await asyncio.sleep(0.2)
    if mode == "itself":
        named("blocks", blocks())
    else:
        if mode != "worker":
            for _ in range(3):
                threading.Thread(target=work, daemon=True).start()
        await asyncio.sleep(0.2)
        named.report()
    await asyncio.Event().wait()


named = truth.Named()
asyncio.run(main())
