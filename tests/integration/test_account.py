"""Accounts at the CA: registered, found again by their key, refreshed, bound to another account."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes

import pem

EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def thumbprint(jwk):
    """RFC 7638: the required members, sorted, without white space."""
    required = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in required}, separators=(",", ":"), sort_keys=True)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    return base64.urlsafe_b64encode(digest.finalize()).rstrip(b"=").decode()


@pytest.mark.smoke
def test_what_is_known_of_an_account(certwright, pebble):
    api = certwright(pebble).api
    api.put_account(contacts=["mailto:a@example.com", "mailto:b@example.com"])
    account = api.ok("GET", "/accounts/main")
    assert account["status"] == "valid" and account["authority"] == "pebble"
    assert account["url"].startswith(f"https://127.0.0.1:{pebble.port}/my-account/")
    assert sorted(account["contacts"]) == ["mailto:a@example.com", "mailto:b@example.com"]
    assert account["ca_object"]["status"] == "valid"
    assert account["key"]["type"] == "ec-p256"
    assert account["key"]["thumbprint"] == thumbprint(account["key"]["jwk"])
    assert "PRIVATE" not in json.dumps(account)


@pytest.mark.parametrize("kind", ["ec-p256", "ec-p384", "rsa-2048"])
def test_each_type_of_account_key(certwright, pebble, names, kind):
    api = certwright(pebble).api
    api.put_account(key={"type": kind})
    assert api.ok("GET", "/accounts/main")["key"]["type"] == kind
    api.succeeded(api.post_certificate(*names()))


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
def test_account_recovered_by_its_key_alone(certwright, pebble, names, form):
    key = pem.make_key("rsa-2048" if form == "pkcs8" else "ec-p256")
    first = certwright(pebble).api
    first.put_account(key={"pem": pem.key_pem(key, form)})
    known = first.ok("GET", "/accounts/main")

    second = certwright(pebble, http01_listen="127.0.0.1:0").api
    job = second.ok("POST", "/accounts", {
        "name": "again", "authority": "pebble", "key": {"pem": pem.key_pem(key)},
        "only_existing": True})
    second.succeeded(job)
    again = second.ok("GET", "/accounts/again")
    assert again["url"] == known["url"] and again["status"] == "valid"
    assert again["key"]["thumbprint"] == known["key"]["thumbprint"]


def test_only_existing_makes_none(certwright, pebble):
    api = certwright(pebble).api
    job = api.failed(api.ok("POST", "/accounts", {
        "name": "ghost", "authority": "pebble", "only_existing": True,
        "key": {"pem": pem.key_pem(pem.make_key())}}))
    assert job["error"]["code"] == "ca.account_does_not_exist"
    assert job["error"]["acme"]["type"].endswith(":accountDoesNotExist")


def test_terms_are_never_agreed_to_unasked(certwright, pebble):
    api = certwright(pebble).api
    job = api.failed(api.ok("POST", "/accounts", {"name": "main", "authority": "pebble"}))
    assert job["error"]["acme"]["type"].startswith("urn:ietf:params:acme:error:")
    assert "terms_of_service_agreed" in job["error"]["detail"]
    assert api.ok("GET", "/accounts/main")["last_error"]["code"] == job["error"]["code"]


def test_contacts_change(certwright, pebble):
    api = certwright(pebble).api
    api.put_account()
    api.succeeded(api.ok("PATCH", "/accounts/main", {"contacts": ["mailto:new@example.com"]}))
    api.succeeded(api.ok("POST", "/accounts/main/refresh"))
    account = api.ok("GET", "/accounts/main")
    assert account["contacts"] == ["mailto:new@example.com"]
    assert account["ca_object"]["contact"] == ["mailto:new@example.com"]


def test_external_account_binding(certwright, pebble_with):
    pebble = pebble_with(config={"externalAccountBindingRequired": True,
                                 "externalAccountMACKeys": {"kid-1": EAB_KEY}})
    service = certwright(pebble)
    api = service.api
    job = api.failed(api.ok("PUT", "/accounts/none", {
        "authority": "pebble", "terms_of_service_agreed": True}))
    assert job["error"]["code"] == "ca.external_account_required"

    api.put_account("bound", eab={"kid": "kid-1", "hmac_key": EAB_KEY})
    assert api.ok("GET", "/accounts/bound")["status"] == "valid"
    assert EAB_KEY not in service.process.log()


def test_an_authority_that_wants_eab_refuses_at_once(certwright, pebble):
    api = certwright(resources={"authorities": {"pebble": pebble.authority(eab_required=True)}}).api
    answer = api.post("/accounts", {"name": "main", "authority": "pebble",
                                    "terms_of_service_agreed": True})
    assert answer.status == 422
    assert answer.json()["errors"][0]["pointer"] == "/eab"
    assert api.get("/accounts/main").status == 404


def test_all_invalid_fields_at_once(certwright, pebble):
    api = certwright(pebble).api
    answer = api.post("/accounts", {"name": "Not A Name", "authority": "nobody", "colour": "red",
                                    "contacts": ["tel:+49"], "key": {"type": "dsa"}})
    assert answer.status == 422
    pointers = {e["pointer"] for e in answer.json()["errors"]}
    assert {"/name", "/authority", "/colour", "/contacts/0", "/key/type"} <= pointers
    assert api.ok("GET", "/accounts")["items"] == []


def test_directory_is_shown_verbatim(certwright, pebble):
    api = certwright(pebble).api
    assert api.get("/authorities/pebble/directory").status == 404
    api.succeeded(api.ok("POST", "/authorities/pebble/refresh"))
    directory = api.ok("GET", "/authorities/pebble/directory")
    assert directory["directory"] == json.loads(pebble.directory())
