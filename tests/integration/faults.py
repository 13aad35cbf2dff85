"""Failing memory and read-only files inside a service, by a library loaded before the others."""

import mmap
import struct
from pathlib import Path

from service import BINARY

LIBRARY = Path(BINARY).resolve().parents[1] / "tests/faults/libfaults.so"
FIELDS = ("left", "count", "failed", "read_only", "refused")


class Faults:
    """Before the service starts: its process gets the library, and this object the switches."""

    def __init__(self, service):
        assert LIBRARY.exists(), f"{LIBRARY} is not there: run ./dev build"
        path = service.folder / "faults"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        # What backtrace() loads when the library begins stays loaded; by the loader's name too, for
        # when its functions have none.
        suppressions = service.folder / "leaks"
        suppressions.write_text("leak:dl_open_worker_begin\nleak:_dl_\nleak:/ld-linux\n")
        env = service.process.env
        env.update(LD_PRELOAD=str(LIBRARY), CERTWRIGHT_FAULTS=str(path),
                   CERTWRIGHT_FAULTS_FOLDER=str(service.data),
                   ASAN_OPTIONS=env["ASAN_OPTIONS"] + ":verify_asan_link_order=0",
                   LSAN_OPTIONS=f"suppressions={suppressions}:print_suppressions=0")

    def __getitem__(self, field):
        return struct.unpack_from("q", self.memory, 8 * FIELDS.index(field))[0]

    def __setitem__(self, field, value):
        struct.pack_into("q", self.memory, 8 * FIELDS.index(field), value)
