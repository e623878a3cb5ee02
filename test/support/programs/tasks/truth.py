"""What the programs here say of their own tasks: CPython's own account of each coroutine, by cr_frame and cr_await."""
import asyncio
import json
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from common import allow_debugger, identify  # noqa: E402


def current_lwp():
    thread = {"function": ""}
    identify(thread)
    return thread["lwp"]


def silent_server():
    """Port of a server that accepts and says nothing."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    held.append(listener)
    return listener.getsockname()[1]


held = []


class Named(object):
    """Makes tasks and remembers them by name."""

    def __init__(self):
        self.tasks = []

    def __call__(self, name, coroutine, kind=None):
        loop = asyncio.get_event_loop()
        task = loop.create_task(coroutine) if kind is None else kind(coroutine, loop=loop)
        if hasattr(task, "set_name"):
            task.set_name(name)
        self.tasks.append((name, task, coroutine))
        return task

    def report(self, **more):
        allow_debugger()
        # Whole once the loop stands still: those that run or are ready are told by nobody but the core.
        print(
            json.dumps(
                dict(
                    more,
                    pid=os.getpid(),
                    lwp=current_lwp(),
                    tasks=[{"name": name, "stack": stack_of(coroutine)} for name, _, coroutine in self.tasks],
                )
            ),
            flush=True,
        )


def stack_of(coroutine):
    """Innermost first."""
    stack = []
    while coroutine is not None:
        if hasattr(coroutine, "cr_frame"):
            frame, following = coroutine.cr_frame, coroutine.cr_await
        elif hasattr(coroutine, "gi_frame"):
            frame, following = coroutine.gi_frame, coroutine.gi_yieldfrom
        elif hasattr(coroutine, "ag_frame"):
            frame, following = coroutine.ag_frame, coroutine.ag_await
        else:
            # What `async for` awaits shows its generator to the collector alone.
            import gc

            inner = [each for each in gc.get_referents(coroutine) if hasattr(each, "ag_frame") or hasattr(each, "cr_frame")]
            coroutine = inner[0] if inner else None
            continue
        if frame is None:
            break
        stack.insert(0, {"function": coroutine.__qualname__, "file": frame.f_code.co_filename, "line": frame.f_lineno})
        coroutine = following
    return stack
