"""A CA that lies: what it says is checked before anything is done by it."""

import pytest

from dns_provider import DnsProvider


@pytest.fixture
def provider(challtestsrv):
    server = DnsProvider(challtestsrv)
    yield server
    server.stop()


def solver(provider, *zones, **more):
    return {"type": "httpreq", "endpoint": provider.endpoint, "zones": list(zones),
            "propagation": False, **more}


@pytest.fixture
def start(certwright, fake):
    """start(solvers={…}) is a service with an account at the fake CA."""
    def make(**resources):
        service = certwright(resources={"authorities": {"fake": fake.authority()}, **resources})
        service.api.put_account(authority="fake")
        return service

    return make


@pytest.mark.parametrize("name", ["victim.example.org", "x\n$(id)", ""])
def test_what_was_not_ordered_is_not_proven(start, fake, provider, names, name):
    """Else the CA would choose which records are set with the user's credentials."""
    api = start(solvers={"dns": solver(provider, "example.com", "example.org")}).api
    fake.bend["authorization"] = lambda a, _: a["identifier"].update(value=name)
    job = api.failed(api.post_certificate(*names(), retry_for_seconds=0))
    assert job["error"]["code"] == "ca.protocol" and job["step"] == "authorize"
    assert [i["state"] for i in job["identifiers"]] == ["new"]
    assert provider.calls == [] and fake.posts("/chall") == []


@pytest.mark.smoke
def test_a_fake_ca_that_tells_the_truth(start, provider, names):
    """Without a lie the same way ends well."""
    api = start(solvers={"dns": solver(provider, "example.com")}).api
    [name] = names()
    api.succeeded(api.post_certificate(name, f"*.{name}"))
    assert api.certificate(name)["status"] == "valid"
