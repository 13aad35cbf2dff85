"""What becomes of accounts: changed terms, lists of orders, deactivation, deletion; and what an
order that came to nothing leaves at the CA."""

import base64
import sqlite3
import threading
import time
from contextlib import closing

import pytest

import pem
from fake_ca_script import document, held, lose, problem
from process import until

KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def account(service, name="main"):
    return service.api.ok("GET", f"/accounts/{name}")


def with_fake(certwright, fake, **more):
    service = certwright(resources={"authorities": {"pebble": fake.authority()}, **more})
    service.api.put_account()
    return service


def jobs(service, kind):
    return service.api.ok("GET", f"/jobs?kind={kind}&page_size=100")["items"]


# external account binding


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_algorithm_of_a_binding(certwright, fake, algorithm):
    fake.eab_keys = {"kid-1": base64.urlsafe_b64decode(KEY)}
    service = certwright(resources={"authorities": {"pebble": fake.authority()}, "accounts": {
        "main": {"authority": "pebble", "terms_of_service_agreed": True,
                 "eab": {"kid": "kid-1", "hmac_key": KEY, "algorithm": algorithm}}}})
    until(lambda: account(service)["status"] == "valid", 20, "the account is registered")
    [payload] = fake.posts("/new-account")
    protected = base64.urlsafe_b64decode(payload["externalAccountBinding"]["protected"] + "==")
    assert f'"{algorithm}"' in protected.decode()
    assert not fake.complaints


# terms of service


def test_changed_terms_are_shown_and_agreed_to_when_asked(certwright, fake):
    first, second = "https://ca.invalid/terms-1", "https://ca.invalid/terms-2"
    fake.terms = first
    service = with_fake(certwright, fake)
    assert account(service)["terms_of_service"] == {"agreed_url": first, "current_url": first}
    fake.terms = second
    service.api.succeeded(service.api.ok("POST", "/authorities/pebble/refresh"))
    assert account(service)["terms_of_service"] == {"agreed_url": first, "current_url": second}
    assert "level=warn" in service.process.log() and second in service.process.log()
    service.api.succeeded(service.api.ok("PATCH", "/accounts/main", {"contacts": []}))
    assert account(service)["terms_of_service"]["agreed_url"] == first
    assert len(fake.posts("/new-account")) == 1

    service.api.succeeded(service.api.ok("PATCH", "/accounts/main",
                                         {"terms_of_service_agreed": True}))
    assert account(service)["terms_of_service"] == {"agreed_url": second, "current_url": second}
    assert fake.posts("/new-account")[-1] == {"termsOfServiceAgreed": True,
                                              "onlyReturnExisting": True}


@pytest.mark.parametrize("terms", ["javascript:alert(1)", "data:text/html,x", "https://ca\ninvalid/"])
def test_terms_that_are_no_page_are_not_shown(certwright, fake, terms):
    fake.terms = terms
    service = with_fake(certwright, fake)
    assert account(service)["terms_of_service"] == {"agreed_url": None, "current_url": None}


def test_a_put_agrees_to_changed_terms_and_a_restart_does_not(certwright, fake):
    fake.terms = "https://ca.invalid/terms-1"
    spec = {"authority": "pebble", "terms_of_service_agreed": True}
    service = certwright(resources={"authorities": {"pebble": fake.authority()},
                                    "accounts": {"config": spec}})
    service.api.put_account()
    until(lambda: account(service, "config")["status"] == "valid", 20, "it is registered")
    fake.terms = "https://ca.invalid/terms-2"
    service.api.succeeded(service.api.ok("POST", "/authorities/pebble/refresh"))
    service.restart()
    assert account(service, "config")["terms_of_service"]["agreed_url"].endswith("terms-1")
    service.api.put_account()
    assert account(service)["terms_of_service"]["agreed_url"].endswith("terms-2")
    service.api.succeeded(service.api.ok("PATCH", "/accounts/config",
                                         {"terms_of_service_agreed": True}))
    assert account(service, "config")["terms_of_service"]["agreed_url"].endswith("terms-2")
    assert service.api.patch("/accounts/config", {"contacts": []}).status == 409
    assert service.api.patch("/accounts/main", {"terms_of_service_agreed": False}).status == 422


