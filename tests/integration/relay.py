"""A TCP relay in front of a server: counts connections, and can be gone for a while."""

import select
import socket
import threading

from process import free_port


class Relay:
    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self.accepted = 0
        self._listener = None
        self._open = set()
        self._lock = threading.Lock()

    def start(self):
        """Listens (again) on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def stop(self):
        """New connections are refused and those that stand are cut."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for end in self._open:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the other side has closed it meanwhile

    def _serve(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near):
        with near, socket.create_connection(("127.0.0.1", self.target_port)) as far:
            for end in (near, far):  # what comes in two pieces goes on at once
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {near, far}
            try:
                self._shovel(near, far)
            except OSError:
                pass  # cut from either side: the end of this connection
            finally:
                with self._lock:
                    self._open -= {near, far}

    @staticmethod
    def _shovel(near, far):
        other = {near: far, far: near}
        while True:
            for end in select.select([near, far], [], [])[0]:
                data = end.recv(65536)
                if not data:
                    return
                other[end].sendall(data)
