"""A stand-in for a DNS provider with lego's httpreq protocol, in front of challtestsrv."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class DnsProvider:
    """
    Keeps a set of values a name, so that removing one leaves the others, as real providers do.
    calls lists (path, fqdn, value, Authorization or None). sabotage, a function (path, fqdn, value)
    that returns (status, value to set), may change what happens; retry_after, in seconds, is sent.
    """

    def __init__(self, challtestsrv):
        self.challtestsrv = challtestsrv
        self.values = {}
        self.calls = []
        self.sabotage = None
        self.retry_after = None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def change(self, path, fqdn, value):
        """present or cleanup of one value."""
        name = fqdn.rstrip(".").lower() + "."
        values = self.values.setdefault(name, set())
        if path == "present":
            values.add(value)
        else:
            values.discard(value)
        self.challtestsrv.clear_txt(name)
        for present in values:
            self.challtestsrv.set_txt(name, present)

    def left(self):
        """{name: values} of what was not cleaned up."""
        with self._lock:
            return {name: set(values) for name, values in self.values.items() if values}

    def _handler(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.removeprefix("/hook/")
                fqdn, value = body["fqdn"], body["value"]
                with provider._lock:
                    provider.calls.append((path, fqdn, value, self.headers["Authorization"]))
                    status = 200 if path in ("present", "cleanup") else 404
                    if provider.sabotage is not None:
                        status, value = provider.sabotage(path, fqdn, value)
                    if status == 200:
                        provider.change(path, fqdn, value)
                self.send_response(status)
                if provider.retry_after is not None:
                    self.send_header("Retry-After", str(provider.retry_after))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler
