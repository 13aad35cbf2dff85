"""dns-account-01, dns-persist-01, profiles, and challenges that nobody knows."""

import base64
import hashlib
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest

import pem
from fake_ca import FakeCa
from process import until

PERSIST = {"type": "dns-persist-01"}


@pytest.fixture
def ca(tmp_path):
    server = FakeCa(tmp_path / "ca").start()
    yield server
    server.stop()


@pytest.fixture
def txt(challtestsrv):
    """Sets TXT records by hand, and takes them away at the end."""
    names = set()

    def put(name, value):
        names.add(name)
        challtestsrv.set_txt(f"{name}.", value)

    yield put
    for name in names:
        challtestsrv.clear_txt(f"{name}.")


def httpreq(provider, zone):
    return {"dns": {"type": "httpreq", "endpoint": provider.endpoint, "zones": [zone]}}


def records(job):
    return [i["challenge"] and i["challenge"]["record"] for i in job["identifiers"]]


def shown(job):
    return job["state"] == "waiting" and all(records(job)) and job["next_attempt_at"] is None


def refused(api, pointer, **body):
    answer = api.post("/certificates", {"account": "main", **body})
    assert answer.status == 422, answer
    [error] = [e for e in answer.json()["errors"] if e["pointer"] == pointer]
    return error["detail"]


# dns-account-01

def test_dns_account_01_at_pebble(certwright, pebble_with, provider, resolvers):
    zone = "account.example.com"
    newest = pebble_with(version="newest")
    api = certwright(newest, resources={"solvers": httpreq(provider, zone)}, **resolvers).api
    api.put_account()
    wanted = [zone, f"*.{zone}", f"www.{zone}"]
    job = api.succeeded(api.post_certificate(*wanted, name="account",
                                             challenge={"type": "dns-account-01"}))
    assert {i["challenge"]["type"] for i in job["identifiers"]} == {"dns-account-01"}
    assert pem.names_of(pem.load(api.pem("account", "cert.pem"))) == sorted(wanted)
    placed = {fqdn for path, fqdn, _, _ in provider.calls if path == "present"}
    labels = {fqdn.split("._acme-challenge.")[0] for fqdn in placed}
    assert len(labels) == 1 and len(labels.pop()) == 17
    assert {fqdn.split("._acme-challenge.")[1] for fqdn in placed} == {f"{zone}.", f"www.{zone}."}
    until(lambda: not provider.left(), 15, "every TXT record is removed")


def test_dns_account_01_follows_a_cname(certwright, ca, provider, resolvers, challtestsrv):
    zone = "alias.example.com"
    ca.challenge_types = ["dns-account-01"]
    api = certwright(ca, resources={"solvers": httpreq(provider, zone)}, **resolvers).api
    api.put_account()
    account = api.ok("GET", "/accounts/main")["url"]
    label = base64.b32encode(hashlib.sha256(account.encode()).digest()[:10]).decode().lower()
    challtestsrv.set_cname(f"_{label}._acme-challenge.{zone}.", f"there.{zone}.")
    job = api.succeeded(api.post_certificate(f"*.{zone}", challenge={"type": "dns-account-01"}))
    assert [record["name"] for record in records(job)] == [f"there.{zone}"]
    assert {fqdn for _, fqdn, _, _ in provider.calls} == {f"there.{zone}."}


def test_what_the_ca_offers_instead_is_told(certwright, ca):
    ca.challenge_types = ["dns-01", "sorcery-01"]
    api = certwright(ca).api
    api.put_account()
    job = api.failed(api.post_certificate("other.example.com", challenge={"type": "http-01"}))
    assert job["error"]["code"] == "challenge.none"
    assert job["error"]["detail"].endswith("http-01 challenge for other.example.com, but: dns-01")


def test_records_want_a_dns_name_and_a_solver(certwright, pebble):
    api = certwright(pebble).api
    api.put_account()
    for kind in ("dns-account-01", "dns-persist-01"):
        assert "127.0.0.1" in refused(api, "/challenge/type", identifiers=["127.0.0.1"],
                                      challenge={"type": kind})
    refused(api, "/identifiers/0", identifiers=["nobody.example.com"],
            challenge={"type": "dns-account-01"})
    answer = api.post("/certificates", {"account": "main", "identifiers": ["nobody.example.com"],
                                        "challenge": {"type": "dns-02"}})
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/challenge/type"]
    for kind in ("dns-account-01", "dns-persist-01"):
        refused(api, "/challenge/solver", identifiers=["nobody.example.com"],
                challenge={"type": kind, "solver": "http-01"})
    refused(api, "/challenge/persist_until", identifiers=["nobody.example.com"],
            challenge={"type": "dns-01", "persist_until": "2027-01-31T00:00:00Z"})
    refused(api, "/challenge/persist_until", identifiers=["nobody.example.com"],
            challenge={**PERSIST, "persist_until": "tomorrow"})


