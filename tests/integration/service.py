"""certwright itself: a data directory, a configuration, a process."""

import http.client
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from api import Api
from process import Process, free_port, until

BINARY = os.environ.get(
    "CERTWRIGHT", str(Path(__file__).resolve().parents[2] / "build/dev/server/certwright"))
THREAD_SANITIZED = b"__tsan_init" in Path(BINARY).read_bytes()
# Sanitizers keep what was freed for a while.
SANITIZED = THREAD_SANITIZED or b"__asan_init" in Path(BINARY).read_bytes()
# The sanitizers end the process with an exit code that a clean end never has.
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0",
}


class Service:
    def __init__(self, folder, contract, config, env=None, arguments=()):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.contract = contract
        self.port, self.ops_port = free_port(), free_port()
        self.data = folder / "data"
        self.socket = folder / "api.socket"
        self.config_path = folder / "certwright.json"
        self.configure(config)
        self.process = Process(
            [BINARY, "serve", "--config", self.config_path, "--data", self.data,
             "--listen", f"127.0.0.1:{self.port}", "--listen", f"unix:{self.socket}",
             "--ops-listen", f"127.0.0.1:{self.ops_port}", *arguments],
            folder / "certwright.log", {**SANITIZERS, **(env or {})})
        self.api = Api(contract, self.port)

    def configure(self, config):
        """All servers of the tests are on loopback, where requests go by permission only."""
        self.config = {"outgoing": {"allow": ["127.0.0.0/8", "::1"]}, **config}
        self.config_path.write_text(json.dumps(self.config, indent=2))

    def check_database(self):
        """What holds of it after whatever a test has done; the service has ended."""
        path = self.data / "certwright.db"
        if not path.exists() or not path.stat().st_size:
            return
        with closing(sqlite3.connect(path)) as db:
            def rows(sql):
                return db.execute(sql).fetchall()
            assert rows("PRAGMA integrity_check") == [("ok",)]
            assert rows("PRAGMA foreign_key_check") == []
            assert rows("SELECT kind, state, number FROM job_total WHERE number > 0"
                        " ORDER BY kind, state") == rows(
                "SELECT kind, state, count (*) FROM job GROUP BY kind, state ORDER BY kind, state")
            assert rows("SELECT v.certificate_id, v.n, v.state FROM version v WHERE key IS NOT NULL"
                        " AND state NOT IN ('valid', 'revoked') AND NOT EXISTS (SELECT 1 FROM job j"
                        "  WHERE j.finished_at = 0 AND j.resource_type = 'certificate'"
                        "  AND j.resource_id = v.certificate_id)") == [], "a key that nobody uses"

    def start(self, ready=True):
        self.process.start()
        if ready:
            until(self._ready, 15, "certwright is ready")
            self.api.token = (self.data / "admin.token").read_text().strip()
        return self

    def _ready(self):
        assert self.process.running, "certwright ended at its start:\n" + self.process.log()
        return self.ops("/readyz")[0] == 200

    def ops(self, path):
        """(status, body) of a GET on the ops listener; (None, "") while it is closed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=10)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except OSError:
            return None, ""
        finally:
            connection.close()

    def sample(self, name):
        """The value of one metric, its labels as they stand in /metrics."""
        [value] = [line.rpartition(" ")[2] for line in self.ops("/metrics")[1].splitlines()
                   if line.rpartition(" ")[0] == name]
        return float(value)

    def stop(self):
        """A graceful end: exit code 0 in under 10 seconds is part of the contract."""
        code = self.process.stop(10)
        assert code in (0, None), f"exit code {code}:\n{self.process.log()}"

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        return self.start()
