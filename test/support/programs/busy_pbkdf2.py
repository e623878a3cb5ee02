"""A key derivation with far too many rounds: C code that runs without the GIL (3.x) or with it (2.7)."""
import hashlib

from common import after_ready, park, start


def hash_password(password):
    after_ready()
    return hashlib.pbkdf2_hmac("sha256", password, b"salt", 2 ** 31 - 1)  # HANG: busy-native


start(hash_password, b"secret")
park()
