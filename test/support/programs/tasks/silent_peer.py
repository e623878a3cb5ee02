"""Handlers of a web service that all wait for one database that says nothing. argv[1]: `lock` where they share one
connection, `each` where each has its own, `gather` where each waits for tasks that ask, `sleep` where the one that has the
lock sleeps, `limited` where it gives up soon, `bare` where the lock was taken by a task that has ended. argv[2]: `ticks` for
a server that looks after itself ten times a second."""
import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402

mode = sys.argv[1]


async def ask(reader, writer):
    writer.write(b"select\n")
    await writer.drain()
    return await reader.readline()


async def query(pool):
    async with pool["lock"]:
        if mode == "sleep":
            return await asyncio.sleep(3600)
        if mode == "limited":
            return await asyncio.wait_for(ask(*pool["connection"]), 20)
        return await ask(*pool["connection"])


async def query_alone(port):
    return await ask(*await asyncio.open_connection("127.0.0.1", port))


async def handle(scope, pool):
    return await query(pool)


async def handle_alone(scope, port):
    return await query_alone(port)


async def handle_both(scope, port):
    return await asyncio.gather(query_alone(port), query_alone(port))


async def forgets(pool):
    await pool["lock"].acquire()


async def ticks():
    while True:
        await asyncio.sleep(0.1)


def scope(path):
    return {"type": "http", "method": "GET", "path": path, "headers": []}


async def main():
    port = truth.silent_server()
    pool = {"lock": asyncio.Lock(), "connection": await asyncio.open_connection("127.0.0.1", port)}
    named = truth.Named()
    if mode == "bare":
        await asyncio.ensure_future(forgets(pool))
    for number in range(6):
        name, path = "order %d" % number, "/orders/%d" % number
        if mode == "each":
            named(name, handle_alone(scope(path), port))
        elif mode == "gather":
            named(name, handle_both(scope(path), port))
        else:
            named(name, handle(scope(path), pool))
    if sys.argv[2:] == ["ticks"]:
        asyncio.ensure_future(ticks())
    await asyncio.sleep(0.4)
    named.report()
    await asyncio.Event().wait()


asyncio.run(main())
