"""POST /preflight: tells what would fail, and orders nothing."""

import json
import socket
import sqlite3
import time
from contextlib import closing

import pytest

import pem
from fake_ca_script import problem
from own_ca import OwnCa
from process import until
from test_dns01 import httpreq
from test_tokens import make_token, refused


def look(api, body, **headers):
    """The result of a preflight, {(identifier, check): its status, detail and hint}."""
    job = api.ok("POST", "/preflight", body, status=(202,), headers=headers or None)
    job = api.succeeded(job)
    assert job["kind"] == "preflight" and job["error"] is None
    result = job["result"]
    checks = {(c["identifier"], c["check"]): c for c in result["checks"]}
    assert len(checks) == len(result["checks"])
    order = ["ok", "warning", "failed"]
    assert result["status"] == max((c["status"] for c in checks.values()), key=order.index)
    return result["status"], checks


def until_it_looks(api, status, body):
    """The checks. A CA that has answered within the last second is not asked again."""
    return until(lambda: (found := look(api, body))[0] == status and found[1], 20, status)


def of(identifier, **more):
    return {"identifiers": [identifier], "account": "main", **more}


@pytest.fixture
def caa(challtestsrv):
    """caa(name, (tag, value), …) puts records there for the test."""
    names = []

    def add(name, *records):
        names.append(name)
        challtestsrv.add_caa(name, *records)

    yield add
    for name in names:
        challtestsrv.clear_caa(name)


@pytest.fixture
def api(certwright, fake, provider, resolvers):
    """At a CA that goes by two names in CAA records; dns.example.com is the solver's."""
    fake.meta = {"caaIdentities": ["ca.example", "ca.test"]}
    service = certwright(
        resources={"authorities": {"pebble": fake.authority()},
                   "solvers": {"dns": httpreq(provider, "dns.example.com")}}, **resolvers)
    service.api.put_account()
    return service.api


@pytest.mark.smoke
def test_all_is_well(certwright, pebble, provider, resolvers, challtestsrv):
    zone, web, alias = "well.example.com", "web.well.example.net", "alias.well.example.com"
    service = certwright(pebble, resources={"solvers": {"dns": httpreq(provider, zone)}},
                         **resolvers)
    api = service.api
    api.put_account()
    body = {"identifiers": [zone, f"*.{zone}", web], "account": "main"}
    challtestsrv.set_cname(f"_acme-challenge.{alias}", "well.elsewhere.example")
    try:
        status, checks = look(api, {**body, "identifiers": [*body["identifiers"], alias,
                                                            "127.0.0.1"]})
    finally:
        challtestsrv.clear_cname(f"_acme-challenge.{alias}")
    assert status == "ok", checks
    names = [(name, check) for name in (zone, f"*.{zone}", alias)
             for check in ("solver", "zone", "caa")]
    assert set(checks) == {(None, "directory"), (None, "account"), (None, "limits"), *names,
                           (web, "solver"), (web, "addresses"), (web, "caa"),
                           ("127.0.0.1", "solver")}
    assert f"its zone {zone}" in checks[f"*.{zone}", "solver"]["detail"]
    assert "well.elsewhere.example, where its CNAME leads" in checks[alias, "zone"]["detail"]
    assert checks[web, "addresses"]["detail"].endswith(" 127.0.0.1")
    assert "http-01" in checks[web, "solver"]["detail"]

    assert api.ok("GET", "/orders")["items"] == [] and provider.calls == []
    assert api.ok("GET", "/certificates")["items"] == []
    assert api.get(f"/certificates/{zone}").status == 404
    api.succeeded(api.ok("POST", "/certificates", body, status=(202,)))
    assert look(api, {"certificate": zone})[0] == "ok"
    assert len(api.ok("GET", "/orders")["items"]) == 1


def test_it_can_be_waited_for_and_repeated(api):
    body = of("waited.example.com")
    headers = {"Prefer": "wait=20", "Idempotency-Key": "once"}
    first = api.post("/preflight", body, headers=headers)
    assert first.status == 202 and first.json()["state"] == "succeeded"
    assert first.json()["result"]["checks"]
    assert api.post("/preflight", body, headers=headers).json()["id"] == first.json()["id"]
    answer = api.post(f"/jobs/{first.json()['id']}/retry")
    assert answer.status == 409
    [found] = api.ok("GET", "/jobs?kind=preflight")["items"]
    assert found == api.job(first.json())


# what is refused at once

