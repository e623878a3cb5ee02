"""Tasks of a server that has nothing to do: each waits for something else. Prints its threads and the truth of its tasks."""
import asyncio
import os
import socket
import sys
import types

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


async def sleeper():
    await asyncio.sleep(3600)


async def nested(depth):
    if depth:
        await nested(depth - 1)
    else:
        await asyncio.sleep(7200.5)


async def reads_stream(port):
    reader, _writer = await asyncio.open_connection("127.0.0.1", port)
    return await reader.readline()


async def reads_socket(end):
    end.setblocking(False)
    return await asyncio.get_event_loop().sock_recv(end, 10)


async def takes(lock):
    async with lock:
        return 1


async def gets(queue):
    return await queue.get()


async def waits_for_task(task):
    return await task


async def waits_for_all(*tasks):
    return await asyncio.gather(*tasks)


async def has_a_limit(task):
    return await asyncio.wait_for(task, 4000)


class Channel:
    async def messages(self):
        await asyncio.Event().wait()
        yield 1

    async def __aenter__(self):
        async for message in self.messages():
            return message

    async def __aexit__(self, *_details):
        return False


async def iterates():
    async with Channel():
        return 1


@types.coroutine
def old_style():
    yield from asyncio.sleep(5000).__await__()


async def awaits_generator():
    await old_style()


class PythonTask(asyncio.tasks._PyTask):
    pass


class OwnTask(asyncio.Task):
    pass


async def main():
    # 3.7 to 3.9 bind locks and queues to the loop that runs when they are made.
    lock, queue = asyncio.Lock(), asyncio.Queue()
    await lock.acquire()
    left, right = socket.socketpair()
    port = truth.silent_server()
    named = truth.Named()
    sleeps = named("sleeps", sleeper())
    named("nested", nested(3))
    named("stream", reads_stream(port))
    named("socket", reads_socket(left))
    named("lock", takes(lock))
    named("queue", gets(queue))
    named("joins", waits_for_task(sleeps))
    named("gathers", waits_for_all(sleeps, asyncio.ensure_future(gets(queue))))
    named("limited", has_a_limit(asyncio.shield(sleeps)))
    named("iterates", iterates())
    named("generator", awaits_generator())
    named("python", sleeper(), PythonTask)
    named("subclass", sleeper(), OwnTask)
    await asyncio.sleep(0.3)
    named.report()
    await asyncio.Event().wait()
    return right


asyncio.run(main())
