"""Accounts and certificates that the CA has forgotten."""

import pytest

import pem
from fake_ca_script import problem

MISSING = problem("accountDoesNotExist")


@pytest.fixture
def api(certwright, fake):
    """A service with the account "main" at the fake CA."""
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    api.put_account(authority="fake")
    return api


def account(api):
    return api.ok("GET", "/accounts/main")


def forget(fake):
    """What comes with the former account's URL after that, the fake CA calls a fault."""
    fake.forget_accounts()
    fake.complaints = Forgiving()


class Forgiving(list):
    def append(self, complaint):
        assert "account" in complaint, complaint


WORK = {
    "refresh": ("POST", "/accounts/main/refresh", {}),
    "update": ("PATCH", "/accounts/main", {"contacts": ["mailto:new@example.com"]}),
    "rollover": ("POST", "/accounts/main/rollover", {}),
}


@pytest.mark.parametrize("what", WORK)
def test_a_forgotten_account_is_registered_again(api, fake, what):
    before = account(api)
    forget(fake)
    job = api.succeeded(api.ok(*WORK[what], status=(202,)))
    assert any("does not know" in event["message"] for event in job["events"])
    after = account(api)
    assert after["status"] == "valid" and after["url"] != before["url"]
    assert after["last_error"] is None and after["active_job"] is None
    assert (after["key"]["thumbprint"] != before["key"]["thumbprint"]) is (what == "rollover")
    assert len(fake.posts("/new-account")) == 2
    [now] = fake.objects.accounts.values()
    if what == "update":
        assert now["contact"] == ["mailto:new@example.com"]
    api.succeeded(api.post_certificate("after.example.com"))


@pytest.mark.parametrize("what, path", [
    ("refresh", "/account"), ("update", "/account"), ("rollover", "/key-change")])
def test_an_account_that_is_there_after_all_is_found_by_its_key(api, fake, what, path):
    before = account(api)
    fake.script(path, MISSING)
    api.succeeded(api.ok(*WORK[what], status=(202,)))
    after = account(api)
    assert after["status"] == "valid" and after["url"] == before["url"]
    assert len(fake.posts("/new-account")) == 2


@pytest.mark.parametrize("what, path", [
    ("refresh", "/account"), ("update", "/account"), ("rollover", "/key-change")])
def test_it_is_looked_for_once(api, fake, what, path):
    fake.answer[path] = MISSING
    job = api.failed(api.ok(*WORK[what], status=(202,)))
    assert job["error"]["code"] == "ca.account_does_not_exist"
    assert len(fake.posts("/new-account")) == 2
    del fake.answer[path]
    api.succeeded(api.ok(*WORK[what], status=(202,)))


def test_an_account_that_is_to_exist_is_not_made(certwright, fake):
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    key = {"pem": pem.key_pem(pem.make_key())}
    api.put_account(authority="fake", key=key)
    api.ok("PUT", "/accounts/main", {
        "authority": "fake", "contacts": ["mailto:admin@example.com"], "key": key,
        "terms_of_service_agreed": True, "only_existing": True}, status=(200,))
    forget(fake)
    job = api.failed(api.ok("POST", "/accounts/main/refresh"))
    assert job["error"]["code"] == "ca.account_does_not_exist"
    shown = account(api)
    assert shown["status"] == "pending"
    assert shown["last_error"]["code"] == "ca.account_does_not_exist"
    assert not fake.objects.accounts


def issue_with_csr(api, name):
    csr = pem.make_csr(pem.make_key(), [name])
    api.succeeded(api.ok("POST", "/certificates", {"name": name, "csr": csr, "account": "main"}))


def test_a_revocation_finds_the_account_by_its_key(api, fake, names):
    [name] = names()
    issue_with_csr(api, name)
    fake.script("/revoke", MISSING)
    api.succeeded(api.ok("POST", f"/certificates/{name}/revoke", {"reason": 4}))
    assert len(fake.posts("/new-account")) == 2 and len(fake.posts("/revoke")) == 2
    assert api.certificate(name)["status"] == "revoked"


@pytest.mark.parametrize("status", [404, 410])
def test_what_the_ca_has_not_is_deleted(api, fake, names, status):
    [name] = names()
    api.succeeded(api.post_certificate(name))
    fake.script("/revoke", problem("malformed", status=status))
    job = api.succeeded(api.delete(f"/certificates/{name}?revoke=true").json())
    assert "knows nothing" in job["events"][-1]["message"]
    assert api.get(f"/certificates/{name}").status == 404


def test_a_ca_that_has_forgotten_everything(api, fake, names):
    [name] = names()
    api.succeeded(api.post_certificate(name))
    forget(fake)
    fake.complaints = Everything()
    fake.objects.certificates.clear()
    api.succeeded(api.delete(f"/certificates/{name}?revoke=true").json())
    assert api.get(f"/certificates/{name}").status == 404


class Everything(list):
    def append(self, complaint):
        assert "account" in complaint or "certificate" in complaint, complaint


def test_a_removal_that_cannot_revoke_says_how_to_go_on(api, fake, names):
    [name] = names()
    issue_with_csr(api, name)
    fake.script("/revoke", problem("unauthorized", "not yours"))
    job = api.failed(api.delete(f"/certificates/{name}?revoke=true").json())
    assert job["error"]["detail"].startswith("not yours")
    assert "DELETE without revoke" in job["error"]["detail"]
    assert job["error"]["acme"]["type"].endswith(":unauthorized")
    assert api.certificate(name)["status"] == "valid"
    assert api.delete(f"/certificates/{name}").status == 204


def test_a_job_that_waits_tells_its_account(api, fake):
    fake.script("/account", *[problem("serverInternal", "not now") for _ in range(5)])
    job = api.ok("POST", "/accounts/main/refresh", status=(202,))
    api.until_job(job, lambda job: job["error"])
    assert account(api)["last_error"]["code"] == "ca.server_internal"
    fake.lines.lines.clear()
    api.ok("POST", f"/jobs/{job['id']}/retry")
    api.succeeded(job)
    assert account(api)["last_error"] is None
