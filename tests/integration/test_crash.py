"""Killed at any moment, certwright goes on where it was, and does nothing twice."""

import http.client
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import pem
from fake_ca_script import held
from process import until
from relay import Relay
from seed import dice
from survival import NO_ANSWER, World


@pytest.fixture
def world(certwright, fake, provider, resolvers, tmp_path):
    return World(certwright, fake, provider, resolvers, tmp_path)


def sent(pebble, prefix):
    return [path for _, path in pebble.requests() if path.startswith(prefix)]


@pytest.mark.smoke
def test_killed_in_mid_order_and_resumed(certwright, pebble_with, names):
    """
    Pebble sleeps up to three seconds before each of its looks, so the kill comes while the order is
    on its way. If it looked while nobody was there, another order is placed; one is finalized.
    """
    pebble = pebble_with(env={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "3"})
    service = certwright(pebble)
    service.api.put_account()
    [name] = names()
    job = service.api.post_certificate(name)
    until(lambda: any(path.startswith("/chalZ") for _, path in pebble.requests()), 20,
          "the challenge is answered")
    service.kill()
    time.sleep(0.2)
    service.start()
    job = service.api.succeeded(job)
    assert len(sent(pebble, "/finalize-order/")) == 1
    assert len(sent(pebble, "/order-plz")) <= 2
    assert pem.names_of(pem.load(service.api.pem(name, "cert.pem"))) == [name]
    assert service.api.certificate(name)["version"] == 1


def test_an_accepted_request_survives_at_once(certwright, pebble, names):
    """Killed right after the 202, while the CA cannot even be reached."""
    relay = Relay(pebble.port)
    relay.start()
    authority = pebble.authority(directory_url=f"https://127.0.0.1:{relay.port}/dir")
    service = certwright(resources={"authorities": {"pebble": authority}})
    service.api.put_account()
    relay.stop()
    wanted = names(5)
    jobs = [service.api.post_certificate(name) for name in wanted]
    service.kill()
    relay.start()
    service.start()
    for job in jobs:
        service.api.ok("POST", f"/jobs/{job['id']}/retry", status=(202, 409))
        service.api.succeeded(job)
    for name in wanted:
        assert pem.names_of(pem.load(service.api.pem(name, "cert.pem"))) == [name]
    service.stop()
    relay.stop()


def test_key_and_secrets_survive_a_restart(certwright, pebble, names):
    service = certwright(pebble)
    service.api.put_account()
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    key, account = service.api.pem(name, "privkey.pem"), service.api.ok("GET", "/accounts/main")
    service.restart()
    assert service.api.pem(name, "privkey.pem") == key
    assert service.api.ok("GET", "/accounts/main")["url"] == account["url"]
    service.api.succeeded(service.api.ok("POST", f"/certificates/{name}/renew", {"force": True}))


class Storm:
    """So many certificates on their way at any time, in a process that is killed meanwhile."""

    def __init__(self, world, jobs):
        self.world, self.jobs = world, jobs
        self.active = {}  # name: (its job, None while nobody has answered; the kills before it)
        self.kills = self.done = self.left = 0

    def _ask(self, name, since):
        self.active[name] = self.world.post("/certificates", self.world.body(name), name), since
        return self.active[name][0]

    def fill(self):
        """Who had no answer asks again, then others ask; until the process dies, or all have."""
        for name, (job, since) in list(self.active.items()):
            if not job and not self._ask(name, since):
                return
        while len(self.active) < self.jobs and self._ask(self.world.new_name(), self.kills):
            continue

    def reap(self):
        """The certificates that nothing is done for any more are checked, and deleted."""
        busy = {resource for _, _, resource in self.world.unfinished()}
        for name, (job, since) in list(self.active.items()):
            if not job or name in busy:
                continue
            self.world.api.succeeded(job)
            self.world.check_certificate(name, kills=self.kills - since)
            self.left += len(self.world.orders(name)) - 1
            assert self.world.api.delete(f"/certificates/{name}").status == 204
            del self.active[name]
            self.done += 1

    def kill(self):
        self.world.service.kill()
        self.kills += 1
        self.world.check_intents()
        assert self.world.start()


@pytest.mark.parametrize("kills", [pytest.param(20, marks=pytest.mark.smoke),
                                   pytest.param(1000, marks=pytest.mark.long)])
def test_killed_at_random_moments(world, kills):
    """While 50 certificates are under way, all of which come; how soon is all that kills change."""
    draw = dice("random moments")
    storm = Storm(world, 50)
    while storm.kills < kills:
        storm.fill()
        time.sleep(draw.uniform(0, 0.4))
        storm.kill()
        storm.reap()
    storm.fill()
    world.settle(120)
    storm.reap()
    assert not storm.active
    world.check_clean()
    print(f"{kills} kills, {storm.done} certificates, {storm.left} orders more than those")
    # Two workers may be at an order of this CA in the moment of a kill.
    assert storm.left <= 2 * kills


@pytest.mark.parametrize("seconds", [5, pytest.param(150, marks=pytest.mark.long)])
def test_stopped_and_continued(world, seconds):
    """
    What was under way when the process stood still goes on as if it had slept: an order that the CA
    answers meanwhile, a wait whose time passes, a long poll beyond its end, a request that comes.
    """
    fake, api = world.fake, world.api
    waiting, ordering, late = (world.new_name() for _ in range(3))
    fake.retry_after["authorization"] = 2
    fake.pending_polls = 1
    waits = world.post("/certificates", world.body(waiting), "waiting")
    api.until_job(waits, lambda job: job["step"] == "validate" and job["state"] == "waiting")
    answer = fake.script("/new-order", held())
    orders = world.post("/certificates", world.body(ordering), "ordering")
    until(lambda: fake.posts("/new-order")[1:], 20, "the order is at the CA")
    kept = http.client.HTTPConnection("127.0.0.1", world.service.ops_port, timeout=300)
    kept.request("GET", "/readyz")
    assert kept.getresponse().read()
    with ThreadPoolExecutor(2) as clients:
        poll = clients.submit(api.get, f"/jobs/{waits['id']}", headers={"Prefer": "wait=3"},
                              timeout=300)
        time.sleep(0.3)  # for the long poll to come
        world.service.process.popen.send_signal(signal.SIGSTOP)
        comes = clients.submit(api.post, "/certificates", world.body(late), timeout=300)
        answer.release()
        time.sleep(seconds)
        world.service.process.popen.send_signal(signal.SIGCONT)
        assert poll.result().status == 200
        assert comes.result().status == 202
    for name, job in ((waiting, waits), (ordering, orders), (late, comes.result().json())):
        api.succeeded(job)
        world.settle()
        world.check_certificate(name)
    assert still_serves(kept)
    world.check_clean()


def still_serves(connection):
    """Whether a connection that was idle is answered, or was closed in good order."""
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except NO_ANSWER as e:
        return isinstance(e, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionError))
    finally:
        connection.close()


def test_a_second_process_on_the_data_is_refused(certwright, pebble):
    first = certwright(pebble)
    second = certwright(pebble, start=False, http01_listen="127.0.0.1:0")
    second.process.argv[second.process.argv.index("--data") + 1] = str(first.data)
    second.start(ready=False)
    assert second.process.wait(10) != 0
    assert str(first.data) in second.process.log()
    assert first.ops("/readyz")[0] == 200