def is_answered(service, ca, i=0):
    """The i-th name of the CA's only order."""
    [n] = ca.orders
    port = service.config["http01_listen"].rpartition(":")[2]
    with closing(HTTPConnection("127.0.0.1", int(port), timeout=5)) as connection:
        connection.request("GET", f"/.well-known/acme-challenge/token-{n}-{i}")
        return connection.getresponse().status == 200


def at_the_challenge(ca, api, *names):
    """A job whose tokens are up, while the CA has not looked yet."""
    ca.hold("/chall")
    job = api.post_certificate(*names)
    until(lambda: ca.posts("/chall"), 20, "the CA is asked to look")
    return job


def test_what_is_proven_comes_down_before_there_is_a_certificate(certwright, ca, names):
    """By the commit that ends the validation, so that no start puts it up again."""
    service = certwright(ca)
    api = service.api
    api.put_account()
    ca.hold("/finalize")
    job = at_the_challenge(ca, api, *names())
    assert is_answered(service, ca)
    ca.release("/chall")
    until(lambda: ca.posts("/finalize"), 20, "the names are proven")
    assert not is_answered(service, ca)
    assert api.ok("GET", f"/jobs/{job['id']}")["finished_at"] is None
    service.kill()
    service.start()
    assert not is_answered(service, ca)
    ca.release("/finalize")
    api.succeeded(job)
    assert api.ok("GET", "/jobs?kind=challenge.cleanup")["items"] == []


def test_what_is_not_proven_comes_down_with_the_job(certwright, ca, names):
    service = certwright(ca)
    api = service.api
    api.put_account()
    job = at_the_challenge(ca, api, *names(2))
    assert is_answered(service, ca) and is_answered(service, ca, 1)
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(202,))
    ca.release("/chall")
    assert api.ended(job)["state"] == "cancelled"
    for _ in range(2):  # the second time after a start
        assert not is_answered(service, ca) and not is_answered(service, ca, 1)
        service.kill()
        service.start()


# dns-persist-01

def test_a_persons_record_is_waited_for(certwright, ca, resolvers, txt):
    zone = "byhand.example.com"
    ca.challenge_types = ["http-01", "dns-persist-01"]
    api = certwright(ca, **resolvers).api
    api.put_account()
    job = api.until_job(api.post_certificate(zone, f"*.{zone}", name="byhand", challenge=PERSIST),
                        shown)
    account = api.ok("GET", "/accounts/main")["url"]
    for identifier in job["identifiers"]:
        record = identifier["challenge"]["record"]
        assert record["type"] == "TXT" and record["name"] == f"_validation-persist.{zone}"
        assert record["value"] == f"ca.invalid; accounturi={account}; policy=wildcard"
        assert identifier["challenge"]["solver"] is None
        assert record["value"] in identifier["detail"]
    assert not ca.posts("/chall/")
    txt(record["name"], record["value"])
    # Nobody calls /continue: it is seen.
    job = api.succeeded(job)
    assert ca.posts("/chall/") == [{}, {}]
    # What is in place is good for the next one at once.
    before = time.monotonic()
    api.succeeded(api.post_certificate(zone, name="second", challenge=PERSIST))
    assert time.monotonic() - before < 10


def test_a_record_by_a_provider_stays(certwright, ca, provider, resolvers):
    zone = "stays.example.com"
    ca.challenge_types = ["dns-persist-01"]
    api = certwright(ca, resources={"solvers": httpreq(provider, zone)}, **resolvers).api
    api.put_account()
    spec = {"challenge": {**PERSIST, "solver": "dns", "persist_until": "2099-01-31T00:00:00Z"}}
    job = api.succeeded(api.post_certificate(zone, **spec))
    [record] = records(job)
    assert record["value"].endswith("; persistUntil=4073500800")
    assert api.certificate(zone)["challenge"]["persist_until"] == "2099-01-31T00:00:00.000Z"
    job = api.succeeded(api.post_certificate(zone, name="again", **spec))
    assert "is there" in job["identifiers"][0]["detail"]
    calls = [(path, fqdn) for path, fqdn, _, _ in provider.calls]
    assert calls == [("present", f"_validation-persist.{zone}.")]
    assert provider.left() == {f"_validation-persist.{zone}.": {record["value"]}}


