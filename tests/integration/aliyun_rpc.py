"""
What the stand-ins for Alibaba Cloud's RPC-style services share: signature v3 recomputed from the
documented rules, parameters checked against the documentation, faults on demand.
"""

import calendar
import hashlib
import hmac
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "ACS3-HMAC-SHA256"
CLOCK_TOLERANCE_SECONDS = 15 * 60


class Refusal(Exception):
    """An answer that is no success. DROP as status hangs up without any."""

    DROP = 0

    def __init__(self, status, code="", message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


THROTTLED = Refusal(400, "Throttling.User", "Request was denied due to user flow control.")
BROKEN = Refusal(500, "InternalError", "The request processing has failed due to unknown error.")
LOST = Refusal(503, "ServiceUnavailable", "The request has failed.")


def signature(secret, method, query, headers, signed_headers, body):
    """Signature v3 of a request, from its parts alone."""
    canonical_query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
                               for name, value in sorted(query))
    canonical_headers = "".join(f"{name}:{headers[name].strip()}\n" for name in signed_headers)
    canonical = "\n".join([method, "/", canonical_query, canonical_headers,
                           ";".join(signed_headers), hashlib.sha256(body).hexdigest()])
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def is_valid(kind, value):
    """Whether the text of a parameter is of that kind: str, int or bool."""
    if kind is int:
        return value.isascii() and value.isdigit()
    if kind is bool:
        return value in ("true", "false")
    return bool(value)


def checked(action, table, query, body):
    """
    The parameters of a call, if they are what the documentation allows. table has for each action
    which are required, and the type of each. The real services pass over unknown ones; here they
    are faults.
    """
    form = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))
    pairs = query + form
    given = dict(pairs)
    required, types = table[action]
    if len(given) != len(pairs):
        raise Refusal(400, "InvalidParameter", "A parameter was given twice.")
    for name in sorted(required - given.keys()):
        raise Refusal(400, "Missing" + name, f"{name} is mandatory for this action.")
    for name, value in given.items():
        if name not in types:
            raise Refusal(400, "InvalidParameter", f"{action} has no parameter {name}.")
        if not is_valid(types[name], value):
            raise Refusal(400, "InvalidParameter", f"The value of {name} is not valid.")
    return given


class Rpc:
    """
    A server on loopback. refuse_next holds Refusals to come; an action in lose_next is carried out
    once, but its answer is lost in a 503; one in drop_next is carried out too, and then the
    connection ends without an answer. A subclass has perform(version, action, query, body).
    """

    def __init__(self, host_id, key_id, secret, security_token):
        self.host_id = host_id
        self.key_id, self.secret, self.security_token = key_id, secret, security_token
        self.refuse_next = []
        self.lose_next = set()
        self.drop_next = set()
        self._nonces = set()
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def perform(self, version, action, query, body):
        """The result of a call that is signed as it should be."""
        raise NotImplementedError

    def _authenticate(self, method, path, query, headers, body):
        algorithm, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(item.split("=", 1) for item in rest.split(",") if "=" in item)
        signed = parts.get("SignedHeaders", "").split(";")
        if algorithm != ALGORITHM or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            raise Refusal(400, "IncompleteSignature", "The Authorization header is not readable.")
        if parts["Credential"] != self.key_id:
            raise Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        needed = {"host"} | {name for name in headers if name.startswith("x-acs-")}
        needed |= {"content-type"} & headers.keys()
        if signed != sorted(needed):
            raise Refusal(400, "IncompleteSignature", f"{signed} are signed, not {needed}.")
        for name in ("action", "version", "date", "signature-nonce", "content-sha256"):
            if not headers.get("x-acs-" + name):
                raise Refusal(400, "MissingParameter", f"The header x-acs-{name} is mandatory.")
        if path != "/":
            raise Refusal(404, "InvalidAction.NotFound", "All calls go to the path /.")
        if headers.get("x-acs-security-token") != self.security_token:
            raise Refusal(400, "InvalidSecurityToken.Malformed", "The token is not valid.")
        if headers["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
            raise Refusal(400, "InvalidContentHash", "The hash is not that of the body.")
        expected = signature(self.secret, method, query, headers, signed, body)
        if not hmac.compare_digest(expected, parts["Signature"]):
            raise Refusal(400, "SignatureDoesNotMatch",
                          "Specified signature is not matched with our calculation.")
        self._check_freshness(headers["x-acs-date"], headers["x-acs-signature-nonce"])

    def _check_freshness(self, date, nonce):
        try:
            stamp = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            raise Refusal(400, "InvalidTimeStamp.Format", "Specified time is not ISO 8601."
                          ) from None
        if abs(stamp - time.time()) > CLOCK_TOLERANCE_SECONDS:
            raise Refusal(400, "InvalidTimeStamp.Expired", "Specified time stamp is expired.")
        if nonce in self._nonces:
            raise Refusal(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces.add(nonce)

    def _call(self, method, target, headers, body):
        parts = urlsplit(target)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        self._authenticate(method, parts.path, query, headers, body)
        action = headers["x-acs-action"]
        result = self.perform(headers["x-acs-version"], action, query, body)
        if action in self.lose_next:
            self.lose_next.remove(action)
            raise LOST
        if action in self.drop_next:
            self.drop_next.remove(action)
            raise Refusal(Refusal.DROP)
        return result

    def answer(self, method, target, headers, body):
        """(status, JSON) of one call."""
        request_id = str(uuid.uuid4()).upper()
        with self._lock:
            try:
                return 200, {"RequestId": request_id,
                             **self._call(method, target, headers, body)}
            except Refusal as e:
                return e.status, {"RequestId": request_id, "HostId": self.host_id,
                                  "Code": e.code, "Message": e.message,
                                  "Recommend": "https://api.aliyun.com/troubleshoot?q=" + e.code}

    def _handler(self):
        service = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer = service.answer(self.command, self.path, headers, body)
                if status == Refusal.DROP:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json;charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        return Handler