def test_contacts_are_removed_by_an_empty_list(certwright, pebble):
    service = certwright(pebble)
    service.api.put_account()
    service.api.succeeded(service.api.ok("PATCH", "/accounts/main", {"contacts": []}))
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    assert account(service)["contacts"] == []
    assert not account(service)["ca_object"].get("contact")


def test_what_is_asked_for_meanwhile_is_told_too(certwright, fake):
    fake.terms = "https://ca.invalid/terms-1"
    service = with_fake(certwright, fake)
    gate = fake.script("/account", held())
    first = service.api.ok("PATCH", "/accounts/main", {"contacts": []}, status=(202,))
    until(lambda: fake.posts("/account/"), 20, "the CA is being told")
    again = {"contacts": ["mailto:new@example.com"], "terms_of_service_agreed": True}
    assert service.api.ok("PATCH", "/accounts/main", again)["id"] == first["id"]
    gate.release()
    service.api.succeeded(first)
    until(lambda: fake.posts("/new-account")[-1].get("onlyReturnExisting"), 20, "it is agreed")
    until(lambda: account(service)["active_job"] is None, 20, "all is told")
    assert fake.posts("/account/")[-1] == {"contact": ["mailto:new@example.com"]}
    assert account(service)["terms_of_service"]["agreed_url"] == fake.terms


@pytest.mark.parametrize("contact", ["mailto:a@example.com,b@example.com", "tel:+4912345",
                                     "mailto:a@example.com?subject=x", "a@example.com",
                                     "smtps:/a@example.com"])
def test_contacts_that_the_rfc_forbids(certwright, fake, contact):
    service = with_fake(certwright, fake)
    answer = service.api.patch("/accounts/main", {"contacts": [contact]})
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "/contacts/0"


# the directory


def test_a_doubted_directory_is_fetched_again(certwright, fake, names):
    fake.profiles = {"old": "…"}
    service = with_fake(certwright, fake)
    time.sleep(2.1)  # a younger one is not doubted
    fake.script("/new-order", problem("invalidProfile"))
    service.api.failed(service.api.post_certificate(*names(), profile="old"))
    before = fake.trail().count("GET /dir")
    service.api.succeeded(service.api.post_certificate(*names()))
    assert fake.trail().count("GET /dir") == before + 1


def test_a_directory_older_than_a_day_is_fetched_again(certwright, fake):
    service = with_fake(certwright, fake)
    service.stop()
    with closing(sqlite3.connect(service.data / "certwright.db")) as db, db:
        db.execute("UPDATE authority SET directory_fetched_at = directory_fetched_at - 86400001")
    before = fake.trail().count("GET /dir")
    service.start()
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    assert fake.trail().count("GET /dir") == before + 1


# the list of orders


def test_orders_over_several_pages(certwright, pebble_with, names):
    service = certwright(pebble_with(env={"PEBBLE_WFE_ORDERS_PER_PAGE": "2"}))
    service.api.put_account()
    assert account(service)["ca_orders"] is None
    for name in names(5):
        service.api.succeeded(service.api.post_certificate(name))
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    listed = account(service)["ca_orders"]
    ours = {order["url"] for order in service.api.ok("GET", "/orders")["items"]}
    assert set(listed["urls"]) == ours and len(listed["urls"]) == 5
    assert listed["truncated"] is False


@pytest.mark.parametrize("dialect", ["object", "array", "none", "broken"])
def test_dialects_of_the_list(certwright, fake, dialect):
    service = with_fake(certwright, fake)
    url = f"{fake.base}/order/77"
    if dialect == "none":
        fake.bend["account"] = lambda shown, ca: shown.pop("orders") and None
    else:
        fake.answer["/orders"] = {"object": (200, {}, {"orders": [url]}), "array": (200, {}, [url]),
                                  "broken": (500, {}, b"")}[dialect]
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    listed = account(service)["ca_orders"]
    assert (listed and listed["urls"]) == (None if dialect in ("none", "broken") else [url])


# the end of an account


