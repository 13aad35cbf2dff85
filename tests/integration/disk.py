"""A service whose folder is a small file system of its own, which can be filled and made read-only."""

import os
import subprocess
from pathlib import Path

import pytest

from process import until

# As root a mount namespace alone, else with a user namespace around it.
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]


class Disk:
    """
    A tmpfs on `folder`, seen by the service alone: here it is reached through /proc. The service
    is not started yet; start() does that.
    """

    def __init__(self, service, folder, size="4m", how="rw"):
        self.service, self.folder = service, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        if subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", str(self.folder)],
                          capture_output=True, check=False).returncode:
            pytest.skip("no mount namespaces here: neither root nor user namespaces")
        script = f'mount -t tmpfs -o size={size},mode=755,{how} none "$0" && exec "$@"'
        service.process.argv[:0] = [*UNSHARE, "sh", "-c", script, str(self.folder)]

    def start(self):
        service = self.service
        service.start(ready=False)
        pid = service.process.popen.pid
        comm = Path(f"/proc/{pid}/comm")
        until(lambda: comm.read_text().strip() == "certwright", 10, "certwright is started")
        self.root = Path(f"/proc/{pid}/root")
        until(service._ready, 15, "certwright is ready")
        service.api.token = self.inside(service.data / "admin.token").read_text().strip()
        return service

    def inside(self, path):
        return self.root / str(path).lstrip("/")

    def fill(self):
        with open(self.inside(self.folder) / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass  # no space is left, as wanted

    def free(self):
        (self.inside(self.folder) / "filler").unlink()
