"""A CA that means harm, a service that has to bear it, and what it may cost."""

import itertools
from contextlib import contextmanager
from pathlib import Path

import pytest

from fake_ca import FakeCa
from service import SANITIZED, Service

MEMORY = (512 if SANITIZED else 32) * 1024 * 1024


class HostileCa(FakeCa):
    """
    wire[path prefix] = function(handler): answers such requests with bytes of its own on
    handler.wfile, then the connection ends; that the client hangs up is to be expected.
    """

    def __init__(self, folder):
        super().__init__(folder)
        self.own_base = self.base
        self.wire = {}
        self.server.RequestHandlerClass = self._hostile(self.server.RequestHandlerClass)

    def calm_down(self):
        """Forgets what a test has set, and what it has seen."""
        with self.lock:
            self.base = self.own_base
            for hooks in (self.wire, self.bend, self.answer, self.held, self.endpoint,
                          self.requests, self.complaints):
                hooks.clear()
            self.lines.lines.clear()
            self.settings()

    def _hostile(self, handler):
        fake = self

        class Handler(handler):
            def answer(self):
                path = self.path.split("?")[0]
                for prefix, say in list(fake.wire.items()):
                    if path.startswith(prefix):
                        return self.harm(path, say)
                return super().answer()

            def harm(self, path, say):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with fake.lock:
                    fake.requests.append((self.command, path, None))
                self.close_connection = True
                try:
                    say(self)
                    self.wfile.flush()
                except OSError:
                    pass

            do_GET = do_POST = do_HEAD = answer

        return Handler


class World:
    """One service with an honest CA and a hostile one, each time under another name."""

    def __init__(self, service, honest, ca):
        self.service, self.honest, self.ca = service, honest, ca
        self.api = service.api
        self.numbers = itertools.count()
        self.account = None

    def put_authority(self, **more):
        """The hostile CA under a new name: no lane is parked, nothing is cached."""
        self.account = f"account-{next(self.numbers)}"
        self.api.ok("PUT", f"/authorities/{self.account}", {**self.ca.authority(), **more})
        return self.account

    def post_account(self, **more):
        """An account at a new authority; returns the job."""
        name = self.put_authority(**more)
        spec = {"authority": name, "contacts": [], "terms_of_service_agreed": True,
                "retry_for_seconds": 0}
        return self.api.ok("PUT", f"/accounts/{name}", spec, status=(202,))

    def register(self):
        self.api.succeeded(self.post_account())
        return self

    def fresh_name(self):
        return f"n{next(self.numbers)}.example.com"

    def post(self, *names, **spec):
        """A certificate from the hostile CA; returns the job."""
        if self.account is None or self.account not in self.registered():
            self.register()
        spec = {"account": self.account, "retry_for_seconds": 0, **spec}
        return self.api.post_certificate(*(names or [self.fresh_name()]), **spec)

    def registered(self):
        return [item["name"] for item in self.api.ok("GET", "/accounts?page_size=1000")["items"]]

    def fails(self, code, *words, job=None, step=None):
        """The job (of a new certificate) fails with that code, and words in its sentence."""
        job = self.api.failed(job or self.post())
        assert job["error"]["code"] == code, job["error"]
        for word in words:
            assert word in job["error"]["detail"], job["error"]
        assert step is None or job["step"] == step
        return job

    # what it cost

    def _peak(self):
        """Resident memory: (now, the most it has been), in bytes."""
        lines = Path(f"/proc/{self.service.process.popen.pid}/status").read_text().splitlines()
        sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return int(sizes["VmRSS"]) * 1024, int(sizes["VmHWM"]) * 1024

    @contextmanager
    def bounded(self, requests):
        """What happens inside costs little memory and so many requests, and others go on."""
        Path(f"/proc/{self.service.process.popen.pid}/clear_refs").write_text("5")
        before, _ = self._peak()
        yield
        _, peak = self._peak()
        asked = len(self.ca.requests)
        assert peak - before < MEMORY, f"{(peak - before) // 1024} KiB more"
        assert asked <= requests, f"{asked} requests"
        name = self.fresh_name()
        self.api.succeeded(self.api.post_certificate(name, account="honest"))
        assert self.api.certificate(name)["status"] == "valid"
        assert self.service.ops("/readyz")[0] == 200


@pytest.fixture(scope="module")
def world(tmp_path_factory, contract, http01_port):
    folder = tmp_path_factory.mktemp("hostile")
    honest, ca = FakeCa(folder / "honest").start(), HostileCa(folder / "ca").start()
    service = Service(folder / "certwright", contract,
                      {"http01_listen": f"127.0.0.1:{http01_port}",
                       "resources": {"authorities": {"honest": honest.authority()}}})
    try:
        service.start()
        service.api.put_account("honest", authority="honest")
        yield World(service, honest, ca)
        service.stop()
    finally:
        service.kill()
        honest.stop()
        ca.stop()


# A whole issue of one name asks less than this: directory, nonces, account, order,
# authorization, challenge, polls, finalize, certificate.
USUAL = 20


@pytest.fixture
def hostile(world):
    """The world with a calm CA; all that the test does has to stay within bounds."""
    world.ca.calm_down()
    world.account = None
    with world.bounded(USUAL):
        yield world
    world.ca.calm_down()
