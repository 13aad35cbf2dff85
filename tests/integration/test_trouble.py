"""A CA that says no, is gone, or is slow: the job tells the CA's words, and goes on where it can."""

import pytest

import pem
from process import free_port
from relay import Relay


def test_unreachable_http(certwright, pebble, names):
    """certwright listens where Pebble does not look."""
    api = certwright(pebble, http01_listen=f"127.0.0.1:{free_port()}").api
    api.put_account()
    [name] = names()
    job = api.failed(api.post_certificate(name))
    assert job["error"]["code"] == "ca.connection"
    assert job["error"]["acme"]["type"] == "urn:ietf:params:acme:error:connection"
    [identifier] = job["identifiers"]
    assert identifier["value"] == name and identifier["state"] == "invalid"
    resource = api.certificate(name)
    assert resource["status"] == "pending" and resource["last_error"]["code"] == "ca.connection"
    assert api.get(f"/certificates/{name}/cert.pem").status == 404


def test_rejected_name(certwright, pebble_with):
    pebble = pebble_with(config={"domainBlocklist": ["blocked.example.com"]})
    api = certwright(pebble).api
    api.put_account()
    job = api.failed(api.post_certificate("blocked.example.com"))
    assert job["error"]["code"] == "ca.rejected_identifier"
    assert "blocked.example.com" in job["error"]["acme"]["detail"]


def test_one_bad_name_of_several(certwright, pebble, challtestsrv, names):
    """The dead authorization is told by name; the others are no error."""
    good, bad = names(2)
    challtestsrv.add_a(bad, "127.0.0.2")
    api = certwright(pebble).api
    api.put_account()
    job = api.failed(api.post_certificate(good, bad))
    states = {i["value"]: i["state"] for i in job["identifiers"]}
    assert states[bad] == "invalid" and states[good] != "invalid"
    assert bad in job["error"]["detail"]
    challtestsrv.clear_a(bad)


@pytest.mark.smoke
def test_ca_down_and_back(certwright, pebble, names):
    relay = Relay(pebble.port)
    relay.start()
    authority = pebble.authority(directory_url=f"https://127.0.0.1:{relay.port}/dir")
    service = certwright(resources={"authorities": {"pebble": authority}})
    api = service.api
    api.put_account()
    relay.stop()
    [name] = names()
    job = api.post_certificate(name)
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    assert job["error"]["code"] == "ca.unreachable" and job["error"]["retryable"]
    assert job["next_attempt_at"] is not None
    relay.start()
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    assert pem.names_of(pem.load(api.pem(name, "cert.pem"))) == [name]
    service.stop()
    relay.stop()


def test_a_ca_that_is_not_there_ends_the_job_when_told_to(certwright, pebble):
    gone = {"directory_url": f"https://127.0.0.1:{free_port()}/dir", "test": True}
    api = certwright(resources={"authorities": {"gone": gone}}).api
    job = api.ok("PUT", "/accounts/main", {
        "authority": "gone", "terms_of_service_agreed": True, "retry_for_seconds": 0})
    job = api.failed(job)
    assert job["error"]["code"] in ("ca.unreachable", "job.gave_up")


def test_a_ca_with_a_foreign_root(certwright, pebble):
    untrusted = {"directory_url": pebble.directory_url, "test": True}
    api = certwright(resources={"authorities": {"pebble": untrusted}}).api
    job = api.ok("PUT", "/accounts/main", {
        "authority": "pebble", "terms_of_service_agreed": True, "retry_for_seconds": 0})
    job = api.failed(job)
    assert job["error"]["code"] in ("ca.tls_failed", "job.gave_up")


def test_cancel_while_the_ca_is_down(certwright, pebble, names):
    relay = Relay(pebble.port)
    relay.start()
    authority = pebble.authority(directory_url=f"https://127.0.0.1:{relay.port}/dir")
    api = certwright(resources={"authorities": {"pebble": authority}}).api
    api.put_account()
    relay.stop()
    job = api.post_certificate(*names())
    job = api.until_job(job, lambda j: j["state"] == "waiting")
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(202,))
    assert api.ended(job)["state"] == "cancelled"


def test_a_failed_renewal_leaves_the_certificate(certwright, pebble, challtestsrv, names):
    [name] = names()
    api = certwright(pebble).api
    api.put_account()
    api.succeeded(api.post_certificate(name))
    cert = api.pem(name, "cert.pem")
    challtestsrv.add_a(name, "127.0.0.2")
    # Pebble reuses an authorization of a hundred, however it is told not to.
    for version in range(1, 6):
        job = api.ended(api.ok("POST", f"/certificates/{name}/renew", {"force": True},
                               status=(202,)))
        if job["state"] != "succeeded":
            break
        cert = api.pem(name, "cert.pem")
    assert job["state"] == "failed"
    resource = api.certificate(name)
    assert resource["status"] == "valid" and resource["version"] == version
    assert resource["last_error"]["code"].startswith("ca.")
    assert api.pem(name, "cert.pem") == cert
    challtestsrv.clear_a(name)
