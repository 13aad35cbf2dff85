"""
A CA that a test bends: as strict as a real one with every request, and ready to say whatever the
test wants said. fake_ca_jws.py is its strictness, fake_ca_objects.py the protocol's objects,
fake_ca_script.py the words for what is to be said.
"""

import secrets
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fake_ca_jws import Jws, Refused, refuse
from fake_ca_objects import Objects
from fake_ca_script import Answer, Script, Usual, raw
from pebble import make_server_certificate

WITH_JWK = ("/new-account",)
EITHER = ("/revoke",)


class FakeCa:
    """
    script(path prefix, what, …): what is said to the next requests to such paths, one each.
    bend[what] = function(object, ca) changes what is sent: "directory", "account", "order",
    "authorization", "certificate" (its PEM text). answer[path prefix] = (status, headers, bytes)
    is sent instead, always. held[path prefix] = threading.Event keeps such requests until it is
    set. endpoint[first path segment] = function(ca, request) -> (status, headers, body) or Answer
    adds what the CA has not; bend the directory to name it.

    A request that no real CA would take is refused, and stop() fails the test for it.
    """

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, certificate, key = make_server_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = Server(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.base = f"https://127.0.0.1:{self.port}"
        self.bend, self.answer, self.held, self.endpoint = {}, {}, {}, {}
        self.requests = []    # (method, path, payload)
        self.complaints = []  # what was wrong with requests
        self.nonces = set()
        self.lock = threading.RLock()
        self.objects = Objects(self)
        self.lines = Script()
        self.settings()

    def settings(self):
        """What a test may change."""
        self.meta = None                 # more members of the directory's meta
        self.terms = None                # its termsOfService: a new account must agree
        self.profiles = {}               # name: description
        self.eab_keys = {}               # kid: MAC key bytes; with any, a binding is required
        self.algorithms = ("RS256", "ES256", "ES384")
        self.challenge_types = ["http-01", "dns-01"]
        self.issuer_names = ["ca.invalid"]  # of dns-persist-01
        self.retry_after = {}            # "order", "authorization": seconds or timedelta or date
        self.processing_polls = 0        # of an order, after finalize
        self.pending_polls = 0           # of an authorization, after its challenge was answered
        self.fail = {}                   # name: [documents], the errors of its next validations
        self.prove = None                # function(identifier's value, type of challenge, token, key
                                         # authorization) -> whether a validation goes well
        self.alternates = 0              # chains beside the default one; see Issuer.above
        self.days = 5                    # how long certificates live
        self.clock_offset = 0            # of the Date of every answer, in seconds

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        assert not self.complaints, self.complaints

    def authority(self, **more):
        return {"directory_url": f"{self.base}/dir", "trust_bundle": self.ca.read_text(),
                "test": True, **more}

    # what a test says and asks

    def script(self, prefix, *what):
        """What is said next, one each; returns the first, for its release()."""
        with self.lock:
            self.lines.add(prefix, *what)
        return what[0]

    def posts(self, prefix):
        """The payloads that came to paths of that prefix, in order."""
        with self.lock:
            return [payload for method, path, payload in self.requests
                    if method == "POST" and path.startswith(prefix)]

    def trail(self, start=0):
        """Every request but those for nonces, as "POST /new-order", from the start-th on."""
        with self.lock:
            return [f"{method} {path}" for method, path, _ in self.requests[start:]
                    if path != "/nonce"]

    def hold(self, prefix):
        """From now on such requests wait for release(prefix)."""
        self.held[prefix] = threading.Event()

    def release(self, prefix):
        self.held.pop(prefix).set()

    def forget_accounts(self):
        """As a CA does whose database was lost, or that cleans up."""
        with self.lock:
            self.objects.accounts.clear()

    def issue(self, public_key, names):
        return self.objects.issue(public_key, names)

    @property
    def orders(self):
        return self.objects.orders

    # what is sent

    def directory(self):
        out = {name: f"{self.base}{path}" for name, path in (
            ("newNonce", "/nonce"), ("newAccount", "/new-account"), ("newOrder", "/new-order"),
            ("revokeCert", "/revoke"), ("keyChange", "/key-change"))}
        meta = {"termsOfService": self.terms, "profiles": self.profiles or None,
                "externalAccountRequired": bool(self.eab_keys) or None, **(self.meta or {})}
        meta = {name: value for name, value in meta.items() if value is not None}
        return {**out, "meta": meta} if meta else out

    def bent(self, what, value):
        change = self.bend.get(what)
        result = change(value, self) if change else None
        return value if result is None else result

    def nonce(self):
        nonce = secrets.token_urlsafe(16)
        self.nonces.add(nonce)
        return nonce

    # the protocol

    def authenticate(self, request):
        """The account that signed it; None for one signed by a key. Refuses what is not so."""
        if not request.headers.get("User-Agent"):
            refuse("malformed", "there is no User-Agent")
        if request.method != "POST":
            return None
        if request.headers.get("Content-Type") != "application/jose+json":
            refuse("malformed", "the Content-Type is not application/jose+json", status=415)
        if (request.path.startswith("/cert/")
                and request.headers.get("Accept") != "application/pem-certificate-chain"):
            refuse("malformed", "that type of certificate is not to be had", status=406)
        jws = request.jws = Jws(request.body)
        key = "jwk" if jws.jwk else "kid"
        jws.expect_header(("alg", "nonce", "url", key))
        if (request.path in WITH_JWK) != (key == "jwk") and request.path not in EITHER:
            refuse("malformed", f"{request.path} is not signed with a {key}")
        jws.expect_url(f"{self.base}{request.path}")
        account = self.objects.account_by_url(jws.kid) if jws.kid else None
        jws.verify(jws.jwk or account["jwk"], self.algorithms)
        if jws.header["nonce"] not in self.nonces:
            refuse("badNonce", "that nonce was not given, or used before")
        self.nonces.remove(jws.header["nonce"])
        if account and account["status"] != "valid":
            refuse("unauthorized", f"the account is {account['status']}", status=401)
        return account

    def serve(self, request, account):
        """The CA's own answer: (status, headers, body) or an Answer."""
        _, what, *rest = request.path.split("/")
        if what in self.endpoint:
            return self.endpoint[what](self, request)
        if request.method in ("GET", "HEAD"):
            if what == "dir":
                return 200, {}, self.bent("directory", self.directory())
            return raw(200 if request.method == "HEAD" else 204) if what == "nonce" else raw(405)
        n, i = (int(part) for part in (rest + ["0", "0"])[:2])
        objects, jws = self.objects, request.jws
        calls = {
            "new-account": lambda: objects.new_account(jws),
            "account": lambda: objects.account(jws, account),
            "orders": lambda: objects.orders_of(account),
            "key-change": lambda: objects.key_change(jws, account),
            "new-order": lambda: objects.new_order(jws, account),
            "order": lambda: objects.order(n),
            "authz": lambda: objects.authorization(jws, n, i),
            "chall": lambda: objects.challenge(jws, n, i, rest[2]),
            "finalize": lambda: objects.finalize(jws, n),
            "cert": lambda: objects.certificate(n, i),
            "revoke": lambda: objects.revoke(jws, account),
        }
        return calls[what]() if what in calls else raw(404)

    def handle(self, request, said):
        """The Answer, which may be cut or (None) lost; said: what the script has for it."""
        try:
            account = self.authenticate(request)
        except Refused as e:
            self.complaints.append(f"{request.method} {request.path}: {e.args[0].body}")
            return e.args[0]
        for prefix, answer in self.answer.items():
            if request.path.startswith(prefix) and said is None:
                payload = request.jws.payload if request.jws else None
                return _answer(answer(payload) if callable(answer) else answer)
        if isinstance(said, Answer) and not said.does:
            return said
        try:
            own = _answer(self.serve(request, account))
        except Refused as e:
            own = e.args[0]
        if isinstance(said, Answer):
            return said
        if said is None:
            return own
        own.headers.update(said.headers)
        own.cut = said.cut
        return None if said.lost else own


def _answer(value):
    return value if isinstance(value, Answer) else Answer(*value)


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that was killed over its request is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.jws = None

    def payload(self):
        """For the record, before anything is checked: None where there is none to read."""
        try:
            return Jws(self.body).payload if self.body else None
        except (Refused, ValueError, KeyError):
            return None


def _handler(fake):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def log_message(self, *args):
            pass

        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) + fake.clock_offset)

        def answer(self):
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            if len(body) < size:
                self.close_connection = True  # the client died over it
                return
            request = Request(self.command, urllib.parse.urlsplit(self.path).path, self.headers,
                              body)
            with fake.lock:
                fake.requests.append((request.method, request.path, request.payload()))
                said = fake.lines.take(request.path)
                held = [event for prefix, event in fake.held.items()
                        if request.path.startswith(prefix)]
            if isinstance(said, Usual):
                held.append(said.gate)
            for event in held:
                event.wait(30)
            with fake.lock:
                answer = fake.handle(request, said)
                nonce = fake.nonce()
            if answer is None:
                self.drop()
            else:
                self.send(answer, nonce)

        def drop(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def send(self, answer, nonce):
            data = answer.data()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", "Replay-Nonce": nonce,
                                "Content-Length": str(len(data)), **answer.headers}.items():
                if value is not None:
                    self.send_header(name, value() if callable(value) else value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[:answer.cut])
            if answer.cut is not None:
                self.drop()

        do_GET = do_POST = do_HEAD = answer

    return Handler
