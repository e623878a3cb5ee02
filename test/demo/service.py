"""The shop of the tests as a service that a debugger of the same user may attach to: service.py PORT THREADS."""

import ctypes
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'support', 'services'))

import serve

PR_SET_PTRACER = 0x59616D61

if __name__ == '__main__':
    # Yama lets only a parent attach, unless the process names others (prctl(2)).
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    serve.main(int(sys.argv[1]), int(sys.argv[2]))
