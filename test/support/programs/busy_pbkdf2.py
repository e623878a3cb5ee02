"""A key derivation with far too many rounds: C code that runs without the GIL (3.x) or with it (2.7).

A Python that was built without OpenSSL derives keys in Python code: there a power with huge numbers takes its place.
"""
from common import after_ready, park, start

try:
    import _hashlib
    derive, arguments = _hashlib.pbkdf2_hmac, ("sha256", b"secret", b"salt", 2 ** 31 - 1)
except (ImportError, AttributeError):
    derive, arguments = pow, (3, (1 << 40000000) - 1, (1 << 40000001) - 1)


def hash_password():
    after_ready()
    return derive(*arguments)  # HANG: busy-native


start(hash_password)
park()
