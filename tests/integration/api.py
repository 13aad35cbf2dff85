"""A client of the REST API that holds every answer against the contract."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

ENDED = ("succeeded", "failed", "cancelled")


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:2000]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Api:
    def __init__(self, contract, port=None, token=None, unix=None):
        self.contract = contract
        self.port = port
        self.token = token
        self.unix = unix
        self.checked = 0
        self.tagged = {}  # (path, ETag): the body that it stood for

    def _connection(self, timeout):
        if self.unix:
            return UnixConnection(self.unix, timeout)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, *, raw=None, token=True, timeout=45):
        """One request. body is sent as JSON; raw as it is; token False leaves it out."""
        sent = dict(headers or {})
        bearer = self.token if token is True else token
        if bearer:
            sent.setdefault("Authorization", f"Bearer {bearer}")
        if body is not None:
            raw = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        with closing(self._connection(timeout)) as connection:
            try:
                connection.request(method, path, raw, sent)
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise  # there was no connection
                # else the answer came before all of the body was sent
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.headers, reply.read())
        self.contract.check(method, urlsplit(path).path, answer.status, answer.headers,
                            answer.body)
        self._check_tag(method, path, answer)
        self.checked += 1
        return answer

    def _check_tag(self, method, path, answer):
        """Whatever changes of an answer changes its ETag."""
        tag = answer.headers["ETag"]
        if method == "GET" and answer.status == 200 and tag:
            former = self.tagged.setdefault((path, tag), answer.body)
            assert former == answer.body, f"{path} has changed, its ETag {tag} has not"

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def put(self, path, body, **more):
        return self.call("PUT", path, body, **more)

    def patch(self, path, body, **more):
        return self.call("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    def ok(self, method, path, body=None, status=(200, 201, 202, 204), **more):
        """A call that must succeed; returns its JSON."""
        answer = self.call(method, path, body, **more)
        assert answer.status in status, answer
        return answer.json() if answer.body else None

    def job(self, id_or_job):
        name = id_or_job if isinstance(id_or_job, str) else id_or_job["id"]
        return self.ok("GET", f"/jobs/{name}")

    def until_job(self, job, condition, seconds=60):
        """Polls until condition(job), which an ended job must fulfil too."""
        deadline = time.monotonic() + seconds
        while True:
            job = self.job(job)
            if condition(job):
                return job
            told = json.dumps(job, indent=2)
            assert job["state"] not in ENDED, f"ended in another way than expected: {told}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {told}"
            time.sleep(0.05)

    def ended(self, job, seconds=60):
        return self.until_job(job, lambda j: j["state"] in ENDED, seconds)

    def succeeded(self, job, seconds=60):
        job = self.ended(job, seconds)
        assert job["state"] == "succeeded", json.dumps(job, indent=2)
        return job

    def failed(self, job, seconds=60):
        job = self.ended(job, seconds)
        assert job["state"] == "failed", json.dumps(job, indent=2)
        return job

    # the common ways

    def put_account(self, name="main", **body):
        spec = {"authority": "pebble", "contacts": ["mailto:admin@example.com"],
                "terms_of_service_agreed": True, **body}
        return self.succeeded(self.ok("PUT", f"/accounts/{name}", spec, status=(202,)))

    def post_certificate(self, *identifiers, **body):
        """Posts and returns the job, which runs."""
        spec = {"identifiers": list(identifiers), "account": "main", **body}
        return self.ok("POST", "/certificates", spec, status=(202,))

    def certificate(self, name):
        return self.ok("GET", f"/certificates/{name}")

    def pem(self, name, file):
        answer = self.get(f"/certificates/{name}/{file}")
        assert answer.status == 200, answer
        return answer.text


def at_once(calls):
    """What they return, made at the same time by a client each."""
    start = threading.Barrier(len(calls))

    def one(call):
        start.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as clients:
        return list(clients.map(one, calls))
