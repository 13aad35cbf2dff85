"""A receiver of webhooks, which checks their signature as the Standard Webhooks specification says."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hook:
    """
    Takes requests while `answers` holds a status for each, then answers 204. `seen` lists
    (webhook-id, body as text, whether the signature is right), `requests` (headers, body as bytes),
    `paths` what was asked for.
    """

    def __init__(self):
        self.key = b"a key of the tests, of 32 bytes."
        self.answers = []
        self.seen = []
        self.requests = []
        self.paths = []
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def secret(self):
        return "whsec_" + base64.b64encode(self.key).decode()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/deployed?from=certwright"

    def hold(self):
        """Answers nothing until release."""
        self._open.clear()

    def release(self):
        self._open.set()

    def stop(self):
        self._open.set()
        self._server.shutdown()
        self._server.server_close()

    def events(self):
        """The bodies, each of which was signed well."""
        with self._lock:
            assert all(good for _, _, good in self.seen), self.seen
            return [json.loads(body) for _, body, _ in self.seen]

    def _is_signed(self, headers, body):
        sent_at = headers["webhook-timestamp"]
        content = b".".join([headers["webhook-id"].encode(), sent_at.encode(), body])
        mac = hmac.new(self.key, content, hashlib.sha256).digest()
        return (abs(int(sent_at) - time.time()) < 300 and
                headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode())

    def _handler(self):
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = "webhook-signature" in self.headers and hook._is_signed(self.headers, body)
                with hook._lock:
                    hook.requests.append((dict(self.headers), body))
                    hook.seen.append((self.headers["webhook-id"], body.decode(), good))
                    hook.paths.append(self.path)
                    status = hook.answers.pop(0) if hook.answers else 204
                hook._open.wait(20)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler
