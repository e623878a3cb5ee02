"""More greenlets than are read, all alike, among other objects. argv[1]: how many greenlets, argv[2]: how many objects."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import greenlet  # noqa: E402
import truth  # noqa: E402


def handler():
    greenlet.getcurrent().parent.switch()


others = [[number] for number in range(int(sys.argv[2]))]
greenlets = [greenlet.greenlet(handler) for _ in range(int(sys.argv[1]))]
for each in greenlets:
    each.switch()
truth.report([])
time.sleep(3600)
