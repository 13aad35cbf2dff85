"""Revocation of certificates that are no resources here."""

import sqlite3

import pytest

import pem
from fake_ca_script import problem
from own_ca import OwnCa
from process import until


@pytest.fixture
def service(certwright, fake):
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    service.api.put_account(authority="fake")
    return service


@pytest.fixture
def api(service):
    return service.api


def foreign(api, name):
    """A certificate of the fake CA's that is no resource any more."""
    api.succeeded(api.post_certificate(name))
    files = {"certificate": api.pem(name, "fullchain.pem"),
             "private_key": api.pem(name, "privkey.pem")}
    assert api.delete(f"/certificates/{name}").status == 204
    return files


def reason_of(fake):
    [known] = fake.objects.certificates.values()
    return known["reason"]


def pointers(answer):
    assert answer.status == 422, answer
    return sorted(error["pointer"] for error in answer.json()["errors"])


def test_by_its_key(api, fake, names):
    sent = {"authority": "fake", **foreign(api, *names()), "reason": "key_compromise"}
    job = api.succeeded(api.ok("POST", "/revocations", sent, status=(202,)))
    assert job["kind"] == "revocation.send" and reason_of(fake) == 1
    assert job["resource"] == {"type": "authority", "name": "fake", "href": "/authorities/fake"}
    # Once more: that it is revoked already is as good.
    api.succeeded(api.ok("POST", "/revocations", sent, status=(202,)))
    assert len(fake.posts("/revoke")) == 2


def test_by_an_account(api, fake, names):
    sent = {"account": "main", "certificate": foreign(api, *names())["certificate"], "reason": 4}
    api.succeeded(api.ok("POST", "/revocations", sent, status=(202,)))
    assert reason_of(fake) == 4


def test_with_the_real_pebble(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    sent = foreign(api, *names())
    serial = f"{pem.load(sent['certificate']).serial_number:x}"
    api.succeeded(api.ok("POST", "/revocations", {"authority": "pebble", **sent}, status=(202,)))
    assert pebble.certificate_status(serial)["Status"] == "Revoked"


def test_what_is_here_after_all_is_shown_as_revoked(api, names):
    [name] = names()
    api.succeeded(api.post_certificate(name))
    sent = {"authority": "fake", "certificate": api.pem(name, "cert.pem"),
            "private_key": api.pem(name, "privkey.pem"), "reason": 5}
    api.succeeded(api.ok("POST", "/revocations", sent, status=(202,)))
    assert api.certificate(name)["status"] == "revoked"
    [version] = api.ok("GET", f"/certificates/{name}/versions")["items"]
    assert version["revocation_reason"] == "cessation_of_operation"


def test_everything_wrong_is_told_at_once(api):
    own, key = OwnCa(), pem.make_key()
    good = {"authority": "fake", "certificate": own.leaf(key, "a.example.com"),
            "private_key": pem.key_pem(key)}
    assert pointers(api.post("/revocations", {})) \
        == ["/authority", "/certificate", "/private_key"]
    assert pointers(api.post("/revocations", {**good, "account": "main"})) \
        == ["/authority", "/private_key"]
    assert pointers(api.post("/revocations", {
        "authority": "nowhere", "certificate": "x", "private_key": "y", "reason": 7,
        "more": 1})) == ["/authority", "/certificate", "/more", "/private_key", "/reason"]
    assert pointers(api.post("/revocations", {"account": "nobody",
                                              "certificate": good["certificate"]})) == ["/account"]
    other = {**good, "private_key": pem.key_pem(pem.make_key())}
    assert pointers(api.post("/revocations", other)) == ["/private_key"]


def test_a_ca_that_refuses(api, fake):
    own, key = OwnCa(), pem.make_key()
    job = api.failed(api.ok("POST", "/revocations", {
        "authority": "fake", "certificate": own.leaf(key, "a.example.com"),
        "private_key": pem.key_pem(key)}, status=(202,)))
    assert job["error"]["code"] == "ca.malformed"
    answer = api.post(f"/jobs/{job['id']}/retry")
    assert answer.status == 409 and "POST it again" in answer.json()["detail"]
    fake.complaints.clear()


def test_an_account_that_the_ca_has_forgotten_is_found(api, fake, names):
    sent = {"account": "main", "certificate": foreign(api, *names())["certificate"]}
    fake.script("/revoke", problem("accountDoesNotExist"))
    api.succeeded(api.ok("POST", "/revocations", sent, status=(202,)))
    assert reason_of(fake) == 0 and len(fake.posts("/new-account")) == 2


def keys_kept(service):
    """How many revocations the stopped service has in its database."""
    with sqlite3.connect(service.data / "certwright.db") as db:
        return db.execute("SELECT count (*) FROM revocation WHERE key IS NOT NULL").fetchone()[0]


def test_a_kill_under_way(service, fake, names):
    api = service.api
    sent = {"authority": "fake", **foreign(api, *names()), "reason": 1}
    fake.hold("/revoke")
    headers = {"Idempotency-Key": "revoke-1"}
    job = api.ok("POST", "/revocations", sent, status=(202,), headers=headers)
    until(lambda: fake.posts("/revoke"), 20, "the request is under way")
    again = api.ok("POST", "/revocations", {**sent, "reason": 4}, status=(202,))
    assert again["id"] == job["id"]
    service.kill()
    assert keys_kept(service) == 1
    secret = pem.load_key(sent["private_key"]).private_numbers().private_value.to_bytes(32, "big")
    for path in service.data.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    fake.release("/revoke")
    service.start()
    api = service.api
    api.succeeded(job)
    assert reason_of(fake) == 1
    assert api.ok("POST", "/revocations", sent, status=(202,), headers=headers)["id"] == job["id"]
    service.stop()
    assert keys_kept(service) == 0


@pytest.mark.parametrize("how", ["cancelled", "authority gone", "failed"])
def test_however_it_ends_the_key_goes(certwright, fake, how):
    service = certwright()
    api = service.api
    api.ok("PUT", "/authorities/late", {**fake.authority()})
    fake.answer["/revoke"] = problem("unauthorized" if how == "failed" else "serverInternal")
    own, key = OwnCa(), pem.make_key()
    job = api.ok("POST", "/revocations", {
        "authority": "late", "certificate": own.leaf(key, "a.example.com"),
        "private_key": pem.key_pem(key)}, status=(202,))
    if how != "failed":
        api.until_job(job, lambda job: job["error"])
    if how == "cancelled":
        api.ok("POST", f"/jobs/{job['id']}/cancel")
    elif how == "authority gone":
        assert api.delete("/authorities/late").status == 204
        api.ok("POST", f"/jobs/{job['id']}/retry")
    assert api.ended(job)["state"] == ("failed" if how == "failed" else "cancelled")
    service.stop()
    assert keys_kept(service) == 0
