"""The wall clock of one process, set by the test: libfaketime, which leaves the other clocks alone."""

import os
from pathlib import Path

YEARS = 3652 * 24 * 3600  # ten of them


class WallClock:
    def __init__(self, folder):
        [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.path = folder / "wall-clock"
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # It reads its file again and again, wherever that is.
            "CERTWRIGHT_SANDBOX": "off",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1",
            # It comes before the sanitizers' libraries, which is fine.
            "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1:verify_asan_link_order=0",
            # It also stands between ThreadSanitizer and pthread_cond_timedwait, so that a thread
            # that waits seems to hold its mutex; what is seen then is no race.
            "TSAN_OPTIONS": "report_bugs=0"}

    def set(self, seconds):
        """So far ahead of the true time (behind: negative) from now on."""
        written = self.path.with_suffix(".new")
        written.write_text(f"{seconds:+d}\n")
        os.replace(written, self.path)