def test_dns_persist_01_at_pebble(certwright, pebble_with, provider, resolvers):
    zone = "persist.example.com"
    newest = pebble_with(version="newest")
    api = certwright(newest, resources={"solvers": httpreq(provider, zone)}, **resolvers).api
    api.put_account()
    wanted = [zone, f"*.{zone}"]
    for name in ("first", "second"):
        api.succeeded(api.post_certificate(*wanted, name=name, challenge=PERSIST))
        assert pem.names_of(pem.load(api.pem(name, "cert.pem"))) == sorted(wanted)
    assert [path for path, *_ in provider.calls] in (["present"], ["present"] * 2)


FITTING = ["{issuer}; accounturi={account}", "other.invalid.;ACCOUNTURI={account};x=y",
           " CA.Invalid ; policy=wildcard ; accounturi = {account} ; PersistUntil=4073500800"]
OTHERS = ["{issuer}", "elsewhere.invalid; accounturi={account}", "{issuer}; accounturi={account}0",
          "{issuer}; accounturi={account}; persistUntil=1700000000",
          "{issuer}; accounturi={account}; accounturi={account}", "accounturi={account}", ""]


@pytest.mark.parametrize("value", FITTING)
def test_any_fitting_record_will_do(certwright, ca, resolvers, txt, names, value):
    ca.challenge_types = ["dns-persist-01"]
    ca.issuer_names = ["ca.invalid", "other.invalid"]
    api = certwright(ca, **resolvers).api
    api.put_account()
    account = api.ok("GET", "/accounts/main")["url"]
    [name] = names()
    for other in OTHERS[:-1]:
        txt(f"_validation-persist.{name}", other.format(issuer="ca.invalid", account=account))
    txt(f"_validation-persist.{name}", value.format(issuer="ca.invalid", account=account))
    api.succeeded(api.post_certificate(name, challenge=PERSIST))


def test_records_that_do_not_fit_are_waited_past(certwright, ca, resolvers, txt, names):
    ca.challenge_types = ["dns-persist-01"]
    api = certwright(ca, **resolvers).api
    api.put_account()
    account = api.ok("GET", "/accounts/main")["url"]
    [zone] = names()
    for other in OTHERS[:-1]:
        txt(f"_validation-persist.{zone}", other.format(issuer="ca.invalid", account=account))
    # A plain one is none for a wildcard.
    txt(f"_validation-persist.{zone}", f"ca.invalid; accounturi={account}")
    job = api.until_job(api.post_certificate(f"*.{zone}", name="w", challenge=PERSIST), shown)
    api.ok("POST", f"/jobs/{job['id']}/continue", status=(202,))
    api.until_job(job, shown)
    assert not ca.posts("/chall/")
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(200, 202))
    assert api.ended(job)["state"] == "cancelled"


def test_after_persist_until_only_what_is_there_will_do(certwright, ca, resolvers, txt, names):
    ca.challenge_types = ["dns-persist-01"]
    api = certwright(ca, **resolvers).api
    api.put_account()
    there, missing = names(2)
    account = api.ok("GET", "/accounts/main")["url"]
    txt(f"_validation-persist.{there}", f"ca.invalid; accounturi={account}")
    over = {**PERSIST, "persist_until": "2020-01-31T00:00:00Z"}
    api.succeeded(api.post_certificate(there, challenge=over))
    error = api.failed(api.post_certificate(missing, challenge=over))["error"]
    assert error["code"] == "request.invalid" and "persist_until is over" in error["detail"]


def test_no_record_for_anothers_account(certwright, ca, provider, resolvers):
    zone = "foreign.example.com"
    ca.challenge_types = ["dns-persist-01"]

    def foreign(authorization, _ca):
        authorization["challenges"][0]["accounturi"] = "https://ca.invalid/account/666"

    ca.bend["authorization"] = foreign
    api = certwright(ca, resources={"solvers": httpreq(provider, zone)}, **resolvers).api
    api.put_account()
    job = api.ended(api.post_certificate(zone, challenge=PERSIST, retry_for_seconds=0))
    assert job["state"] == "failed" and job["error"]["code"] == "ca.protocol"
    assert not provider.calls


