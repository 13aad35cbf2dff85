"""DNS in trouble: a provider that is down, name servers that are silent."""

import socket

import pytest

from api import ENDED
from dns_provider import DnsProvider
from fake_ca import FakeCa
from process import until


@pytest.fixture
def provider(challtestsrv):
    server = DnsProvider(challtestsrv)
    yield server
    server.stop()


def httpreq(provider, zone):
    return {"type": "httpreq", "endpoint": provider.endpoint, "zones": [zone]}


def test_a_provider_that_is_down_does_not_park_the_ca(certwright, pebble, provider, resolvers,
                                                      names):
    """Its 503 is its own, after a restart too: http-01 goes on, long before the Retry-After."""
    solver = httpreq(provider, "down.example.com")
    service = certwright(pebble, resources={"solvers": {"dns": solver}}, **resolvers)
    api = service.api
    api.put_account()
    provider.sabotage = lambda path, fqdn, value: (503, value)
    provider.retry_after = 3600
    job = api.post_certificate("down.example.com")
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    assert job["error"]["code"] == "provider.unreachable"
    service.restart()
    api.succeeded(api.post_certificate(*names()))
    assert api.job(job)["state"] == "waiting"


def test_a_restart_asks_dns_again(certwright, pebble, provider, challtestsrv):
    """What a look-up would have said died with the process; the job's own wait is a minute."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        solver = httpreq(provider, "again.example.com")
        service = certwright(pebble, resources={"solvers": {"dns": solver}}, resolvers_only=True,
                             resolvers=[f"127.0.0.1:{silent.getsockname()[1]}"])
        api = service.api
        api.put_account()
        job = api.post_certificate("again.example.com")
        job = api.until_job(job, lambda j: j["state"] == "waiting" and j["step"] == "present")
        service.kill()
    service.configure({**service.config, "resolvers": [f"127.0.0.1:{challtestsrv.dns_port}"]})
    service.start()
    api.succeeded(job, 30)


@pytest.mark.parametrize("first", ["silent", "good"])
def test_one_resolver_of_two_is_silent(certwright, pebble, provider, challtestsrv, names, first):
    """Nobody waits for its word but once, wherever it stands in the list: the other's does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        ports = [silent.getsockname()[1], challtestsrv.dns_port]
        if first == "good":
            ports.reverse()
        zone, *_ = names(1)
        api = certwright(pebble, resources={"solvers": {"dns": httpreq(provider, zone)}},
                         resolvers=[f"127.0.0.1:{port}" for port in ports],
                         resolvers_only=True).api
        api.put_account()
        job = api.post_certificate(zone)
        api.succeeded(job, 40)
    until(lambda: not provider.left(), 20, "nothing is left")


def test_a_record_that_two_orders_share_stays_for_the_second(certwright, provider, names, tmp_path):
    """RFC 8555 lets a CA hand out a pending authorization again, so one TXT is owed twice."""
    fake = FakeCa(tmp_path / "fake").start()
    zone = "shared.example.com"
    dns = {**httpreq(provider, zone), "propagation": False}
    api = certwright(resources={"authorities": {"fake": fake.authority()},
                                "solvers": {"dns": dns}}).api
    api.put_account(authority="fake")

    def bend(authorization, _):
        for challenge in authorization["challenges"]:
            challenge["token"] = "same"

    fake.bend["authorization"] = bend
    fake.hold("/chall")
    first = api.post_certificate(zone, name="first")
    until(lambda: len(fake.posts("/chall")) == 1, 20, "the first one is placed")
    second = api.post_certificate(zone, name="second")
    until(lambda: len(fake.posts("/chall")) == 2, 20, "the second one is placed")
    api.ok("POST", f"/jobs/{first['id']}/cancel", status=(202,))
    fake.hold("/authz")
    fake.release("/chall")
    assert api.ended(first)["state"] == "cancelled"
    until(lambda: all(j["state"] in ENDED for j in api.ok("GET", "/jobs")["items"]
                      if j["kind"] == "challenge.cleanup"), 20, "the first has cleaned up")
    assert provider.left()
    fake.release("/authz")
    api.succeeded(second)
    until(lambda: not provider.left(), 20, "the record is removed")
    fake.stop()


@pytest.mark.parametrize("when", ["present", "cleanup"])
def test_a_provider_that_times_out_after_it_succeeded(certwright, pebble, provider, resolvers,
                                                      when):
    """The record is there, or gone, though nobody was told: it is there once, and gone at the end."""
    zone = f"late-{when}.example.com"
    late = []

    def sabotage(path, fqdn, value):
        if path == when and not late:
            late.append(value)
            provider.change(path, fqdn, value)
            return 504, value
        return 200, value

    provider.sabotage = sabotage
    api = certwright(pebble, resources={"solvers": {"dns": httpreq(provider, zone)}},
                     **resolvers).api
    api.put_account()
    job = api.post_certificate(zone)
    if when == "present":
        job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
        assert job["error"]["code"] == "provider.unreachable"
        assert len(provider.left()) == 1
        api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    until(lambda: late and not provider.left(), 30, "nothing is left")
    [cleanup] = [j for j in api.ok("GET", "/jobs?kind=challenge.cleanup")["items"]
                 if j["kind"] == "challenge.cleanup"]
    if api.job(cleanup)["state"] == "waiting":
        api.call("POST", f"/jobs/{cleanup['id']}/retry")
    api.succeeded(cleanup)
    assert {value for _, _, value, _ in provider.calls} == {late[0]}, "one value, whatever was tried"
