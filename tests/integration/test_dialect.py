"""Servers that speak ACME in another way than Pebble does: every quirk alone, and all at once."""

import pytest

from fake_ca_script import document, lose, problem
from fake_dialect import QUIRKS, FakeDialect

# What cannot be had together with others.
EXCLUSIVE = {"blank account", "odd meta", "ready", "no words"}


@pytest.fixture
def dialect(tmp_path, certwright):
    """dialect(quirks…) is (service, CA), with an account there."""
    made = []

    def make(*quirks):
        ca = FakeDialect(tmp_path / "dialect", quirks).start()
        made.append(ca)
        service = certwright(resources={"authorities": {"fake": ca.authority()}})
        service.api.put_account(authority="fake")
        return service, ca

    yield make
    for ca in made:
        ca.stop()


def live(api, ca, name):
    """Issue, renew, revoke, and a change of the account."""
    api.succeeded(api.post_certificate(name))
    first = api.certificate(name)
    assert first["status"] == "valid"
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    second = api.certificate(name)
    assert second["version"] == 2 and second["serial"] != first["serial"]
    assert "That was all" not in api.pem(name, "fullchain.pem")
    assert "\r" not in api.pem(name, "fullchain.pem")
    api.succeeded(api.ok("POST", f"/certificates/{name}/revoke", {"reason": "superseded"}))
    assert api.certificate(name)["status"] == "revoked"
    api.succeeded(api.ok("PATCH", "/accounts/main", {"contacts": ["mailto:new@example.com"]}))
    api.succeeded(api.ok("POST", "/accounts/main/refresh"))
    account = api.ok("GET", "/accounts/main")
    assert account["status"] == "valid" and account["contacts"] == ["mailto:new@example.com"]
    assert ca.posts("/account/")[-2:] == [{"contact": ["mailto:new@example.com"]}, {}]
    api.succeeded(api.ok("POST", "/accounts/main/rollover"))
    api.succeeded(api.ok("POST", "/accounts/main/refresh"))


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk(dialect, names, quirk):
    service, ca = dialect(quirk)
    live(service.api, ca, *names())


def test_all_quirks_at_once(dialect, names):
    service, ca = dialect(*set(QUIRKS) - EXCLUSIVE)
    live(service.api, ca, *names())


@pytest.mark.parametrize("quirk", ["no status", "no words"])
def test_a_problem_that_says_little(dialect, names, quirk):
    service, ca = dialect(quirk)
    ca.script("/new-order", problem("rejectedIdentifier", "not that one"))
    job = service.api.failed(service.api.post_certificate(*names()))
    assert job["error"]["code"] == "ca.rejected_identifier"
    assert ("not that one" in job["error"]["detail"]) == (quirk == "no status")


def test_an_order_that_is_ready_needs_no_look_at_its_authorizations(dialect, names):
    service, ca = dialect("ready")
    service.api.succeeded(service.api.post_certificate(*names()))
    assert not service.api.ok("GET", "/jobs?kind=authorization.deactivate")["items"]
    assert not ca.posts("/authz/")


def test_an_order_that_is_handed_back(dialect, names):
    """The answer to newOrder is lost; asked again, the CA has the very order still."""
    service, ca = dialect("handed back")
    api, [name] = service.api, names()
    ca.script("/new-order", lose())
    api.succeeded(api.post_certificate(name))
    assert len(ca.posts("/new-order")) == 2 and len(ca.orders) == 1


def stumble(ca, name, times=1):
    ca.stumbles[name] = [document("connection", "nobody listens there") for _ in range(times)]


def test_pending_with_an_error_is_answered_again(dialect, names):
    """The job shows what the CA said while it waits, asks again, and forgets it in the end."""
    service, ca = dialect()
    api, [one, two] = service.api, names(2)
    stumble(ca, one)
    job = api.post_certificate(one, two)
    job = api.until_job(job, lambda j: j["error"])
    assert (job["state"], job["step"]) == ("waiting", "respond")
    assert job["error"]["code"] == "ca.connection"
    assert job["error"]["detail"] == f"{one}: nobody listens there"
    assert job["error"]["acme"]["detail"] == "nobody listens there"
    assert job["next_attempt_at"]
    detail = {i["value"]: i["detail"] for i in job["identifiers"]}
    assert "nobody listens there" in detail[one]
    job = api.succeeded(job)
    assert job["error"] is None
    assert f"the CA has not given up: {one}: nobody listens there" in [
        event["message"] for event in job["events"]]
    assert len(ca.posts("/chall/")) == 3 and len(ca.posts("/new-order")) == 1
    assert api.certificate(one)["last_error"] is None


def test_pending_with_an_error_ends_with_the_time_to_retry(dialect, names):
    service, ca = dialect()
    api, [name] = service.api, names()
    stumble(ca, name, 100)
    job = api.failed(api.post_certificate(name, retry_for_seconds=0))
    assert job["error"]["code"] == "ca.connection" and len(ca.posts("/chall/")) == 1
    assert api.certificate(name)["last_error"]["code"] == "ca.connection"


def test_pending_with_an_error_can_be_called_off(dialect, names):
    service, ca = dialect()
    api, [name] = service.api, names()
    stumble(ca, name, 100)
    job = api.until_job(api.post_certificate(name), lambda j: j["error"])
    api.ok("POST", f"/jobs/{job['id']}/cancel")
    assert api.ended(job)["state"] == "cancelled"


def test_processing_with_an_error_is_left_to_the_ca(dialect, names):
    """RFC 8555 section 8.2: the CA tries again by itself; it is not asked to."""
    service, ca = dialect()
    api, [name] = service.api, names()
    polls = []

    def bend(authorization, _):
        polls.append(1)
        if 2 <= len(polls) <= 3:
            authorization["status"] = "pending"
            for challenge in authorization["challenges"]:
                challenge.update(status="processing", error=document("dns", "no answer yet"))

    ca.bend["authorization"] = bend
    job = api.until_job(api.post_certificate(name), lambda j: j["error"])
    assert (job["state"], job["step"]) == ("waiting", "validate")
    assert job["error"]["code"] == "ca.dns"
    api.succeeded(job)
    assert len(ca.posts("/chall/")) == 1


@pytest.mark.parametrize("quirk", ["bare list", "no orders", "empty account"])
def test_the_list_of_orders(dialect, names, quirk):
    """Where an account names its list, it is read in either form; where not, there is none."""
    service, ca = dialect(quirk)
    service.api.succeeded(service.api.post_certificate(*names()))
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    shown = service.api.ok("GET", "/accounts/main")["ca_orders"]
    assert (shown and shown["urls"]) == \
        ([f"{ca.base}/order/{n}" for n in ca.orders] if quirk == "bare list" else None)
