"""A server that has nothing to do, of all the kinds of tasks that wait for work: one that accepts, connections that are
kept alive, consumers of a queue that take turns by a lock, readers of a message broker, timers in a group and in a gather,
a long poll, a semaphore that is held for life, work of an executor that waits for work itself."""
import asyncio
import os
import queue
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def serve(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            return
        # Still there when the next request is waited for.
        scope = {"type": "http", "method": line.decode().strip(), "path": "/", "headers": []}
        writer.write(scope["method"].encode() + b"\n")


async def client(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET\n")
    await reader.readline()
    return reader, writer


async def consume(turn, work):
    while True:
        async with turn:
            await work.get()


async def listen(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        await reader.readline()


async def timer(seconds):
    while True:
        await asyncio.sleep(seconds)


async def timers():
    await asyncio.gather(timer(60), timer(3600))


async def poll(scope, news):
    await news.wait()


async def notified(condition):
    async with condition:
        await condition.wait()


async def leads(leadership):
    async with leadership:
        await asyncio.Event().wait()


async def supervises(tasks):
    while True:
        await asyncio.wait(tasks)


async def main():
    named = truth.Named()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = [await client(port) for _ in range(4)]
    broker = truth.silent_server()
    turn, work, news, condition = asyncio.Lock(), asyncio.Queue(), asyncio.Event(), asyncio.Condition()
    leadership = asyncio.Semaphore(1)
    for number in range(4):
        named("consumer %d" % number, consume(turn, work))
        named("reader %d" % number, listen(broker))
        named("poll %d" % number, poll({"type": "http", "method": "GET", "path": "/news", "headers": []}, news))
        named("notified %d" % number, notified(condition))
    named("leader", leads(leadership))
    named("timers", timers())
    named("supervisor", supervises([named("timer", timer(3600))]))
    loop = asyncio.get_event_loop()
    loop.run_in_executor(None, queue.Queue().get)
    await asyncio.sleep(0.4)
    named.report()
    await asyncio.Event().wait()
    return connections


asyncio.run(main())