def test_what_the_post_refuses(certwright, fake):
    service = certwright(fake, file_roots=["/certs"])
    api = service.api
    api.put_account()
    key = pem.key_pem(pem.make_key())
    api.succeeded(api.post_certificate("taken.example.com", key={"pem": key}))
    api.put_account("own", key={"pem": pem.key_pem(own := pem.make_key())})
    fake.profiles = {"short": "six days"}
    api.succeeded(api.ok("POST", "/authorities/pebble/refresh", status=(202,)))
    api.ok("PUT", "/targets/certs", {"type": "files", "directory": "/certs/all"})
    api.ok("PATCH", "/certificates/taken.example.com", {"targets": [{"target": "certs", "path": "x"}]})
    bodies = [
        {}, {"identifiers": ["bad_name", "-"], "account": "nobody", "colour": 1},
        of("*.needs.example.com"), of("a.example.com", profile="long"),
        of("a.example.com", challenge={"solver": "absent"}),
        of("a.example.com", challenge={"type": "tls-alpn-01"}),
        of("a.example.com", targets=["absent"]), of("a.example.com", targets=[{"target": "certs", "path": "x"}]),
        of("a.example.com", name="taken.example.com"),
        of("a.example.com", key={"pem": pem.key_pem(own)}),
        {"identifiers": ["a.example.com"], "authority": "pebble"}]
    for body in bodies:
        told, wanted = api.post("/preflight", body), api.post("/certificates", body)
        assert wanted.status in (409, 422), (body, wanted)
        assert told.status == wanted.status, (body, told)
        problems = [answer.json() for answer in (told, wanted)]
        for one in problems:
            one.pop("instance", None)
        assert problems[0] == problems[1]
    assert api.ok("GET", "/jobs?kind=preflight")["items"] == []


def test_the_name_of_one_that_there_is(api):
    for body, pointer in (({"certificate": "absent"}, "/certificate"),
                          ({"certificate": "UPPER CASE"}, "/certificate"),
                          ({"certificate": "absent", "account": "main"}, "/account")):
        told = refused(api.post("/preflight", body), 422, "request.invalid")
        assert [error["pointer"] for error in told["errors"]] == [pointer]
    ca, key = OwnCa(), pem.make_key()
    api.ok("POST", "/imports", {"name": "brought", "private_key": pem.key_pem(key), "certificate":
                                ca.leaf(key, "brought.example.com"), "chain": ca.chain})
    told = refused(api.post("/preflight", {"certificate": "brought"}), 409, "state.conflict")
    assert "account" in told["detail"]


def test_narrow_tokens_ask_for_their_own(certwright, pebble, resolvers):
    service = certwright(pebble, **resolvers)
    api = service.api
    api.put_account()
    for name, labels in ("a.ci.example.com", {"team": "web"}), ("b.prod.example.com", {}):
        api.succeeded(api.post_certificate(name, labels=labels))
    narrow = make_token(service, "narrow", ["certificates:issue", "jobs:read"],
                        identifiers=["*.ci.example.com"], labels={"team": "web"})
    mine = of("new.ci.example.com", labels={"team": "web"})
    assert look(narrow, mine)[0] == "ok"
    assert look(narrow, {"certificate": "a.ci.example.com"})[0] == "ok"
    told = refused(narrow.post("/preflight", of("x.prod.example.com")), 403, "auth.forbidden")
    assert {error["pointer"] for error in told["errors"]} == {"/identifiers", "/labels"}
    hidden = refused(narrow.post("/preflight", {"certificate": "b.prod.example.com"}), 422,
                     "request.invalid")
    never = refused(narrow.post("/preflight", {"certificate": "never.example.com"}), 422,
                    "request.invalid")
    assert json.dumps(hidden["errors"]).replace("b.prod", "never") == json.dumps(never["errors"])
    foreign = api.succeeded(api.ok("POST", "/preflight", of("x.prod.example.com"), status=(202,)))
    refused(narrow.get(f"/jobs/{foreign['id']}"), 404, "not_found")
    assert len(narrow.ok("GET", "/jobs?kind=preflight")["items"]) == 2
    reader = make_token(service, "reader", ["certificates:read"])
    refused(reader.post("/preflight", mine), 403, "auth.forbidden")