@pytest.mark.smoke
def test_a_deactivated_account(certwright, pebble, names):
    service = certwright(pebble)
    service.api.put_account()
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    answer = service.api.delete("/accounts/main")
    assert answer.status == 409 and "deactivate it first" in answer.json()["detail"]
    service.api.succeeded(service.api.ok("POST", "/accounts/main/deactivate", status=(202,)))
    assert account(service)["status"] == "deactivated"
    assert service.api.ok("POST", "/accounts/main/deactivate", status=(200,))["name"] == "main"

    shown = service.api.certificate(name)
    assert shown["status"] == "valid" and shown["last_error"]["code"] == "account.unusable"
    assert shown["next_renewal_at"] is None
    answer = service.api.post(f"/certificates/{name}/renew", {"force": True})
    assert answer.status == 409 and "main" in answer.json()["detail"]
    answer = service.api.post("/certificates", {"identifiers": names(), "account": "main"})
    assert answer.status == 422 and "deactivated" in answer.json()["errors"][0]["detail"]
    for path, body in (("rollover", {}), ("", {"contacts": []})):
        call = service.api.post if path else service.api.patch
        assert call(f"/accounts/main/{path}".rstrip("/"), body).json()["code"] == "account.unusable"

    service.api.put_account("second")
    spec = {"identifiers": [name], "account": "second"}
    service.api.succeeded(service.api.ok("PUT", f"/certificates/{name}", spec, status=(202,)))
    assert service.api.certificate(name)["next_renewal_at"]
    assert service.api.delete("/accounts/second").status == 409
    assert service.api.delete("/accounts/main").status == 204
    assert service.api.get("/accounts/main").status == 404


def test_an_account_that_the_ca_has_forgotten_can_go(certwright, fake):
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    api.put_account(authority="fake")
    fake.answer["/account"] = problem("accountDoesNotExist")
    job = api.succeeded(api.ok("POST", "/accounts/main/deactivate"))
    assert "does not know" in job["events"][-1]["message"]
    assert api.ok("GET", "/accounts/main")["status"] == "deactivated"
    assert api.delete("/accounts/main").status == 204


def test_a_deactivation_whose_answer_is_lost(certwright, fake):
    service = with_fake(certwright, fake)
    fake.script("/account", lose())
    job = service.api.ok("POST", "/accounts/main/deactivate")
    service.api.until_job(job, lambda j: j["error"])
    service.api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    service.api.succeeded(job)
    assert account(service)["status"] == "deactivated"
    fake.complaints.clear()  # the second request was the deactivated account's


