"""
Many clients that do everything at once, while certwright is killed again and again: whatever
happens in between, at the end nothing is lost, done twice or left behind.
"""

import collections
import http.client
import random
import sqlite3
import threading
import time

import pytest

import pem
from api import ENDED
from dns_provider import DnsProvider
from process import until

CLIENTS = 16
# The CA of the wild: it refuses nonces, knows names already and takes its time.
WILD = {"PEBBLE_WFE_NONCEREJECT": "5", "PEBBLE_AUTHZREUSE": "50", "PEBBLE_VA_NOSLEEP": "0",
        "PEBBLE_VA_SLEEPTIME": "1"}
OUR_FAULTS = ("ca.malformed", "ca.bad_csr", "certificate.names_mismatch", "not_found", "internal")
COMMITTED = ("finalize", "collect", "download")


class Clients:
    """Each has its own random numbers; together they work on one set of certificates."""

    def __init__(self, service, names, seed):
        self.service, self.names, self.seed = service, names, seed
        self.jobs, self.answers, self.faults = set(), collections.Counter(), []
        self.over = threading.Event()

    def call(self, method, path, body=None, **more):
        """The answer, held against the contract; None if the service was killed meanwhile."""
        try:
            answer = self.service.api.call(method, path, body, **more)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return None
        self.answers[f"{method} {answer.status}"] += 1
        assert answer.status < 500 or answer.status == 503, answer
        if answer.status == 202:
            self.jobs.add(answer.json()["id"])
        return answer

    def spec(self, dice, name):
        identifiers = [f"{name}.stress.example.com"]
        if dice.random() < 0.3:
            identifiers += [f"*.{name}.stress.example.com"]
        if dice.random() < 0.3:
            identifiers += [f"n{dice.randrange(3)}.{name}.web.example.com"]
        return {"identifiers": identifiers, "account": "main", "retry_for_seconds": 20,
                "key": {"type": "ec-p256", "reuse": dice.random() < 0.2}}

    def act(self, dice, name):
        path = f"/certificates/{name}"
        kind = dice.choices(
            ("post", "put", "put", "renew", "revoke", "delete", "purge", "cancel", "retry", "patch",
             "read"), (8, 3, 3, 4, 2, 1, 1, 3, 2, 1, 3))[0]
        if kind == "post":
            key = {"Idempotency-Key": str(dice.randrange(50))} if dice.random() < 0.3 else None
            self.call("POST", "/certificates", {**self.spec(dice, name), "name": name},
                      headers=key)
        elif kind == "put":
            self.call("PUT", path, self.spec(dice, name))
        elif kind == "renew":
            self.call("POST", f"{path}/renew", {"force": True})
        elif kind == "revoke":
            self.call("POST", f"{path}/revoke", {"reason": "superseded"})
        elif kind == "delete":
            self.call("DELETE", path)
        elif kind == "purge":
            self.call("DELETE", f"{path}?revoke=true")
        elif kind == "patch":
            self.call("PATCH", path, {"labels": {"turn": str(dice.randrange(9))}})
        elif kind == "read":
            self.call("GET", f"{path}/{dice.choice(['bundle', 'privkey.pem', 'versions'])}")
        else:
            known = sorted(self.jobs)
            if known:
                self.call("POST", f"/jobs/{dice.choice(known[-20:])}/{kind}")

    def run(self, number):
        dice = random.Random(f"{self.seed}.{number}")
        try:
            for name in self.names[number::CLIENTS]:
                self.call("POST", "/certificates", {**self.spec(dice, name), "name": name})
            while not self.over.is_set():
                self.act(dice, dice.choice(self.names))
                time.sleep(dice.uniform(0, 0.05))
        except Exception as e:  # noqa: BLE001: told by the test's own thread
            self.faults.append(e)


def storm(clients, dice, seconds):
    """The clients at work, and the service killed under them."""
    threads = [threading.Thread(target=clients.run, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and not clients.faults:
            time.sleep(dice.uniform(0.2, 2))
            clients.service.kill()
            clients.service.start()
    finally:
        clients.over.set()
        for thread in threads:
            thread.join()
    assert not clients.faults, clients.faults


def all_jobs(api):
    jobs, path = [], "/jobs?page_size=1000"
    while path:
        page = api.ok("GET", path)
        jobs += page["items"]
        path = page["next"] and f"/jobs?page_size=1000&cursor={page['next']}"
    return {job["id"]: job for job in jobs}


def settle(api, seconds):
    """Until every job has ended but plans for renewals, without the waits between its tries."""
    def all_ended():
        waiting = [job for job in all_jobs(api).values() if job["state"] not in ENDED
                   and job["kind"] != "certificate.renew"]
        for job in waiting:
            if job["state"] == "waiting" and job["error"]:
                api.call("POST", f"/jobs/{job['id']}/retry")
        time.sleep(0.2)
        return not waiting

    until(all_ended, seconds, "every job has ended")
    return all_jobs(api)


def check_certificates(api):
    names = []
    path = "/certificates?page_size=1000"
    for certificate in api.ok("GET", path)["items"]:
        assert certificate["active_job"] is None, certificate
        if certificate["status"] != "valid":
            continue
        name = certificate["name"]
        bundle = api.ok("GET", f"/certificates/{name}/bundle")
        leaf, key = pem.load(bundle["cert_pem"]), pem.load_key(bundle["privkey_pem"])
        assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())
        names.append(name)
    return names


def check_database(path, jobs):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT * FROM duty").fetchall() == []
        # An order that its job gave a CSR to is the only one of that job.
        twice = db.execute("SELECT job, count (*) FROM acme_order WHERE status = 'valid'"
                           " GROUP BY job HAVING count (*) > 1").fetchall()
        assert twice == []
        keyless = db.execute("SELECT certificate_id, n FROM version WHERE state = 'valid'"
                             " AND key IS NULL").fetchall()
        assert keyless == []
        # What was never issued keeps no key.
        useless = db.execute("SELECT certificate_id, n, state FROM version WHERE key IS NOT NULL"
                             " AND state IN ('prepared', 'failed')").fetchall()
        assert useless == []
        versions = db.execute("SELECT acme_order.job FROM version JOIN acme_order"
                              " ON acme_order.certificate_id = version.certificate_id"
                              " AND acme_order.version = version.n"
                              " WHERE version.state IN ('valid', 'revoked')").fetchall()
        assert {job for (job,) in versions} <= {
            id for id, job in jobs.items() if job["state"] == "succeeded"}
    finally:
        db.close()


@pytest.mark.parametrize("certificates, seconds, seed", [
    (40, 5, 1), pytest.param(200, 180, 2, marks=pytest.mark.long)])
def test_storm(certwright, pebble_with, challtestsrv, resolvers, certificates, seconds, seed):
    pebble = pebble_with(env=WILD)
    provider = DnsProvider(challtestsrv)
    dns = {"type": "httpreq", "endpoint": provider.endpoint, "zones": ["stress.example.com"]}
    service = certwright(pebble, resources={"solvers": {"dns": dns}}, **resolvers)
    service.api.put_account()
    clients = Clients(service, [f"c{i}" for i in range(certificates)], seed)
    storm(clients, random.Random(seed), seconds)
    jobs = settle(service.api, 60 + seconds)

    assert clients.jobs <= set(jobs), "an accepted job is gone"
    # Pebble may hang now and then; but no job has mixed the names of two specs.
    failures = {job["error"]["code"] for job in jobs.values() if job["state"] == "failed"}
    assert failures.isdisjoint(OUR_FAULTS), failures
    assert check_certificates(service.api)
    until(lambda: not provider.left(), 15, "every TXT record is removed")
    # Pebble signs once for each job that has come so far, and for no other.
    issued = pebble.process.log().count("Issued certificate serial")
    orders = [job for job in jobs.values() if job["kind"] == "certificate.issue"]
    assert issued <= sum(job["step"] in COMMITTED for job in orders)
    assert issued >= sum(job["state"] == "succeeded" for job in orders)
    service.stop()
    check_database(service.data / "certwright.db", jobs)
    provider.stop()