def test_a_name_that_went_to_somebody_else_tells_nothing_of_it(certwright, fake):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        service = certwright(fake, resolvers=[f"127.0.0.1:{port}"], resolvers_only=True)
        api = service.api
        api.put_account()
        narrow = make_token(service, "narrow", ["certificates:issue", "jobs:read", "jobs:write"],
                            identifiers=["*.ci.example.com"])
        mine = of("a.ci.example.com", name="taken")
        job = narrow.ok("POST", "/preflight", mine, status=(202,))
        narrow.ok("POST", f"/jobs/{job['id']}/cancel", status=(200, 202))
        narrow.until_job(job, lambda j: j["state"] == "cancelled")
        fake.script("/new-order", *[problem("serverInternal", "of another service", status=500)] * 9)
        other = api.post_certificate("b.prod.example.com", name="taken")
        api.until_job(other, lambda j: j["error"])
        again = narrow.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
        text = json.dumps(narrow.succeeded(again))
    assert "of another service" not in text and "last job failed" not in text
    assert '"No rate limit or back-off' in text


# the CA

def test_a_ca_that_is_down(api, fake):
    fake.answer["/dir"] = (503, {}, b"")
    checks = until_it_looks(api, "failed", of("down.example.com"))
    assert checks[None, "directory"]["status"] == "failed"
    assert checks["down.example.com", "addresses"]["status"] == "ok"
    fake.answer.clear()
    assert look(api, of("down.example.com"))[0] == "ok"


def test_a_ca_that_is_left_alone(api, fake):
    fake.script("/new-order", *[problem("serverInternal", status=503, after=3600)] * 9)
    job = api.post_certificate("alone.example.com")
    api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    asked = len(fake.requests)
    status, checks = look(api, of("other.example.com"))
    assert status == "warning"
    assert checks[None, "directory"]["status"] == "warning"
    assert "left alone until" in checks[None, "directory"]["detail"]
    assert len(fake.requests) == asked
    # Nor does it let the CA be asked by those who wait for it.
    assert api.job(job)["state"] == "waiting"
    checks = look(api, {"certificate": "alone.example.com"})[1]
    assert "tries again" in checks[None, "limits"]["detail"]


def test_a_limit_of_the_account(api, fake):
    fake.script("/new-order", *[problem("rateLimited", "too many new orders for this account",
                                        after=3600)] * 9)
    job = api.post_certificate("limit.example.com")
    api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    status, checks = look(api, of("other.example.com"))
    assert status == "warning" and checks[None, "limits"]["status"] == "warning"
    assert '"order"' in checks[None, "limits"]["detail"]


def test_accounts_that_are_not_ready(api, fake):
    fake.terms = "https://ca.invalid/terms"
    body = {"authority": "pebble", "contacts": ["mailto:admin@example.com"],
            "terms_of_service_agreed": False}
    job = api.ok("PUT", "/accounts/unwilling", body, status=(202,))
    until(lambda: api.job(job)["error"], 30, "the CA has refused")
    status, checks = look(api, {"identifiers": ["a.example.com"], "account": "unwilling"})
    assert status == "failed" and checks[None, "account"]["status"] == "failed"
    assert look(api, of("a.example.com"))[0] == "ok"
    api.succeeded(api.post_certificate("mine.example.com"))
    api.succeeded(api.ok("POST", "/accounts/main/deactivate", status=(202,)))
    status, checks = look(api, {"certificate": "mine.example.com"})
    assert status == "failed" and "deactivated" in checks[None, "account"]["detail"]


def test_profiles(api, fake):
    fake.profiles = {"short": "six days"}
    api.succeeded(api.ok("POST", "/authorities/pebble/refresh", status=(202,)))
    status, checks = look(api, of("profile.example.com", profile="short"))
    assert status == "ok" and checks[None, "profile"]["status"] == "ok"
    fake.profiles = {"shorter": "a day"}  # which nobody has looked at since
    checks = until_it_looks(api, "failed", of("profile.example.com", profile="short"))
    assert checks[None, "profile"]["status"] == "failed"


def test_many_at_once_ask_the_ca_once_a_second(api, fake):
    def fetched():
        return [path for _, path, _ in fake.requests].count("/dir")

    before, begun = fetched(), time.monotonic()
    jobs = [api.ok("POST", "/preflight", of(f"n{n}.profile.example.com"), status=(202,))
            for n in range(30)]
    for job in jobs:
        assert api.succeeded(job)["result"]["checks"]
    assert fetched() - before <= time.monotonic() - begun + 2


# DNS

