"""PUT converges, and so does the config's `resources`: the same again does nothing."""

import sqlite3
from contextlib import closing

import pytest

import pem
from api import Api, at_once


def main_account(**more):
    return {"authority": "pebble", "contacts": ["mailto:admin@example.com"],
            "terms_of_service_agreed": True, **more}


@pytest.mark.smoke
def test_a_config_alone_gets_a_certificate(certwright, pebble, names, tmp_path):
    """A sidecar needs no call: account and certificate come from the config."""
    [name] = names()
    key = pem.key_pem(pem.make_key())
    (tmp_path / "account.pem").write_text(key)
    service = certwright(
        pebble, defaults={"account": "main"},
        resources={"accounts": {"main": main_account(
            contacts=[{"$env": "CONTACT"}], key={"pem": {"$file": str(tmp_path / "account.pem")}})},
            "certificates": {"site": {"identifiers": [name]}}},
        env={"CONTACT": "mailto:env@example.com"})
    api = service.api
    [job] = api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"]
    api.succeeded(job)
    resource = api.certificate("site")
    assert resource["managed_by"] == "config" and resource["identifiers"] == [name]
    account = api.ok("GET", "/accounts/main")
    assert account["contacts"] == ["mailto:env@example.com"]
    assert account["managed_by"] == "config"
    service.restart()
    assert api.certificate("site")["version"] == 1
    assert len(api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"]) == 1
    answer = api.delete("/certificates/site")
    assert answer.status == 409 and answer.json()["code"] == "config.managed"


def test_what_leaves_the_config_stays_and_is_ours(certwright, pebble, names):
    [name] = names()
    service = certwright(pebble, resources={
        "accounts": {"main": main_account()},
        "certificates": {"site": {"identifiers": [name], "account": "main"}}})
    api = service.api
    [job] = api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"]
    api.succeeded(job)
    service.stop()
    service.configure({**service.config, "resources": {
        **service.config["resources"], "certificates": {}}})
    service.start()
    resource = api.certificate("site")
    assert resource["status"] == "valid" and resource["managed_by"] == "api"


def test_a_changed_config_makes_a_new_version(certwright, pebble, names):
    a, b = names(2)
    service = certwright(pebble, resources={
        "accounts": {"main": main_account()},
        "certificates": {"site": {"identifiers": [a], "account": "main"}}})
    api = service.api
    [job] = api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"]
    api.succeeded(job)
    service.stop()
    resources = {**service.config["resources"],
                 "certificates": {"site": {"identifiers": [a, b], "account": "main"}}}
    service.configure({**service.config, "resources": resources})
    service.start()
    job = api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"][0]
    api.succeeded(job)
    assert api.certificate("site")["version"] == 2
    assert pem.names_of(pem.load(api.pem("site", "cert.pem"))) == sorted([a, b])


def test_a_broken_config_is_told_with_the_place(certwright, pebble):
    service = certwright(pebble, start=False, resources={
        "certificates": {"site": {"identifiers": ["a b"], "colour": "red"}}})
    service.start(ready=False)
    assert service.process.wait(10) not in (0, 99)
    log = service.process.log()
    assert "/resources/certificates/site/identifiers/0" in log
    assert "/resources/certificates/site/colour" in log


def test_put_twice_orders_once(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    a, b = names(2)
    body = {"identifiers": [b, a], "account": "main"}
    job = api.ok("PUT", "/certificates/site", body, status=(202,))
    again = api.put("/certificates/site", body)
    assert again.status in (200, 202)  # 200 should it have ended meanwhile
    if again.status == 202:
        assert again.json()["id"] == job["id"]
    api.succeeded(job)
    # The same set in another order and case is the same spec.
    same = api.put("/certificates/site", {"identifiers": [a.upper(), b], "account": "main"})
    assert same.status == 200 and same.json()["version"] == 1
    assert len(api.ok("GET", "/jobs?certificate=site&kind=certificate.issue")["items"]) == 1


@pytest.mark.parametrize("change", [
    {"key": {"type": "ec-p384"}},
    {"identifiers": 2},
])
def test_put_of_a_change_makes_a_new_version(certwright, pebble, names, change):
    api = certwright(pebble).api
    api.put_account()
    wanted = names(2)
    body = {"identifiers": wanted[:1], "account": "main"}
    api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
    body.update(change)
    if "identifiers" in change:
        body["identifiers"] = wanted
    api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
    assert api.certificate("site")["version"] == 2


def test_each_change_of_what_is_certified_makes_a_version(certwright, fake, names):
    """One after the other; the same again makes none. A csr takes the place of names and key."""
    fake.profiles = {"classic": "the usual", "shortlived": "six days"}
    authorities = {name: fake.authority() for name in ("pebble", "other")}
    api = certwright(resources={"authorities": authorities}).api
    api.put_account()
    api.put_account("second")
    api.put_account("third", authority="other")
    [a, b] = names(2)
    body = {"identifiers": [a], "account": "main"}
    changes = [{}, {"identifiers": [b, a]}, {"key": {"type": "ec-p384"}},
               {"key": {"pem": pem.key_pem(pem.make_key())}},
               {"key": {"pem": pem.key_pem(pem.make_key())}},
               {"profile": "shortlived"}, {"preferred_chain": "Another Root"},
               {"account": "second"}, {"account": None, "authority": "other"},
               {"identifiers": None, "key": None, "csr": pem.make_csr(pem.make_key(), [a])},
               {"csr": pem.make_csr(pem.make_key(), [a])}]
    for version, change in enumerate(changes, 1):
        body = {name: value for name, value in {**body, **change}.items() if value is not None}
        job = api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
        assert job["kind"] == "certificate.issue", change
        again = api.put("/certificates/site", body)
        assert again.status == 200 and again.json()["version"] == version, (change, again)
        assert len(fake.posts("/new-order")) == version, change
    assert again.json()["account"] == "third" and fake.posts("/new-order")[5]["profile"]


@pytest.mark.smoke
def test_fifty_callers_with_one_spec_share_one_order(certwright, fake, contract, names):
    """Two clients, each at it many times: while it is new, under way, and once it is there."""
    service = certwright(resources={"authorities": {"pebble": fake.authority()}})
    api, local = service.api, Api(contract, unix=service.socket)
    api.put_account()
    a, b = names(2)
    wishes = [{"identifiers": [a, b], "account": "main"},
              {"account": "main", "identifiers": [b.upper(), a, a]}]
    calls = [lambda who=who, wish=wish: who.put("/certificates/site", wish)
             for who in (api, local) for wish in wishes for _ in range(13)]
    fake.hold("/new-order")
    answers = at_once(calls)
    assert {answer.status for answer in answers} == {202}
    [job] = {answer.json()["id"] for answer in answers}
    fake.release("/new-order")
    api.succeeded(job)
    answers = at_once(calls)
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["version"] for answer in answers} == {1}
    [order] = api.ok("GET", "/orders?certificate=site")["items"]
    assert len(fake.posts("/new-order")) == 1 and order["job"] == job


def test_put_of_changed_labels_makes_none(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    body = {"identifiers": names(), "account": "main"}
    api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
    answer = api.put("/certificates/site", {**body, "labels": {"team": "web"}})
    assert answer.status == 200
    assert answer.json()["labels"] == {"team": "web"} and answer.json()["version"] == 1


def test_put_after_a_failure_waits_for_its_back_off(certwright, pebble, challtestsrv, names):
    [name] = names()
    challtestsrv.add_a(name, "127.0.0.2")
    service = certwright(pebble)
    api = service.api
    api.put_account()
    body = {"identifiers": [name], "account": "main"}
    api.failed(api.ok("PUT", "/certificates/site", body, status=(202,)))
    answer = api.put("/certificates/site", body)
    assert answer.status == 200 and answer.json()["last_error"]["code"].startswith("ca.")
    challtestsrv.clear_a(name)
    # Two minutes later the one minute that a first failure holds is over.
    service.stop()
    with closing(sqlite3.connect(service.data / "certwright.db")) as db, db:
        db.execute("UPDATE job SET finished_at = finished_at - 120000 WHERE finished_at > 0")
    service.start()
    api.succeeded(api.ok("PUT", "/certificates/site", body, status=(202,)))
    resource = api.certificate("site")
    assert resource["status"] == "valid" and resource["last_error"] is None


def test_put_of_an_account_twice(certwright, pebble):
    api = certwright(pebble).api
    api.succeeded(api.ok("PUT", "/accounts/main", main_account(), status=(202,)))
    assert api.put("/accounts/main", main_account()).status == 200
    changed = main_account(contacts=["mailto:other@example.com"])
    api.succeeded(api.ok("PUT", "/accounts/main", changed, status=(202,)))
    assert api.ok("GET", "/accounts/main")["contacts"] == ["mailto:other@example.com"]


def test_post_of_a_taken_name(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    [name] = names()
    api.post_certificate(name)
    answer = api.post("/certificates", {"identifiers": [name], "account": "main"})
    assert answer.status == 409 and answer.json()["code"] == "name.taken"


def test_a_default_that_is_not_there_is_told_as_one(certwright, names):
    """Who wrote no account would not know otherwise where the name comes from."""
    api = certwright(defaults={"account": "main"}).api
    answer = api.post("/certificates", {"identifiers": names()})
    assert answer.status == 422
    assert [(error["pointer"], error["detail"]) for error in answer.json()["errors"]] == [
        ("/account", 'there is no account "main"'),
        ("/account", "was not given, so that it is the config's default")]


def test_defaults_and_the_only_account(certwright, pebble, names):
    api = certwright(pebble, defaults={"key": {"type": "ec-p384"}}).api
    answer = api.post("/certificates", {"identifiers": names(), "authority": "pebble"})
    assert answer.status == 422  # there is no account yet
    api.put_account("one")
    job = api.succeeded(api.ok("POST", "/certificates", {
        "identifiers": names(), "authority": "pebble", "name": "site"}))
    resource = api.certificate(job["resource"]["name"])
    assert resource["account"] == "one" and resource["key"]["type"] == "ec-p384"
    api.put_account("two")
    answer = api.post("/certificates", {"identifiers": names(), "authority": "pebble"})
    assert answer.status == 422
    assert "one" in answer.text and "two" in answer.text


def test_without_a_default_account_the_field_is_named(certwright, pebble, names):
    api = certwright(pebble).api
    api.put_account()
    answer = api.post("/certificates", {"identifiers": names()})
    assert answer.status == 422
    assert any(e["pointer"] in ("/account", "/authority") for e in answer.json()["errors"])
