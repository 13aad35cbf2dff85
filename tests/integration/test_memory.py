"""
Memory runs out: the nth allocation of an issue fails, in whichever library or in our own code. The
service goes on, or ends with a message (our own code takes no memory for a reason to end, since a
restart loses nothing), and the job goes on to its end. Nothing is corrupt, nothing hangs.
"""

import http.client
import signal
import sqlite3
import time
from contextlib import closing

import pytest

import pem
from contract import Violation
from faults import Faults
from process import until
from seed import dice
from service import BINARY

ENDED = ("succeeded", "failed", "cancelled")


def died_in_json_c(code, log):
    """json-c 0.16 copies a member's name, and uses the copy without a look at whether it has one."""
    frames = log.rpartition("-- the process crashes here:\n")[2].splitlines()
    library = next((f for f in frames if "libc.so" not in f and "libfaults" not in f), "")
    return code == -signal.SIGSEGV and "libjson-c" in library


class Trial:
    def __init__(self, service, faults):
        self.service, self.faults, self.api = service, faults, service.api
        self.deaths = self.failures = 0

    def tolerant(self, call):
        """call's result, as soon as the service answers: its memory may fail in the answer too."""
        def attempt():
            self.revive()
            try:
                return call()
            except (OSError, http.client.HTTPException, Violation):
                return None  # no answer, or json-c has left out what it had no memory for
        return until(attempt, 30, "an answer")

    def revive(self):
        service = self.service
        if service.process.running:
            return
        code = service.process.wait()
        log = service.process.log()
        last = log.rpartition("-- the process crashes here:\n")[0]
        told = code == -signal.SIGABRT and last.endswith("certwright: out of memory\n")
        assert told or died_in_json_c(code, log), f"ended with {code}:\n{log[-6000:]}"
        self.deaths += 1
        self.faults["left"] = 0
        service.start()

    def post(self, name):
        def call():
            answer = self.api.post("/certificates", {"identifiers": [name], "account": "main"},
                                   headers={"Idempotency-Key": name})
            return answer.json() if answer.status in (200, 202) else None
        return self.tolerant(call)

    def end(self, job):
        """The job's end; what waits for another try gets it at once."""
        def look():
            now = self.api.get(f"/jobs/{job['id']}")
            now = now.json() if now.status == 200 else {"state": None}
            if now["state"] == "waiting" and now["error"]:
                self.api.post(f"/jobs/{job['id']}/retry")
            return now if now["state"] in ENDED else None
        deadline = time.monotonic() + 60
        while not (ended := self.tolerant(lambda: (look(),))[0]):
            assert time.monotonic() < deadline, f"the job hangs: {job['id']}"
            time.sleep(0.02)
        return ended

    def issue(self, name, nth):
        self.faults["left"] = nth
        job = self.end(self.post(name))
        self.faults["left"] = 0
        self.tolerant(lambda: True)
        if job["state"] != "succeeded":
            self.failures += 1
            # The key's maker had no memory; the CA was not answered, which is its last word.
            assert job["error"]["code"] in ("crypto.failed", "ca.connection"), job
            job = self.end(self.tolerant(
                lambda: self.api.ok("POST", f"/certificates/{name}/renew", {"force": True})))
        assert job["state"] == "succeeded", job
        # Tolerant still: the process may be about to end of what had no memory beside the job.
        leaf = pem.load(self.tolerant(lambda: self.api.pem(name, "cert.pem")))
        key = pem.load_key(self.tolerant(lambda: self.api.pem(name, "privkey.pem")))
        assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())


PARTS = 8  # of all allocations, so that several workers share them


@pytest.mark.parametrize("part", [None, *(
    pytest.param(part, marks=pytest.mark.long) for part in range(PARTS))], ids=lambda part: (
        "some" if part is None else f"part {part}"))
def test_each_allocation_of_an_issue_may_fail(certwright, pebble, part):
    service = certwright(pebble, start=False)
    faults = Faults(service)
    service.start()
    service.api.put_account()
    trial = Trial(service, faults)
    trial.issue("warm0.memory.example.com", 0)
    before = faults["count"]
    trial.issue("warm1.memory.example.com", 0)
    count = faults["count"] - before
    assert count > 1000
    every = range(1, count + 1)
    tried = dice("memory").sample(every, 60) if part is None else every[part::PARTS]
    for nth in tried:
        trial.issue(f"n{nth}.memory{'' if part is None else '-all'}.example.com", nth)
    print(f"{len(tried)} of {count}: {trial.deaths} ends, {trial.failures} failed jobs")
    service.stop()
    with closing(sqlite3.connect(service.data / "certwright.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