CAA = [  # where, records, for what, status, what is told
    ("", [("issue", "ca.example")], "", "ok", "allow this CA"),
    ("", [("issue", "other.example"), ("issue", "CA.test; x=y")], "", "ok", "allow this CA"),
    ("", [("issue", "other.example"), ("issue", "third.example")], "", "failed",
     "allow only other.example, third.example"),
    ("", [("issue", ";")], "", "failed", "allow nobody"),
    ("", [("iodef", "mailto:a@example.com")], "", "ok", "restrict nobody"),
    ("", [("issue", "other.example"), ("issuewild", "ca.test")], "*.", "ok", "allow this CA"),
    ("", [("issue", "ca.test"), ("issuewild", ";")], "*.", "failed", "allow nobody"),
    ("", [("issue", "ca.test"), ("issuewild", ";")], "", "ok", "allow this CA"),
    ("example.com", [("issue", "other.example")], "", "failed", "example.com allow only other"),
    ("", [("issue", "ca.test; validationmethods=http-01")], "", "failed", "another method"),
    ("", [("issue", "ca.test; validationmethods=http-01,dns-01")], "", "ok", "allow this CA"),
    ("", [("issue", "ca.test; accounturi=https://ca.test/1")], "", "failed", "another account"),
]


@pytest.mark.parametrize("where, records, prefix, status, told", CAA)
def test_caa(api, caa, where, records, prefix, status, told):
    name = f"n{CAA.index((where, records, prefix, status, told))}.dns.example.com"
    caa(where or name, *records)
    checks = look(api, of(prefix + name))[1]
    check = checks[prefix + name, "caa"]
    assert (check["status"], told in check["detail"]) == (status, True), check


def test_caa_for_this_very_account(api, caa):
    url = api.ok("GET", "/accounts/main")["url"]
    caa("mine.dns.example.com", ("issue", f"ca.test; accounturi={url}"))
    assert look(api, of("mine.dns.example.com"))[0] == "ok"


def test_caa_of_a_ca_that_does_not_tell_its_names(certwright, pebble, caa, resolvers):
    service = certwright(pebble, **resolvers)
    service.api.put_account()
    caa("untold.example.com", ("issue", "other.example"))
    status, checks = look(service.api, of("untold.example.com"))
    assert status == "warning"
    assert "allow only other.example" in checks["untold.example.com", "caa"]["detail"]


def test_dns_that_fails(api, challtestsrv):
    name = "servfail.example.com"
    challtestsrv.set_servfail(name)
    try:
        status, checks = look(api, of(name))
    finally:
        challtestsrv.clear_servfail(name)
    assert status == "failed"
    for check in "addresses", "caa":
        assert checks[name, check]["status"] == "failed"
        assert checks[name, check]["detail"].startswith("dns.servfail: ")


def test_solvers_that_cannot_do(api, provider):
    api.ok("PUT", "/solvers/hand", {"type": "manual", "zones": ["hand.example.com"]})
    status, checks = look(api, of("*.hand.example.com"))
    assert status == "warning" and checks["*.hand.example.com", "solver"]["status"] == "warning"
    api.ok("PUT", "/solvers/gone", httpreq(provider, "gone.example.com"))
    name = "*.gone.example.com"
    job = api.post_certificate(name)
    api.succeeded(job)
    api.ok("DELETE", "/solvers/gone", status=(204,))
    status, checks = look(api, {"certificate": "wildcard.gone.example.com"})
    assert status == "failed" and checks[name, "solver"]["status"] == "failed"
    assert (name, "zone") not in checks


# the end of the process

def test_it_goes_on_after_a_restart(certwright, fake):
    service = certwright(fake, resolvers=["127.0.0.1:9"], resolvers_only=True)
    api = service.api
    api.put_account()
    job = api.ok("POST", "/preflight", of("restart.example.com"), status=(202,))
    service.kill()
    service.start()
    assert api.succeeded(job)["result"]["status"] == "failed"


def test_nothing_of_the_rehearsal_stays(api, tmp_path):
    body = of("rehearsed.example.com", key={"pem": pem.key_pem(pem.make_key())},
              labels={"team": "web"})
    look(api, body)
    [path] = tmp_path.glob("certwright-*/data/certwright.db")
    with closing(sqlite3.connect(path)) as db:
        for table in ("certificate", "version", "deleted_certificate", "certificate_identifier"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        kinds = {kind for kind, in db.execute("SELECT kind FROM job")}
    assert kinds == {"account.create", "preflight"}
