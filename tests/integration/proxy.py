"""
HAProxy in front of Pebble, which builds its URLs from the Host it is called by. It speaks TLS and
HTTP/1.1 or 2 to certwright, and tells of every request on which connection it came.
"""

import json
import socket
from urllib.parse import urlsplit

from process import Process, free_port, until

HAPROXY = "/usr/sbin/haproxy"
CONFIG = """
global
    log stdout len 4096 format raw daemon
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive {keep_alive_ms}ms
frontend ca
    bind 127.0.0.1:{port} ssl crt {certificate} alpn {alpn}
    log global
    capture request header User-Agent len 256
    capture request header Accept-Language len 64
    capture request header Content-Type len 64
    capture response header Retry-After len 64
    log-format '{fields}'
    default_backend pebble
backend pebble
    server pebble 127.0.0.1:{pebble} ssl verify required ca-file {ca}
"""
# Of one request; "at" is the end of its answer in ms. A connection is its client's port.
FIELDS = {
    "at": "%[date(0,ms)]", "connection": "%cp", "method": '"%HM"', "path": '"%HP"',
    "version": '"%HV"', "status": "%ST", "tls": '"%sslv"', "resumed": "%[ssl_fc_is_resumed]",
    "agent": '"%[capture.req.hdr(0),json(utf8s)]"',
    "language": '"%[capture.req.hdr(1),json(utf8s)]"',
    "content_type": '"%[capture.req.hdr(2),json(utf8s)]"',
    "retry_after": '"%[capture.res.hdr(0),json(utf8s)]"',
}


class Proxy:
    """keep_alive_ms: how long an idle connection is kept."""

    def __init__(self, folder, pebble, *, http2, keep_alive_ms=60000):
        folder.mkdir(parents=True, exist_ok=True)
        self.pebble = pebble
        self.port = free_port()
        certificate = folder / "both.pem"
        certificate.write_text((pebble.folder / "server.pem").read_text()
                               + (pebble.folder / "server.key").read_text())
        fields = ",".join(f'"{name}":{value}' for name, value in FIELDS.items())
        config = folder / "haproxy.cfg"
        config.write_text(CONFIG.format(
            port=self.port, pebble=pebble.port, certificate=certificate, ca=pebble.ca,
            keep_alive_ms=keep_alive_ms,
            alpn="h2,http/1.1" if http2 else "http/1.1", fields="{" + fields + "}"))
        self.process = Process([HAPROXY, "-db", "-f", config], folder / "haproxy.log")

    def start(self):
        self.process.start()
        until(self._listens, 10, "HAProxy listens")
        return self

    def _listens(self):
        assert self.process.running, self.process.log()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def authority(self, **more):
        return self.pebble.authority(directory_url=f"https://127.0.0.1:{self.port}/dir", **more)

    def requests(self):
        """Each request so far, in the order in which they were answered."""
        lines = self.process.log().splitlines(keepends=True)
        told = [json.loads(line) for line in lines if line[0] == "{" and line[-1] == "\n"]
        # What had no request in it is no request: our look at the port, a connection that closes.
        return [{**one, "path": urlsplit(one["path"]).path} for one in told
                if one["method"] != "<BADREQ>"]
