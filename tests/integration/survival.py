"""
A certwright that is killed again and again, and what must hold afterwards: every invariant is
checked from outside, at the CA, at the DNS provider, in the target's folder, through the API, and
in the database's file.
"""

import base64
import hashlib
import http.client
import itertools
import sqlite3
from contextlib import closing

import pem
from process import until

ZONE = "survival.example.com"
NO_ANSWER = (OSError, http.client.HTTPException)  # the process died over it
RELOAD = """#!/bin/sh
echo "$CERTWRIGHT_CERTIFICATE $CERTWRIGHT_VERSION" >> {folder}/reloads
"""


class World:
    """
    certwright between a strict CA that looks for what proves a name, a DNS provider and a folder.
    Every certificate has a name proven over http-01 and a wildcard proven over dns-01.
    """

    def __init__(self, certwright, fake, provider, resolvers, folder):
        self.fake, self.provider = fake, provider
        self.root = folder / "certs"
        self.root.mkdir()
        command = folder / "reload"
        command.write_text(RELOAD.format(folder=folder))
        command.chmod(0o755)
        self.service = certwright(
            resources={"authorities": {"pebble": fake.authority()},
                       "solvers": {"dns": {"type": "httpreq", "endpoint": provider.endpoint,
                                           "zones": [ZONE]}}},
            file_roots=[str(self.root)], commands={"reload": [str(command)]}, **resolvers)
        self.http01 = int(self.service.config["http01_listen"].rpartition(":")[2])
        fake.prove = self._prove
        self.api.put_account()
        self.api.ok("PUT", "/targets/files", {"type": "files", "directory": str(self.root),
                                              "reload": {"command": "reload"}}, status=(201,))
        self._numbers = itertools.count(1)

    @property
    def api(self):
        return self.service.api

    # what the CA sees

    def token(self, token):
        """What the responder says about it: its key authorization, or None."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http01, timeout=5)
        try:
            connection.request("GET", f"/.well-known/acme-challenge/{token}")
            answer = connection.getresponse()
            body = answer.read().decode()
            return body if answer.status == 200 else None
        except NO_ANSWER:
            return None
        finally:
            connection.close()

    def _prove(self, name, challenge, token, authorization):
        if challenge == "http-01":
            return self.token(token) == authorization
        digest = hashlib.sha256(authorization.encode()).digest()
        value = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return value in self.provider.left().get(
            f"_acme-challenge.{name.removeprefix('*.')}.", ())

    def orders(self, name):
        """The CA's orders for the certificate of that name, by number."""
        with self.fake.lock:
            known = dict(self.fake.orders)
        return {n: order for n, order in known.items()
                if any(i["value"] == name for i in order["identifiers"])}

    # life and death

    def start(self, failpoint=None, trace=None):
        """Starts, perhaps to be killed at that point; False if it is dead before it is ready."""
        env = {"CERTWRIGHT_FAILPOINT": failpoint, "CERTWRIGHT_FAILPOINT_TRACE": trace}
        for key, value in env.items():
            self.service.process.env.pop(key, None)
            if value is not None:
                self.service.process.env[key] = str(value)
        self.service.start(ready=False)
        return until(lambda: self.dead() and "dead" or self.service.ops("/readyz")[0] == 200, 15,
                     "certwright is ready, or dead") != "dead"

    def dead(self):
        return not self.service.process.running

    def ended(self):
        """The process, which may be dead, is stopped: whether it was killed before."""
        code = self.service.process.stop(10)
        assert code in (0, -9), f"exit code {code}:\n{self.service.process.log()}"
        return code == -9

    # work

    def new_name(self):
        return f"n{next(self._numbers)}.web.example.com"

    def body(self, name):
        return {"identifiers": [name, f"*.{name.partition('.')[0]}.{ZONE}"], "account": "main",
                "name": name, "targets": ["files"]}

    def post(self, path, body, key):
        """The job; None if the process died before it answered."""
        try:
            answer = self.api.post(path, body, headers={"Idempotency-Key": key})
        except NO_ANSWER:
            assert until(self.dead, 10, "the process that did not answer is dead")
            return None
        assert answer.status == 202, answer
        return answer.json()

    def issue(self, name):
        job = self.api.ok("POST", "/certificates", self.body(name), status=(202,))
        self.api.succeeded(job)
        self.settle()

    def rows(self, sql, *values):
        """Of the database's file, read beside the process: all of one moment."""
        with closing(sqlite3.connect(f"file:{self.service.data}/certwright.db?mode=ro",
                                     uri=True)) as db:
            return db.execute(sql, values).fetchall()

    def unfinished(self):
        """(id, kind, resource) of jobs under way; not of those that plan a renewal weeks ahead."""
        return self.rows("SELECT id, kind, resource_name FROM job WHERE finished_at = 0"
                         " AND kind <> 'certificate.renew'")

    def settle(self, seconds=60):
        """Until nothing is under way, or the process is dead."""
        until(lambda: self.dead() or not self.unfinished(), seconds, "every job ends")

    # the invariants

    def check_intents(self):
        """
        At any moment, the one of a death too: a key that nothing was issued for belongs to a job
        that will use or destroy it, and what stands in the DNS is noted for its removal.
        """
        assert self.rows(
            "SELECT v.certificate_id, v.n FROM version v WHERE v.state = 'prepared'"
            " AND NOT EXISTS (SELECT 1 FROM acme_order o JOIN job j ON j.id = o.job"
            " WHERE o.certificate_id = v.certificate_id AND o.version = v.n"
            " AND j.finished_at = 0)") == []
        noted = set(self.rows("SELECT record_name, record_value FROM duty"))
        placed = {(name.rstrip("."), value) for name, values in self.provider.left().items()
                  for value in values}
        assert placed <= {(name.rstrip("."), value) for name, value in noted}

    def check_clean(self):
        """Nothing is left behind, the database is sound, and no key lies about."""
        assert not self.provider.left()
        for n, order in self.fake.orders.items():
            for i in range(len(order["identifiers"])):
                assert self.token(f"token-{n}-{i}") is None, f"a token of order {n} is left"
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        assert self.rows("SELECT certificate_id, n, state FROM version WHERE key IS NOT NULL"
                         " AND state NOT IN ('valid', 'revoked')") == []
        assert self.rows("SELECT name FROM account WHERE next_key IS NOT NULL") == []
        assert self.rows("SELECT * FROM duty") == []
        assert not list((self.service.data / "scratch").iterdir())
        assert not self.fake.complaints

    def check_orders(self, name, *, finalized, kills=1):
        """So many orders were finalized, and a kill has left at most one pending."""
        orders = self.orders(name)
        status = {n: order["status"] for n, order in orders.items()}
        done = [n for n, order in orders.items() if "csr" in order]
        assert len(done) == finalized, status
        assert sum(s in ("pending", "ready") for s in status.values()) <= kills, status
        told = {order["url"]: order["status"] for order in
                self.api.ok("GET", f"/orders?certificate={name}")["items"]}
        for url, status in told.items():
            known = orders[int(url.rpartition("/")[2])]
            assert status == known["status"], (url, status, known["status"])
        assert {f"{self.fake.base}/order/{n}" for n in done} <= set(told)
        return orders[done[-1]]

    def check_certificate(self, name, *, version=1, kills=1, status="valid"):
        """What the API tells of it is what the CA has issued and the folder holds."""
        order = self.check_orders(name, finalized=version, kills=kills)
        shown = self.api.certificate(name)
        assert (shown["status"], shown["version"]) == (status, version), shown
        assert shown["active_job"] is None and shown["last_error"] is None
        leaf = pem.load(self.api.pem(name, "cert.pem"))
        key = pem.load_key(self.api.pem(name, "privkey.pem"))
        assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())
        assert leaf == order["leaf"] and int(shown["serial"].replace(":", ""), 16) == (
            leaf.serial_number)
        [target] = shown["targets"]
        assert (target["state"], target["version"], target["error"]) == ("deployed", version, None)
        self.check_folder(name)
        return leaf

    def check_folder(self, name):
        """The files are the API's; beside them are two generations at most, and no attempts."""
        folder = self.root / name
        for file in ("fullchain.pem", "privkey.pem"):
            assert (folder / file).read_text() == self.api.pem(name, file)
        hidden = {path.name for path in folder.iterdir() if path.name.startswith("..")}
        assert "..data" in hidden and len(hidden) <= 3
        assert not hidden & {"..data_tmp", "..link_tmp"}
        reloads = (self.root.parent / "reloads").read_text().splitlines()
        assert f"{name} {self.api.certificate(name)['version']}" in reloads
