"""Code that runs in an interpreter of its own, entered by C as an embedding server does: see elsewhere.c."""
import ctypes
import os
import sys

import common

_library = ctypes.PyDLL(os.environ["ELSEWHERE"])
_folder = os.path.dirname(os.path.abspath(__file__))
_arrivals, _arrived = os.pipe()


def nested(module, function, *args):
    """Calls a function of a module of this folder in a new interpreter, on the caller's stack."""
    _library.run_elsewhere(_code(module, function, args))


def back(module, function, *args):
    """From code that runs elsewhere: calls a function in the interpreter that it was called from."""
    _library.run_back(_code(module, function, args))


def start_foreign(module, function, *args):
    """As `nested`, in a thread that C makes. The READY line will name it."""
    ident = ctypes.c_ulong()
    lwp = _library.start_elsewhere(_code(module, function, args), ctypes.byref(ident))
    common._started.append({"function": function, "ident": ident.value, "lwp": lwp})


def run_isolated(module, function, *args):
    """As `nested`, in an interpreter with a GIL of its own (PEP 684)."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    # Isolated is what both make by default.
    interpreters.run_string(interpreters.create(), _code(module, function, args).value.decode())


def wait_for_arrivals(count=1):
    """Returns when that many calls have begun: to make an interpreter takes a while."""
    for _ in range(count):
        os.read(_arrivals, 1)


def _code(module, function, args):
    code = "\n".join(
        [
            "import os, sys",
            "sys.dont_write_bytecode = True",
            "sys.path.insert(0, %r)" % _folder,
            "import %s" % module,
            "os.write(%d, b'.')" % _arrived,
            "%s.%s(*%r)" % (module, function, args),
            "",
        ]
    )
    return ctypes.create_string_buffer(code.encode())