def test_an_account_that_others_have_ended(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    fake.bend["account"] = lambda shown, ca: shown.update(status="revoked")
    service.api.succeeded(service.api.ok("POST", "/accounts/main/refresh"))
    assert account(service)["status"] == "revoked"
    shown = service.api.certificate(name)
    assert shown["last_error"]["code"] == "account.unusable"
    assert "revoked" in shown["last_error"]["detail"] and shown["next_renewal_at"] is None
    assert service.api.delete("/accounts/main").status == 409  # a certificate refers to it


def test_an_account_in_use_is_not_deleted(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    service.api.succeeded(service.api.ok("POST", "/accounts/main/deactivate"))
    used = service.api.delete("/accounts/main").json()
    assert used["code"] == "resource.in_use" and used["detail"].endswith(f": {name}."), used
    assert service.api.delete(f"/certificates/{name}").status == 204
    assert service.api.delete("/accounts/main").status == 204


def test_an_account_that_was_never_registered_is_deleted(certwright, fake):
    fake.answer["/new-account"] = (503, {}, b"")
    service = certwright(resources={"authorities": {"pebble": fake.authority()}})
    job = service.api.ok("POST", "/accounts", {"name": "main", "authority": "pebble"})
    service.api.until_job(job, lambda j: j["error"])
    assert service.api.post("/accounts/main/deactivate").status == 409
    assert service.api.post("/accounts/main/rollover").status == 409
    assert service.api.delete("/accounts/main").status == 204
    assert service.api.ended(job)["state"] == "cancelled"
    del fake.answer["/new-account"]
    service.api.put_account()


# what an order leaves


def statuses(fake):
    return [a["status"] for order in fake.orders.values() for a in order["authorizations"]]


def test_unneeded_authorizations_are_deactivated(certwright, fake, names):
    service = with_fake(certwright, fake)
    good, bad, late = names(3)
    fake.fail = {bad: [document("unauthorized")]}
    fake.bend["authorization"] = lambda shown, ca: (
        shown.update(status="pending") if shown["identifier"]["value"] == late
        and shown["status"] == "valid" else None)
    job = service.api.failed(service.api.post_certificate(good, bad, late))
    assert job["error"]["code"] == "ca.unauthorized"
    until(lambda: jobs(service, "authorization.deactivate")
          and jobs(service, "authorization.deactivate")[0]["state"] == "succeeded", 20,
          "what is left pending is deactivated")
    assert "deactivated" in statuses(fake) and "pending" not in statuses(fake)
    assert "invalid" in statuses(fake)


def test_a_cancelled_order_leaves_nothing_pending(certwright, pebble, names, resolvers):
    zone = "left.example.com"
    service = certwright(pebble, resources={"solvers": {"hand": {
        "type": "manual", "zones": [zone]}}}, **resolvers)
    service.api.put_account()
    job = service.api.post_certificate(f"*.{zone}")
    service.api.until_job(job, lambda j: j["step"] == "present" and j["next_attempt_at"] is None)
    service.api.ok("POST", f"/jobs/{job['id']}/cancel")
    assert service.api.ended(job)["state"] == "cancelled"
    until(lambda: jobs(service, "authorization.deactivate"), 10, "the job is there")
    service.api.succeeded(jobs(service, "authorization.deactivate")[0])
    [order] = service.api.ok("GET", "/orders")["items"]
    assert [a["status"] for a in order["authorizations"]] == ["deactivated"]


def test_an_order_deleted_while_its_authorizations_are_given_up(certwright, fake, names):
    service = with_fake(certwright, fake)
    bad, late = names(2)
    held = threading.Event()

    def authorization(ca, request):
        if request.jws.payload == {"status": "deactivated"}:
            service.api.ok("DELETE", f"/certificates/{bad}", status=(204,))
            held.set()
        n, i = (int(part) for part in request.path.split("/")[2:4])
        return ca.objects.authorization(request.jws, n, i)

    fake.fail = {bad: [document("dns")]}
    fake.endpoint["authz"] = authorization
    fake.bend["authorization"] = lambda shown, ca: (
        shown.update(status="pending") if shown["identifier"]["value"] == late
        and shown["status"] == "valid" else None)
    service.api.failed(service.api.post_certificate(bad, late, name=bad))
    until(lambda: held.is_set() and jobs(service, "authorization.deactivate")[0]["finished_at"], 20,
          "the job has ended")
    assert jobs(service, "authorization.deactivate")[0]["state"] == "cancelled"


def test_a_ca_that_deactivates_nothing_harms_nothing(certwright, fake, names):
    service = with_fake(certwright, fake)
    bad, late = names(2)
    refused = []

    def authorization(ca, request):
        if request.jws.payload == {"status": "deactivated"}:
            refused.append(request.path)
            return problem("malformed", "there is no such thing here")
        n, i = (int(part) for part in request.path.split("/")[2:4])
        return ca.objects.authorization(request.jws, n, i)

    fake.fail = {bad: [document("dns")]}
    fake.endpoint["authz"] = authorization
    fake.bend["authorization"] = lambda shown, ca: (
        shown.update(status="pending") if shown["identifier"]["value"] == late else None)
    job = service.api.failed(service.api.post_certificate(bad, late))
    until(lambda: [j["state"] for j in jobs(service, "authorization.deactivate")] == ["failed"],
          20, "it has ended")
    assert len(refused) == 1
    del fake.bend["authorization"]
    service.api.succeeded(service.api.ok("POST", f"/jobs/{job['id']}/retry"))


# revocation


def reason_of(fake):
    [known] = fake.objects.certificates.values()
    return known["reason"]


def test_revoked_by_the_certificates_key(certwright, pebble, names):
    service = certwright(pebble)
    service.api.put_account()
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    serial = service.api.certificate(name)["serial"]
    service.api.succeeded(service.api.ok("POST", f"/certificates/{name}/revoke", {
        "by": "certificate_key", "reason": "key_compromise"}))
    status = pebble.certificate_status(serial)
    assert status["Status"] == "Revoked" and status["Reason"] == 1
    assert service.api.certificate(name)["status"] == "revoked"


@pytest.mark.parametrize("why", ["unauthorized", "deactivated", "forgotten"])
def test_what_the_account_may_not_its_key_does(certwright, fake, names, why):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    if why == "deactivated":
        service.api.succeeded(service.api.ok("POST", "/accounts/main/deactivate"))
    elif why == "forgotten":
        fake.forget_accounts()
    else:
        fake.script("/revoke", problem("unauthorized"))
    answer = service.api.ok("POST", f"/certificates/{name}/revoke", {"reason": 4})
    service.api.succeeded(answer)
    assert reason_of(fake) == 4
    fake.complaints.clear()  # a forgotten account's request is one


def test_one_signer_alone(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    fake.script("/revoke", problem("unauthorized"))
    job = service.api.failed(service.api.ok("POST", f"/certificates/{name}/revoke",
                                            {"by": "account"}))
    assert job["error"]["code"] == "ca.unauthorized" and reason_of(fake) is None
    assert service.api.post(f"/certificates/{name}/revoke", {"by": "me"}).status == 422


def test_a_key_that_is_not_here(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    csr = pem.make_csr(pem.make_key(), [name])
    service.api.succeeded(service.api.ok("POST", "/certificates", {
        "name": name, "csr": csr, "account": "main"}))
    assert service.api.post(f"/certificates/{name}/revoke",
                            {"by": "certificate_key"}).status == 409
    fake.script("/revoke", problem("unauthorized"))
    job = service.api.failed(service.api.ok("POST", f"/certificates/{name}/revoke"))
    assert job["error"]["code"] == "ca.unauthorized"


def test_revoked_elsewhere_is_success(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name))
    fake.script("/revoke", problem("alreadyRevoked"))
    service.api.succeeded(service.api.ok("POST", f"/certificates/{name}/revoke"))
    assert service.api.certificate(name)["status"] == "revoked"


# validity


def test_a_validity_is_asked_for(certwright, fake, names):
    service = with_fake(certwright, fake)
    [name] = names()
    service.api.succeeded(service.api.post_certificate(name, validity_seconds=86400))
    assert service.api.certificate(name)["validity_seconds"] == 86400
    [order] = fake.posts("/new-order")
    assert "notBefore" not in order and order["notAfter"].endswith("Z")
    same = {"identifiers": [name], "account": "main", "validity_seconds": 86400}
    assert service.api.call("PUT", f"/certificates/{name}", same).status == 200
    service.api.succeeded(service.api.ok("PUT", f"/certificates/{name}",
                                         {**same, "validity_seconds": 7200}, status=(202,)))
    assert service.api.certificate(name)["version"] == 2
    assert service.api.call("PUT", f"/certificates/{name}",
                            {**same, "validity_seconds": 1}).status == 422


def test_a_ca_that_takes_no_validity(certwright, fake, names):
    service = with_fake(certwright, fake)
    fake.script("/new-order", problem("malformed", "NotBefore and NotAfter are not supported"))
    job = service.api.failed(service.api.post_certificate(*names(), validity_seconds=86400))
    assert job["error"]["code"] == "ca.malformed"
    assert "validity_seconds" in job["error"]["detail"]


def test_the_config_may_name_a_deactivated_account(certwright, fake, names):
    """The service starts all the same, and the certificate tells."""
    service = with_fake(certwright, fake)
    service.api.succeeded(service.api.ok("POST", "/accounts/main/deactivate"))
    [name] = names()
    service.config["resources"]["certificates"] = {
        "late": {"identifiers": [name], "account": "main"}}
    service.configure(service.config)
    service.restart()
    until(lambda: service.api.certificate("late")["last_error"], 20, "its job has failed")
    assert "main" in service.api.certificate("late")["last_error"]["detail"]
