"""
A CA that is dead costs nothing while it waits. What else it can do is in test_hostile_server.py
(bytes, TLS, drops), test_error_table.py (refusals), test_trouble.py (gone and back) and
test_matrix.py (nonces refused).
"""

import time

import pytest

from api import ENDED
from fake_ca import FakeCa
from fake_ca_script import lose, truncate
from hostile import MEMORY
from process import until
from relay import Relay
from silent import Cost, Silent

WORKERS = 4


@pytest.fixture
def dead(tmp_path):
    """dead.die(patience): the CA behind it says nothing from then on; dead.live() ends that."""
    class Dead:
        def __init__(self):
            self.ca = FakeCa(tmp_path / "dead").start()
            self.relay = Relay(self.ca.port)
            self.relay.start()
            self.ca.base = f"https://127.0.0.1:{self.relay.port}"
            self.silent = None

        def die(self, patience):
            self.relay.stop()
            self.silent = Silent(self.relay.port, patience)
            return self.silent

        def live(self):
            self.silent.stop()
            self.silent = None
            self.relay.start()

    world = Dead()
    yield world
    if world.silent:
        world.silent.stop()
    world.relay.stop()
    world.ca.stop()


@pytest.mark.parametrize("patience", [1, pytest.param(None, marks=pytest.mark.long)],
                         ids=["cuts", "hangs"])
def test_two_hundred_jobs_at_a_dead_ca(certwright, fake, dead, patience):
    """
    At most half of the workers are ever in it, and one at a time once it is known to be dead;
    another CA's jobs and all reads go on meanwhile.
    """
    service = certwright(workers=WORKERS, resources={"authorities": {
        "fake": fake.authority(), "dead": dead.ca.authority()}})
    api = service.api
    api.put_account("main", authority="fake")
    api.put_account("lost", authority="dead")
    api.succeeded(api.post_certificate("warm.example.com"))
    cost = Cost(service)
    threads, descriptors, memory = cost.threads, cost.descriptors, cost.memory
    silent = dead.die(patience)
    waiting = [api.post_certificate(f"d{i}.example.com", account="lost") for i in range(200)]
    until(lambda: silent.now, 20, "a worker is in it")

    # the others
    for job in [api.post_certificate(f"l{i}.example.com") for i in range(20)]:
        api.succeeded(job)
        assert api.ok("GET", "/certificates?page_size=1000")["items"]
    assert api.ok("GET", "/jobs?state=succeeded&page_size=1000")["items"]
    assert silent.most <= WORKERS // 2

    # It is known: one at a time.
    until(lambda: "a CA is left alone" in service.process.log(), 90, "the CA is parked")
    until(lambda: silent.now == 0, 60, "who was in it has left")
    silent.most, count = 0, silent.accepted
    until(lambda: silent.accepted > count, 120, "a probe")
    until(lambda: silent.now == 0, 60, "the probe's end")
    assert silent.most == 1
    assert silent.accepted <= 20, "for 200 jobs"

    # What it costs.
    before = cost.cpu
    time.sleep(3)
    assert cost.cpu - before < 0.5
    assert cost.threads == threads
    # A thread that has read for the first time has the database, its log and its index open.
    assert cost.descriptors <= descriptors + 2 * WORKERS + 3 * threads
    assert cost.memory - memory < MEMORY
    assert not {api.job(job)["state"] for job in waiting} & set(ENDED)

    dead.live()
    until(lambda: dead.ca.posts("/finalize"), 240, "the next probe finds it alive")


LOST = {"newOrder": "/new-order", "finalize": "/finalize", "download": "/cert"}


@pytest.mark.parametrize("losses", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", [lose, truncate], ids=["lost", "cut"])
@pytest.mark.parametrize("what", LOST)
def test_a_lost_answer_costs_no_second_certificate(certwright, fake, names, what, how, losses):
    """At most one order is finalized, and at most one pending one a loss."""
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    api.put_account(authority="fake")
    # What was finalized is looked at, and not finalized again.
    losses = 1 if what == "finalize" else losses
    fake.script(LOST[what], *[how() for _ in range(losses)])
    [name] = names()
    job = api.post_certificate(name)

    def hastened():
        """Twice without an answer, the CA is left alone for some seconds whatever one says."""
        if api.job(job)["state"] == "waiting" and api.job(job)["error"]:
            api.call("POST", f"/jobs/{job['id']}/retry")
        return api.job(job)["state"] in ENDED

    until(hastened, 60, "it ends")
    api.succeeded(job)
    assert not fake.lines.rest
    finalized = [order for order in fake.orders.values() if order["status"] == "valid"]
    assert len(finalized) == 1
    assert len(fake.orders) == (1 + losses if what == "newOrder" else 1)
    assert api.certificate(name)["version"] == 1
