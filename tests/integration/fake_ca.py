"""
A CA that a test bends: it follows RFC 8555 as far as a client can see, checks no signature and no
name, and lets the test change every object before it is sent.
"""

import base64
import datetime
import itertools
import json
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pebble import make_server_certificate


def unpack(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class FakeCa:
    """
    bend[what] = function(object, ca) changes what is sent: "directory", "account", "order",
    "authorization", "certificate" (its PEM text). answer[path prefix] = (status, headers, bytes)
    is sent instead. held[path prefix] = threading.Event keeps such requests until it is set.
    """

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, certificate, key = make_server_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.base = f"https://127.0.0.1:{self.port}"
        self.bend, self.answer, self.held = {}, {}, {}
        self.requests = []  # (method, path, payload)
        self.orders = {}
        self.lock = threading.RLock()
        self.count = itertools.count(1)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fake issuer")])

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def authority(self, **more):
        return {"directory_url": f"{self.base}/dir", "trust_bundle": self.ca.read_text(),
                "test": True, **more}

    def posts(self, prefix):
        """The payloads that came to paths of that prefix, in order."""
        with self.lock:
            return [payload for method, path, payload in self.requests
                    if method == "POST" and path.startswith(prefix)]

    def hold(self, prefix):
        """From now on such requests wait for release(prefix)."""
        self.held[prefix] = threading.Event()

    def release(self, prefix):
        self.held.pop(prefix).set()

    # what is sent

    def directory(self):
        return {name: f"{self.base}{path}" for name, path in (
            ("newNonce", "/nonce"), ("newAccount", "/new-account"), ("newOrder", "/new-order"),
            ("revokeCert", "/revoke"), ("keyChange", "/key-change"))}

    def order(self, n):
        order = self.orders[n]
        out = {"status": order["status"], "identifiers": order["identifiers"],
               "authorizations": [f"{self.base}/authz/{n}/{i}"
                                  for i in range(len(order["identifiers"]))],
               "finalize": f"{self.base}/finalize/{n}"}
        if order["status"] == "valid":
            out["certificate"] = f"{self.base}/cert/{n}"
        return out

    def authorization(self, n, i):
        identifier = dict(self.orders[n]["identifiers"][i])
        wildcard = identifier["value"].startswith("*.")
        identifier["value"] = identifier["value"].removeprefix("*.")
        status = "valid" if i in self.orders[n]["answered"] else "pending"
        types = ["dns-01"] if wildcard else ["http-01", "dns-01"]
        return {"identifier": identifier, "status": status,
                **({"wildcard": True} if wildcard else {}),
                "challenges": [{"type": t, "url": f"{self.base}/chall/{n}/{i}", "status": status,
                                "token": f"token-{n}-{i}"} for t in types]}

    def certificate(self, n):
        csr = x509.load_der_x509_csr(self.orders[n]["csr"])
        return self.issue(csr.public_key(),
                          [i["value"] for i in self.orders[n]["identifiers"]])

    def issue(self, public_key, names):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().issuer_name(self.name)
                   .subject_name(x509.Name([])).public_key(public_key)
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(minutes=5))
                   .not_valid_after(now + datetime.timedelta(days=5))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]),
                                  critical=True))
        leaf = builder.sign(self.key, hashes.SHA256())
        return leaf.public_bytes(serialization.Encoding.PEM).decode()

    # the protocol

    def bent(self, what, value):
        change = self.bend.get(what)
        result = change(value, self) if change else None
        return value if result is None else result

    def handle(self, method, path, payload):
        """(status, headers, body)"""
        for prefix, answer in self.answer.items():
            if path.startswith(prefix):
                return answer(payload) if callable(answer) else answer
        _, what, *rest = path.split("/")
        n, i = (int(part) for part in (rest + ["0", "0"])[:2])
        if what == "dir":
            return 200, {}, self.bent("directory", self.directory())
        if what == "nonce":
            return 200, {}, b""
        if what in ("new-account", "account"):
            account = {"status": "valid", "contact": []}
            return (201, {"Location": f"{self.base}/account/1"}, self.bent("account", account))
        if what == "new-order":
            n = next(self.count)
            self.orders[n] = {"identifiers": payload["identifiers"], "status": "pending",
                              "answered": set()}
            return 201, {"Location": f"{self.base}/order/{n}"}, self.bent("order", self.order(n))
        if what == "chall":
            self.orders[n]["answered"].add(i)
            if len(self.orders[n]["answered"]) == len(self.orders[n]["identifiers"]):
                self.orders[n]["status"] = "ready"
            return 200, {}, {"type": "http-01", "url": f"{self.base}{path}", "status": "pending"}
        if what == "authz":
            return 200, {}, self.bent("authorization", self.authorization(n, i))
        if what == "finalize":
            self.orders[n].update(status="valid", csr=unpack(payload["csr"]))
        if what in ("finalize", "order"):
            return 200, {}, self.bent("order", self.order(n))
        if what == "cert":
            pem = self.bent("certificate", self.certificate(n))
            return 200, {"Content-Type": "application/pem-certificate-chain"}, pem.encode()
        return 200, {}, b""

    def _handler(fake):  # noqa: N805: self is the request's handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                path = urllib.parse.urlsplit(self.path).path
                payload = json.loads(unpack(json.loads(body)["payload"]) or b"{}") if body else None
                with fake.lock:
                    fake.requests.append((self.command, path, payload))
                    held = [event for prefix, event in fake.held.items() if path.startswith(prefix)]
                for event in held:
                    event.wait(30)
                with fake.lock:
                    status, headers, out = fake.handle(self.command, path, payload)
                    nonce = f"nonce-{len(fake.requests)}"
                data = out if isinstance(out, bytes) else json.dumps(out).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Replay-Nonce": nonce,
                                    **headers}.items():
                    if value is not None:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_POST = do_HEAD = answer

        return Handler
