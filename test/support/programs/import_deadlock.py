"""A thread imports a module whose top level takes a lock, which another thread holds while it imports that module.
The module is this file once more."""
import sys
import threading

from common import park, start


def configure(main):
    main.is_importing.set()
    main.has_settings.wait()
    with main.settings:  # HANG: deadlock of reload_settings
        pass


def load():
    # Its top level calls configure().
    import import_deadlock  # HOLDS: import-lock


def reload_settings():
    with settings:  # HOLDS: python-lock
        has_settings.set()
        is_importing.wait()
        import import_deadlock  # HANG: deadlock of load


at_top_level = configure
if __name__ == "__main__":
    settings = threading.Lock()
    has_settings = threading.Event()
    is_importing = threading.Event()
    start(load)
    start(reload_settings)
    park()
else:
    at_top_level(sys.modules["__main__"])
