"""A system around the broker that fails when a test says so: support/faulty_system.cpp, preloaded."""
import mmap
import os
import struct
import tempfile

CLOCK_AHEAD, DISK_IS_FULL, SYNCED, HANGS = 0, 8, 16, 24
HANG_WORD = b"let-this-thread-hang"


class Faults:
    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="sealmq-faults-")
        self._file.write(bytes(32))
        self._file.flush()
        self._page = mmap.mmap(self._file.fileno(), 32)

    @property
    def environment(self):
        sanitizer = os.environ.get("ASAN_OPTIONS", "")  # which would rather be loaded first
        return {"LD_PRELOAD": os.environ["FAULTY_SYSTEM"], "SEALMQ_FAULTS": self._file.name,
                "ASAN_OPTIONS": sanitizer + ":verify_asan_link_order=0"}

    def set(self, fault, value):
        struct.pack_into("<q", self._page, fault, value)

    def get(self, fault):
        return struct.unpack_from("<q", self._page, fault)[0]
