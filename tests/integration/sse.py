"""A client of Server-Sent Events (WHATWG HTML section 9.2) that holds each event against the contract."""

import json
import socket

EVENT = {"$ref": "#/components/schemas/Event"}
GAP = {"$ref": "#/components/schemas/EventGap"}


class Stream:
    """GET of an event stream on a connection of its own; version "1.0" is answered without chunks."""

    def __init__(self, api, path, last=None, *, method="GET", version="1.1", receive_buffer=None):
        self.contract = api.contract
        self.last = last  # the id of the last event, as a browser keeps it
        self.retry = None
        self.comments = []
        self.rest = b""
        self.raw = b""
        self.ended = False
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", api.port))
        lines = [f"{method} {path} HTTP/{version}", f"Host: 127.0.0.1:{api.port}",
                 f"Authorization: Bearer {api.token}", "Accept: text/event-stream"]
        if last is not None:
            lines.append(f"Last-Event-ID: {last}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def open(self):
        """Reads the answer's header."""
        while b"\r\n\r\n" not in self.raw:
            piece = self.socket.recv(65536)
            assert piece, f"it ended within the header: {self.raw!r}"
            self.raw += piece
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in
                        (line.partition(": ") for line in lines)}
        self.chunked = self.headers.get("transfer-encoding") == "chunked"
        self._unchunk()
        return self

    def _unchunk(self):
        while self.chunked and b"\r\n" in self.raw:
            size, _, more = self.raw.partition(b"\r\n")
            length = int(size, 16)
            if len(more) < length + 2:
                return
            self.rest += more[:length]
            self.raw = more[length + 2:]
            self.ended = self.ended or length == 0
        if not self.chunked:
            self.rest, self.raw = self.rest + self.raw, b""

    def receive(self):
        """One more piece; False once the stream has ended."""
        if self.ended:
            return False
        piece = self.socket.recv(65536)
        self.raw += piece
        self._unchunk()
        if not piece:
            assert not self.chunked or self.ended, "the connection ended without the last chunk"
            self.ended = True
        return not self.ended or bool(self.rest)

    def _block(self, text):
        fields = {}
        for line in text.split("\n"):
            name, _, value = line.partition(": ")
            if line.startswith(": "):
                self.comments.append(line[2:])
            elif name == "retry":
                self.retry = int(value)
            elif line:
                assert name in ("id", "event", "data") and name not in fields, line
                fields[name] = value
        if "id" in fields:
            self.last = int(fields["id"])
        if not fields:
            return None
        data = json.loads(fields["data"])
        assert fields["event"] == data["type"]
        self.contract._check_body(GAP if data["type"] == "gap" else EVENT, data, "stream")
        assert data["type"] == "gap" or data["seq"] == int(fields["id"])
        return data

    def ready(self):
        """The events that are there already; last is that of the one that was taken."""
        while b"\n\n" in self.rest:
            block, _, self.rest = self.rest.partition(b"\n\n")
            event = self._block(block.decode())
            if event:
                yield event

    def __iter__(self):
        """The events, until the stream ends."""
        while True:
            yield from self.ready()
            if not self.receive():
                yield from self.ready()
                return

    def until(self, condition):
        """Events up to the first that fulfils it, which must come."""
        events = []
        for event in self:
            events.append(event)
            if condition(event):
                return events
        raise AssertionError(f"it ended without it: {events}")

    def await_comment(self, text):
        while text not in self.comments:
            assert self.receive(), f"no comment {text!r} came"
            assert not list(self.ready())

    def close(self):
        self.socket.close()
