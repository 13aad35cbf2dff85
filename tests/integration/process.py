"""Programs under test: started with their output in a file, ended by their own pid."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path


FIRST_PORT, PORTS, A_BLOCK = 12000, 20000, 100
_claims = []


def _claimed(block):
    """Whether its ports are ours, and nobody's who runs these tests at the same time."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0certwright-tests-ports-{block}")  # ends with the process
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _ports():
    """
    Ports in random order, each of them once: one that was given away may be free for a moment, yet
    is somebody's. They lie below those that Linux gives to outgoing connections, any of which could
    take a port between our look at it and the server's start.
    """
    dice = random.SystemRandom()
    for block in dice.sample(range(FIRST_PORT, FIRST_PORT + PORTS, A_BLOCK), PORTS // A_BLOCK):
        if _claimed(block):
            yield from dice.sample(range(block, block + A_BLOCK), A_BLOCK)


_left = _ports()


def _is_free(port, datagrams_too):
    try:
        with socket.create_server(("127.0.0.1", port)):
            if not datagrams_too:
                return True
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.bind(("127.0.0.1", port))
                return True
    except OSError:
        return False


def free_port(datagrams_too=False):
    """A TCP port on loopback that nobody listens on."""
    for port in _left:
        if _is_free(port, datagrams_too):
            return port
    raise RuntimeError("no port is free")


def free_dns_port():
    """A port that is free for both UDP and TCP."""
    return free_port(datagrams_too=True)


def until(condition, seconds, what):
    """Polls condition until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """Run in the child: nothing is left running should the tests themselves be killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    def __init__(self, argv, log, env=None):
        self.argv = [str(word) for word in argv]
        self.log_path = Path(log)
        self.env = {**os.environ, **(env or {})}
        self.popen = None

    def start(self):
        assert not self.running, f"{self.argv[0]} runs already"
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=die_with_parent)

    @property
    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, seconds=10):
        """SIGTERM; returns the exit code. A process that outstays `seconds` fails the test."""
        if self.popen is None:
            return None
        self.popen.terminate()
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} had not ended {seconds} s after SIGTERM") from None
        self.popen = None
        return code

    def kill(self):
        if self.popen is not None:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()
            self.popen = None

    def wait(self, seconds=10):
        """Waits for an end that comes by itself; returns the exit code."""
        code = self.popen.wait(seconds)
        self.popen = None
        return code
