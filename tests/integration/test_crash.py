"""Killed at any moment, certwright goes on where it was, and does nothing twice."""

import random
import time

import pytest

import pem
from process import until
from relay import Relay


def orders(pebble):
    return [path for _, path in pebble.requests() if path == "/order-plz"]


@pytest.mark.smoke
def test_killed_in_mid_order_and_resumed_without_a_second_one(certwright, pebble_with, names):
    """Pebble sleeps before it validates, so the kill comes while the order is on its way."""
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
    assert len(orders(pebble)) == 1
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


def test_a_record_is_removed_though_killed_while_it_stands(certwright, pebble, provider, resolvers):
    zone = "killed.example.com"
    service = certwright(pebble, resources={"solvers": {"dns": {
        "type": "httpreq", "endpoint": provider.endpoint, "zones": [zone]}}}, **resolvers)
    service.api.put_account()
    job = service.api.post_certificate(f"*.{zone}")
    until(lambda: provider.calls, 20, "the record is placed")
    service.kill()
    service.start()
    service.api.succeeded(job)
    until(lambda: not provider.left(), 15, "every record is removed")
    assert {value for path, _, value, _ in provider.calls if path == "cleanup"} >= {
        value for path, _, value, _ in provider.calls if path == "present"}


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


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.long)])
def test_killed_again_and_again(certwright, pebble, names, rounds):
    """Each round posts, then kills at a random moment; at the end every certificate is there."""
    moments = random.Random(rounds)
    service = certwright(pebble)
    service.api.put_account()
    jobs = {}
    for name in names(rounds):
        jobs[name] = service.api.post_certificate(name)
        time.sleep(moments.uniform(0, 0.3))
        service.kill()
        service.start()
    for name, job in jobs.items():
        service.api.succeeded(job, 120)
        leaf = pem.load(service.api.pem(name, "cert.pem"))
        key = pem.load_key(service.api.pem(name, "privkey.pem"))
        assert pem.public_pem(leaf.public_key()) == pem.public_pem(key.public_key())
    assert [j["state"] for j in service.api.ok("GET", "/jobs?page_size=1000")["items"]
            if j["kind"] == "certificate.issue"] == ["succeeded"] * rounds


def test_a_second_process_on_the_data_is_refused(certwright, pebble):
    first = certwright(pebble)
    second = certwright(pebble, start=False, http01_listen="127.0.0.1:0")
    second.process.argv[second.process.argv.index("--data") + 1] = str(first.data)
    second.start(ready=False)
    assert second.process.wait(10) != 0
    assert str(first.data) in second.process.log()
    assert first.ops("/readyz")[0] == 200
