"""Clocks that jump, for a process that has this folder on its path: Python imports it before anything else.

The file that ``SWARMGATE_TEST_CLOCK`` names holds two numbers: by how many seconds the monotonic clock and that on the
wall are wrong.
"""

import datetime as dt
import mmap
import os
import struct
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

with open(os.environ["SWARMGATE_TEST_CLOCK"], "rb") as file:  # noqa: PTH123 - imports as little as it can
    _offsets = mmap.mmap(file.fileno(), 16, access=mmap.ACCESS_READ)
_monotonic, _time, _datetime = time.monotonic, time.time, dt.datetime


def _offset(which: int) -> float:
    offset: float = struct.unpack_from("=dd", _offsets)[which]
    return offset


def _remember_the_true_class() -> None:
    """Have cryptography, which asks for it at its first certificate, keep the class of moments as it is now."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), _datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    builder.sign(key, hashes.SHA256())


class _AnyOfThem(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class _Jumping(_datetime, metaclass=_AnyOfThem):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> _datetime:  # type: ignore[override]
        return _datetime.now(tz) + dt.timedelta(seconds=_offset(1))


_remember_the_true_class()
time.monotonic = lambda: _monotonic() + _offset(0)
time.time = lambda: _time() + _offset(1)
dt.datetime = _Jumping  # type: ignore[misc]
