"""Writes the stacks of all threads of the core that gdb has loaded, as one JSON document, to file descriptor 3.

Run by gdb's embedded Python (gdb manual, "Python API"), which is 2.7 or newer. Asks gdb and writes; decides nothing.
"""

import json
import os
import time

import gdb

FRAME_LIMIT = int(os.environ["HANGAR_FRAME_LIMIT"])
DEADLINE = time.time() + float(os.environ["HANGAR_SECONDS"])
# Mangled names of templates grow without bound.
NAME_LIMIT = 1000


def load_missing():
    """Loads what gdb did not find by itself: it follows the dynamic linker's list only when it has the executable."""
    with open(os.environ["HANGAR_MODULES"]) as listing:
        modules = json.load(listing)
    loaded = set(os.path.realpath(known.filename) for known in gdb.objfiles() if known.filename)
    for module in modules:
        if os.path.realpath(module["file"]) in loaded:
            continue
        try:
            # The name is one of our own links: no quoting needed.
            gdb.execute("add-symbol-file %s -o %s" % (module["file"], module["bias"]), to_string=True)
        except (gdb.error, gdb.MemoryError):
            pass  # Its frames stay without names.


def describe(frame):
    entry = {"pc": "0x%x" % frame.pc()}
    name = frame.name()
    if frame.type() == gdb.SIGTRAMP_FRAME:
        name = name or "<signal handler called>"
    if name:
        entry["function"] = name[:NAME_LIMIT]
    try:
        line = frame.find_sal()
        if line.symtab is not None:
            entry["file"] = line.symtab.filename[:NAME_LIMIT]
            if line.line:
                entry["line"] = line.line
    except (gdb.error, gdb.MemoryError, UnicodeError):
        pass  # Damaged line tables: the frame is still of use.
    return entry


def unwind(thread):
    frames = []
    stopped = None
    try:
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None:
            if len(frames) >= FRAME_LIMIT:
                stopped = "more than %d frames" % FRAME_LIMIT
                break
            if time.time() > DEADLINE:
                stopped = "out of time"
                break
            frames.append(describe(frame))
            older = frame.older()
            if older is None:
                reason = frame.unwind_stop_reason()
                if reason not in (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST):
                    stopped = gdb.frame_stop_reason_string(reason)
            frame = older
    except (gdb.error, gdb.MemoryError, RuntimeError, UnicodeError) as error:
        stopped = str(error)
    entry = {"lwp": thread.ptid[1] or thread.ptid[0], "frames": frames}
    if stopped:
        entry["stopped"] = stopped[:NAME_LIMIT]
    return entry


def main():
    load_missing()
    threads = []
    for thread in gdb.selected_inferior().threads():
        if time.time() > DEADLINE:
            break
        threads.append(unwind(thread))
    with os.fdopen(3, "w") as out:
        json.dump({"gdb": gdb.VERSION, "threads": threads}, out)


main()
