"""What the programs here say of their own greenlets: CPython's own account of each, by gr_frame."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from common import allow_debugger, identify  # noqa: E402


def own_lwp():
    main = {"function": "<module>"}
    identify(main)
    return main["lwp"]


def stack_of(frame):
    """Innermost first."""
    stack = []
    while frame is not None:
        code = frame.f_code
        stack.append(
            {
                "function": getattr(code, "co_qualname", code.co_name),
                "file": code.co_filename,
                "line": frame.f_lineno,
            }
        )
        frame = frame.f_back
    return stack


def report(greenlets):
    """Tells of the greenlets, by name. Whole once the program stands still."""
    allow_debugger()
    tasks = [{"name": name, "stack": stack_of(greenlet.gr_frame)} for name, greenlet in greenlets]
    sys.stdout.write(json.dumps({"pid": os.getpid(), "lwp": own_lwp(), "tasks": tasks}) + "\n")
    sys.stdout.flush()
