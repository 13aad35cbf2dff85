"""A server that takes connections and says nothing, and a look at what a process costs."""

import os
import selectors
import socket
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Silent:
    """Keeps each connection for patience seconds, None: for ever, and then cuts it."""

    def __init__(self, port=0, patience=None):
        self.patience = patience
        self.accepted, self.now, self.most = 0, 0, 0
        self._open = True
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self):
        self._open = False
        self._thread.join()
        self._listener.close()

    def restart_count(self):
        self.most = self.now

    def _serve(self):
        held = {}  # socket: when to cut it
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while self._open:
                ready = [key.fileobj for key, _ in selector.select(0.02)]
                if self._listener in ready:
                    connection = self._listener.accept()[0]
                    held[connection] = time.monotonic() + (self.patience or 1e9)
                    selector.register(connection, selectors.EVENT_READ)
                    self.accepted += 1
                for connection in list(held):
                    gone = connection in ready and not self._read(connection)
                    if gone or time.monotonic() > held[connection]:
                        selector.unregister(connection)
                        connection.close()
                        del held[connection]
                self.now = len(held)
                self.most = max(self.most, self.now)
        for connection in held:
            connection.close()

    @staticmethod
    def _read(connection):
        try:
            return connection.recv(65536)
        except OSError:
            return b""


class Cost:
    """What a process holds and uses, as the kernel counts it."""

    def __init__(self, service):
        self.proc = Path(f"/proc/{service.process.popen.pid}")

    @property
    def threads(self):
        return len(list((self.proc / "task").iterdir()))

    @property
    def descriptors(self):
        return len(list((self.proc / "fd").iterdir()))

    @property
    def memory(self):
        """Resident, in bytes."""
        [line] = [line for line in (self.proc / "status").read_text().splitlines()
                  if line.startswith("VmRSS")]
        return int(line.split()[1]) * 1024

    @property
    def cpu(self):
        """Seconds so far."""
        words = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS
