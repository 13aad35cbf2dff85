"""SIGTERM in the midst of it all, and thousands of jobs that only wait."""

import http.client
import json
import threading

import pytest

from process import until
from service import SANITIZED
from silent import Cost
from sse import Stream

POLLS = 500
STREAMS = 20
MEBI = 1024 * 1024


class Waiter(threading.Thread):
    """A long poll on a connection of its own; what became of it."""

    def __init__(self, service, job):
        super().__init__(daemon=True)
        self.job, self.status, self.body, self.error = job, None, None, None
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {service.api.token}", "Prefer": "wait=30"}
        self.sent = threading.Event()

    def run(self):
        try:
            self.connection.request("GET", f"/jobs/{self.job['id']}", headers=self.headers)
            self.sent.set()
            answer = self.connection.getresponse()
            self.status, self.body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as e:
            self.error = e
            self.sent.set()
        finally:
            self.connection.close()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_an_end_under_long_polls_and_jobs(certwright, fake, contract, how):
    """All are answered with the present state, the end comes in time, and the jobs go on."""
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    api = service.api
    api.put_account(authority="fake")
    fake.retry_after["authorization"] = 3600
    fake.pending_polls = 1
    jobs = [api.post_certificate(f"t{i}.example.com") for i in range(50)]
    for job in jobs:
        api.until_job(job, lambda j: (j["step"], j["state"]) == ("validate", "waiting"))
    fake.hold("/new-order")  # and some are in a call when the end comes
    late = [api.post_certificate(f"u{i}.example.com") for i in range(4)]
    waiters = [Waiter(service, jobs[i % len(jobs)]) for i in range(POLLS)]
    before = Cost(service).descriptors
    for waiter in waiters:
        waiter.start()
    until(lambda: all(w.sent.is_set() for w in waiters), 60, "all have asked")
    until(lambda: Cost(service).descriptors >= before + POLLS, 30, "all are taken in")
    streams = [Stream(api, "/events").open() for _ in range(STREAMS)]
    api.ok("GET", f"/jobs/{jobs[0]['id']}")  # came after them
    assert not any(w.status or w.error for w in waiters)

    if how == "SIGTERM":
        assert service.process.stop(10) == 0
    else:
        service.kill()
    for waiter in waiters:
        waiter.join(20)
    assert not any(w.is_alive() for w in waiters)
    for stream in streams:
        if how == "SIGTERM":
            list(stream)  # to its end, which has to be a proper one
        stream.close()
    if how == "SIGTERM":
        assert not [w.error for w in waiters if w.error]
        assert {w.status for w in waiters} <= {200, 503}
        assert all(b'"waiting"' in w.body for w in waiters if w.status == 200)

    fake.release("/new-order")
    fake.retry_after.clear()
    service.start()
    for job in jobs:
        api.call("POST", f"/jobs/{job['id']}/retry")
    for job in jobs + late:
        if api.job(job)["state"] == "waiting":
            api.call("POST", f"/jobs/{job['id']}/retry")
        api.succeeded(job)
    finalized = [order for order in fake.orders.values() if order["status"] == "valid"]
    assert len(finalized) == len(jobs) + len(late)


def test_slow_keys_have_a_thread_while_they_are_made(certwright, fake):
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    service.api.put_account(authority="fake")
    service.api.succeeded(service.api.post_certificate("first.example.com"))
    threads = Cost(service).threads
    for name in ("rsa.example.com", "another.example.com"):
        job = service.api.post_certificate(name, key={"type": "rsa-4096"})
        service.api.succeeded(job)
        until(lambda: Cost(service).threads == threads, 20, "the thread is gone")


def post_many(service, names):
    """On one connection, and without a look at the contract: thousands take seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    headers = {"Authorization": f"Bearer {service.api.token}", "Content-Type": "application/json"}
    for name in names:
        body = json.dumps({"identifiers": [name], "account": "main"})
        connection.request("POST", "/certificates", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 202
    connection.close()


@pytest.mark.parametrize("count, most", [(500, 10), pytest.param(10000, 18, marks=pytest.mark.long)])
def test_thousands_wait_for_dns(certwright, fake, provider, resolvers, count, most):
    """
    No record ever shows: every job waits, and none of them holds a thread. They may take so many
    megabytes altogether, and others are served.
    """
    provider.sabotage = lambda path, fqdn, value: (204, value)  # done, it says
    service = certwright(workers=4, resources={
        "authorities": {"fake": fake.authority()},
        "solvers": {"dns": {"type": "httpreq", "endpoint": provider.endpoint,
                            "zones": [f"z{i}.example.com" for i in range(50)]}}}, **resolvers)
    api = service.api
    api.put_account(authority="fake")
    api.succeeded(api.post_certificate("plain.example.com"))
    cost = Cost(service)
    memory, threads = cost.memory, cost.threads
    post_many(service, [f"n{i}.z{i % 50}.example.com" for i in range(count)])
    until(lambda: service.sample('certwright_jobs{kind="certificate.issue",state="waiting"}')
          == count, 60 + count / 20, "all wait")
    assert cost.threads == threads
    assert cost.memory - memory <= (512 if SANITIZED else most) * MEBI
    api.succeeded(api.post_certificate("other.example.com"))
    assert len(api.ok("GET", "/jobs?state=waiting&page_size=1000")["items"]) >= min(count, 1000)
    service.stop()
    service.start()
    assert api.ok("GET", "/jobs?page_size=1")["items"]