def test_dns_persist_01_survives_a_restart(certwright, ca, resolvers, txt, names):
    ca.challenge_types = ["dns-persist-01"]
    service = certwright(ca, **resolvers)
    service.api.put_account()
    [name] = names()
    job = service.api.until_job(service.api.post_certificate(name, challenge=PERSIST), shown)
    service.kill()
    [record] = records(job)
    txt(record["name"], record["value"])
    service.start()
    service.api.succeeded(job)


# addresses over http-01

@pytest.mark.parametrize("written, address, host", [
    ("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("0:0:0:0:0:0:0:1", "::1", "[::1]"),
    ("127.0.0.1", "127.0.0.1", "[::]"), ("::1", "::1", "[::]")])
def test_addresses_over_http_01(certwright, pebble, http01_port, written, address, host):
    api = certwright(pebble, http01_listen=f"{host}:{http01_port}").api
    api.put_account()
    job = api.succeeded(api.post_certificate(written, name="address"))
    assert [i["value"] for i in job["identifiers"]] == [address]
    assert pem.names_of(pem.load(api.pem("address", "cert.pem"))) == [address]


def test_an_address_is_written_as_rfc_5952_has_it(certwright, ca):
    ca.bend["authorization"] = lambda a, _ca: a["identifier"].update(
        value="2001:0DB8:0:0:0:0:0:1" if a["identifier"]["type"] == "ip" else "x")
    api = certwright(ca).api
    api.put_account()
    api.succeeded(api.post_certificate("2001:0DB8:0:0::0:1"))
    [order] = ca.posts("/new-order")
    assert order["identifiers"] == [{"type": "ip", "value": "2001:db8::1"}]


# challenges that nobody knows

def test_strange_challenges_do_no_harm(certwright, ca, names):
    ca.challenge_types = ["http-01"]

    def strange(authorization, _ca):
        [good] = authorization["challenges"]
        authorization["challenges"] = [
            {"type": "quantum-01", "url": good["url"], "status": "pending", "secret": [1]},
            {"type": "http-01", "url": good["url"], "status": "pending"},
            {"type": "dns-persist-01", "url": good["url"], "status": "pending",
             "issuer-domain-names": "none", "accounturi": 7},
            {"url": good["url"]}, {"type": "no-url"}, 7, None, good]

    ca.bend["authorization"] = strange
    api = certwright(ca).api
    api.put_account()
    job = api.succeeded(api.post_certificate(*names()))
    assert job["identifiers"][0]["challenge"]["type"] == "http-01"


# profiles

def test_a_profile_that_there_is_not_is_refused_at_once(certwright, ca, names):
    ca.profiles = {"classic": "the usual", "shortlived": "six days"}
    api = certwright(ca).api
    assert api.ok("GET", "/authorities/pebble")["profiles"] is None  # not known yet
    api.put_account()
    assert api.ok("GET", "/authorities/pebble")["profiles"] == ca.profiles
    [name] = names()
    detail = refused(api, "/profile", identifiers=[name], profile="classical")
    assert "classic" in detail and "shortlived" in detail
    answer = api.put(f"/certificates/{name}", {"account": "main", "identifiers": [name],
                                               "profile": "classical"})
    assert answer.status == 422, answer
    api.succeeded(api.post_certificate(name, profile="shortlived"))
    assert ca.posts("/new-order")[-1]["profile"] == "shortlived"
    assert len(ca.posts("/new-order")) == 1


def test_a_ca_without_profiles_is_sent_none(certwright, ca, names):
    api = certwright(ca).api
    api.put_account()
    detail = refused(api, "/profile", identifiers=names(), profile="classic")
    assert "no profiles" in detail
    assert api.ok("GET", "/authorities/pebble")["profiles"] is None


def test_profiles_at_pebble(certwright, pebble_with, names):
    newest = pebble_with(version="newest", config={"profiles": {
        "week": {"description": "seven days", "validityPeriod": 7 * 86400},
        "month": {"description": "thirty days", "validityPeriod": 30 * 86400}}})
    api = certwright(newest).api
    api.put_account()
    assert api.ok("GET", "/authorities/pebble")["profiles"] == {"week": "seven days",
                                                                "month": "thirty days"}
    for profile, days in (("week", 7), ("month", 30)):
        [name] = names()
        api.succeeded(api.post_certificate(name, profile=profile))
        leaf = pem.load(api.pem(name, "cert.pem"))
        life = leaf.not_valid_after - leaf.not_valid_before
        assert round(life.total_seconds() / 86400) == days
