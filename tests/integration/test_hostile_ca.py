"""A CA that lies: what it says is checked before anything is done by it."""

import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dns_provider import DnsProvider
from fake_ca_objects import common_name, pem
from fake_ca_script import document, problem, raw
from hostile import hostile, world  # noqa: F401: fixtures

HOUR = datetime.timedelta(hours=1)


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


# tokens

@pytest.mark.parametrize("token", ["../../../etc/passwd", "a\nb", "a\0b", "x" * 10240, "", "a b",
                                   "a=b", "ü", "%2e%2e", 7, None],
                         ids=lambda token: repr(token)[:12])
def test_a_token_that_is_none(hostile, token):
    def bend(authorization, _):
        for challenge in authorization["challenges"]:
            challenge["token"] = token

    hostile.ca.bend["authorization"] = bend
    no_token = not isinstance(token, str) or "\0" in token
    hostile.fails("challenge.none" if no_token else "ca.protocol", step="authorize")
    assert hostile.ca.posts("/chall") == []


# URLs

def bend_directory(url):
    return "directory", lambda d, _: d.update(newOrder=url)


def bend_order(member, url):
    def bend(order, _):
        order[member] = [url] if member == "authorizations" else url
    return "order", bend


def bend_challenge(url):
    def bend(authorization, _):
        for challenge in authorization["challenges"]:
            challenge["url"] = url
    return "authorization", bend


PLACES = {
    "newOrder": bend_directory,
    "finalize": lambda url: bend_order("finalize", url),
    "authorizations": lambda url: bend_order("authorizations", url),
    "certificate": lambda url: bend_order("certificate", url),
    "challenge": bend_challenge,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("url", [
    "http://127.0.0.1/x", "https://user:secret@127.0.0.1/x", "file:///etc/passwd"])
def test_a_url_that_is_not_for_us(hostile, place, url):
    """Refused before anything is sent anywhere; test_client_request.c has more of them."""
    what, bend = PLACES[place](url)
    hostile.ca.bend[what] = bend
    job = hostile.post_account() if place == "newOrder" else None
    job = hostile.fails("ca.protocol", "is no usable https URL", job=job)
    assert "secret" not in json.dumps(job)


@pytest.mark.parametrize("where", ["account", "order"])
def test_a_location_that_is_not_for_us(hostile, where):
    headers = {"Location": "ftp://127.0.0.1/x"}
    if where == "account":
        hostile.ca.script("/new-account", raw(201, headers, {"status": "valid"}))
    else:
        hostile.register()
        hostile.ca.script("/new-order", raw(201, headers, {"status": "pending"}))
    hostile.fails("ca.protocol", f"{where} Location is no usable https URL",
                  job=hostile.post_account() if where == "account" else None)


def test_another_host_is_none_of_our_business(hostile):
    """CAs have several names; the trust anchors count at each (acme/client.h)."""
    name = hostile.put_authority()
    hostile.ca.base = f"https://localhost:{hostile.ca.port}"
    hostile.api.put_account(name, authority=name)
    certificate = hostile.fresh_name()
    hostile.api.succeeded(hostile.post(certificate))
    order = hostile.api.ok("GET", "/orders?page_size=1")["items"][0]
    assert order["url"].startswith("https://localhost:")


def test_another_host_with_another_root(hostile):
    """What was meant for one CA is not sent to a server that it names and nobody trusts."""
    elsewhere = f"{hostile.honest.base}/new-order"
    hostile.ca.bend["directory"] = lambda d, _: d.update(newOrder=elsewhere)
    before = len(hostile.honest.requests)
    hostile.fails("ca.tls_failed", step="order")
    assert len(hostile.honest.requests) == before


def test_a_port_where_nobody_listens(hostile):
    hostile.ca.bend["order"] = lambda o, _: o.update(authorizations=["https://127.0.0.1:1/x"])
    hostile.fails("ca.unreachable", step="authorize")


# orders and authorizations

def test_one_authorization_listed_many_times(hostile):
    def bend(order, _):
        order["authorizations"] *= 1000

    hostile.ca.bend["order"] = bend
    hostile.api.succeeded(hostile.post())
    assert len(hostile.ca.posts("/chall")) == 1


def test_ten_thousand_authorizations(hostile):
    hostile.ca.bend["order"] = lambda o, ca: o.update(
        authorizations=[f"{ca.base}/authz/77777/{i}" for i in range(10000)])
    hostile.fails("ca.protocol", "10000 authorizations", step="order")
    assert hostile.ca.posts("/authz/77777") == []


@pytest.mark.parametrize("status", ["unheard-of", "val\0id", 5, None, ["pending"], {}, "\x1b[31m"],
                         ids=repr)
@pytest.mark.parametrize("what", ["order", "authorization"])
def test_a_status_that_is_none(hostile, what, status):
    hostile.ca.bend[what] = lambda o, _: o.update(status=status)
    job = hostile.fails("ca.protocol", "status is")
    assert "\x1b" not in job["error"]["detail"]


@pytest.mark.parametrize("members", [
    {"finalize": 7}, {"authorizations": {"0": "x"}}, {"authorizations": [7, None]},
    {"authorizations": []}, {"identifiers": 7, "finalize": None}], ids=repr)
def test_members_of_other_types(hostile, members):
    hostile.ca.bend["order"] = lambda o, _: o.update(members)
    hostile.fails("ca.protocol", step="order")


def test_members_that_are_there_twice(hostile):
    """The last one counts, as json-c has it; it is checked like any."""
    hostile.register()

    def twice(order, _):
        return ('{"status":"invalid","finalize":"file:///x",'
                + json.dumps(order)[1:]).encode()

    hostile.ca.bend["order"] = twice
    hostile.api.succeeded(hostile.post())


# documents: their caps

PADDING = {"order": 600 * 1024, "authorization": 70 * 1024, "directory": 70 * 1024}


@pytest.mark.parametrize("what", PADDING)
def test_a_document_larger_than_any_of_its_kind(hostile, what):
    hostile.ca.bend[what] = lambda o, _: o.update(padding="x" * PADDING[what])
    job = hostile.post_account() if what == "directory" else None
    hostile.fails("ca.protocol", "larger", job=job)


def test_an_account_larger_than_any(hostile):
    """The account is there, whatever the CA says about it; the words are dropped."""
    hostile.ca.bend["account"] = lambda a, _: a.update(padding="x" * 100000)
    name = hostile.register().account
    account = hostile.api.ok("GET", f"/accounts/{name}")
    assert account["status"] == "valid" and account["ca_object"] == {}
    hostile.api.succeeded(hostile.post())


# certificates

def issued(ca, csr_key, names, *, start=-HOUR, days=5):
    """A leaf that the CA signs for whatever a test wants."""
    now = datetime.datetime.now(datetime.timezone.utc)
    san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = (x509.CertificateBuilder().issuer_name(ca.objects.issuer.name)
               .subject_name(x509.Name([])).public_key(csr_key)
               .serial_number(x509.random_serial_number())
               .not_valid_before(now + start)
               .not_valid_after(now + start + datetime.timedelta(days=days))
               .add_extension(san, critical=True))
    return pem(builder.sign(ca.objects.issuer.key, hashes.SHA256()))


def last_order(ca):
    order = ca.orders[max(ca.orders)]
    return order["csr"].public_key(), [i["value"] for i in order["identifiers"]]


def other_key(ca):
    return issued(ca, ec.generate_private_key(ec.SECP256R1()).public_key(), last_order(ca)[1])


def of(change=lambda names: names, **more):
    def make(ca):
        key, names = last_order(ca)
        return issued(ca, key, change(names), **more)
    return make


def own(ca):
    return of()(ca)


CERTIFICATES = {
    "another key": (other_key, "certificate.key_mismatch", "public key"),
    "fewer names": (of(lambda n: n[:1]), "certificate.names_mismatch", "lacks"),
    "more names": (of(lambda n: [*n, "evil.example.org"]), "certificate.names_mismatch",
                   "evil.example.org"),
    "a wildcard instead": (of(lambda n: ["*.example.com", n[1]]), "certificate.names_mismatch",
                           "lacks"),
    "not valid yet": (of(start=3 * HOUR), "certificate.validity", "not valid before"),
    "expired": (of(start=-48 * HOUR, days=1), "certificate.validity", "has expired"),
    "a chain of a hundred": (lambda ca: own(ca) * 100, "certificate.invalid", "more than 10"),
    "a chain of a thousand": (lambda ca: own(ca) * 1000, "ca.protocol", "chain of"),
    "a chain of ten thousand": (lambda ca: own(ca) * 10000, "ca.protocol", "too large"),
    "a key in the chain": (lambda ca: own(ca) + "-----BEGIN PRIVATE KEY-----\nMAA=\n"
                           "-----END PRIVATE KEY-----\n", "certificate.invalid", "PRIVATE KEY"),
    "half a certificate": (lambda ca: own(ca)[:300], "certificate.invalid", ""),
    "no certificate": (lambda ca: "<html>Not today</html>", "certificate.invalid",
                       "no certificate"),
    "nothing": (lambda ca: "", "certificate.invalid", "no certificate"),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_a_certificate_that_was_not_ordered(hostile, case):
    """It never comes into use; the one before stays."""
    make, code, word = CERTIFICATES[case]
    names = [hostile.fresh_name(), hostile.fresh_name()]
    hostile.api.succeeded(hostile.post(*names))
    before = hostile.api.certificate(names[0])
    hostile.ca.requests.clear()
    hostile.ca.bend["certificate"] = lambda _, ca: make(ca)
    job = hostile.api.ok("POST", f"/certificates/{names[0]}/renew",
                         {"force": True})
    # Renewals never give up: what may be better tomorrow is tried again.
    job = hostile.api.until_job(job, lambda j: j["error"])
    assert job["error"]["code"] == code and word in job["error"]["detail"]
    assert job["step"] == "download"
    if job["state"] != "failed":
        assert job["error"]["retryable"]
    after = hostile.api.certificate(names[0])
    assert (after["status"], after["version"], after["serial"]) == \
        ("valid", 1, before["serial"])


def test_a_chain_that_does_not_chain(hostile):
    """It is taken, for the certificate is good, and the job says what is wrong."""
    def bend(_, ca):
        stranger = ec.generate_private_key(ec.SECP256R1())
        name = common_name("somebody else")
        now = datetime.datetime.now(datetime.timezone.utc)
        other = (x509.CertificateBuilder().issuer_name(name).subject_name(name)
                 .public_key(stranger.public_key()).serial_number(1)
                 .not_valid_before(now - HOUR).not_valid_after(now + 24 * HOUR)
                 .sign(stranger, hashes.SHA256()))
        return own(ca) + pem(other)

    hostile.ca.bend["certificate"] = bend
    job = hostile.api.succeeded(hostile.post())
    assert "does not certify" in " ".join(event["message"] for event in job["events"])


@pytest.mark.parametrize("how", ["circle", "thousand"])
def test_alternates_without_end(hostile, how):
    """At most ten are looked at, and the default chain is good too."""
    hostile.register()

    def say(_):
        hostile.ca.answer.pop("/cert")
        n = max(hostile.ca.orders)
        _, headers, body = hostile.ca.objects.certificate(n, 0)
        count = 3 if how == "circle" else 1000
        link = ", ".join(f'<{hostile.ca.base}/cert/{n}/{k}>;rel="alternate"'
                         for k in range(count))
        hostile.ca.answer["/cert"] = again = (200, {**headers, "Link": link}, body)
        return again

    hostile.ca.answer["/cert"] = say
    job = hostile.api.succeeded(hostile.post(preferred_chain="Nobody's Root"))
    assert "no chain of \"Nobody's Root\"" in job["events"][-1]["message"]
    assert len(hostile.ca.posts("/cert")) <= 11


# problems

def test_words_that_would_paint_the_terminal(hostile):
    """Escapes reach neither the log nor what people read; the CA's document stays as JSON."""
    evil = "\x1b]0;owned\x07\x1b[2J\r\n line=two \u009b31m \u202e end"
    hostile.register()
    hostile.ca.script("/new-order", problem(
        "malformed", evil, title=evil, instance=evil, links={"help": "javascript:alert(1)"},
        subproblems=[document("dns", evil, identifier={"type": "dns", "value": evil})]))
    job = hostile.fails("ca.malformed")
    texts = [job["error"]["detail"], *(event["message"] for event in job["events"])]
    log = hostile.service.process.log()
    for text in [*texts, *log.splitlines()]:
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text), repr(text)
    assert "owned" in job["error"]["detail"] and "owned" in log
    assert job["error"]["acme"]["detail"] == evil


def test_a_problem_of_many_problems(hostile):
    hostile.register()
    hostile.ca.script("/new-order", problem("rejectedIdentifier", "x" * 60000, subproblems=[
        document("dns", "y" * 1000) for _ in range(500)]))
    job = hostile.fails("ca.rejected_identifier")
    assert len(json.dumps(job)) < 10000


# waits

def due_in(job):
    """Seconds from the job's last change to its next attempt."""
    parse = datetime.datetime.fromisoformat
    changed, due = (parse(job[name].replace("Z", "+00:00"))
                    for name in ("updated_at", "next_attempt_at"))
    return (due - changed).total_seconds()


# What cannot be read is a wait that was not told: a minute, give or take a fifth.
WAITS = {"-1": 72, "1" + "0" * 30: 86400, "Thu, 01 Jan 1970 00:00:00 GMT": 72,
         "Fri, 31 Dec 9999 23:59:59 GMT": 86400, "soon": 72, "": 72, "1e9": 72}


@pytest.mark.parametrize("value", WAITS)
def test_a_rate_limit_that_never_ends(hostile, value):
    hostile.register()
    hostile.ca.script("/new-order", problem("rateLimited", headers={"Retry-After": value}))
    job = hostile.api.until_job(hostile.post(retry_for_seconds=7 * 86400), lambda j: j["error"])
    assert job["error"]["code"] == "ca.rate_limited"
    assert 0 < due_in(job) <= WAITS[value]
    hostile.api.ok("POST", f"/jobs/{job['id']}/cancel")
    hostile.api.ended(job)


@pytest.mark.parametrize("value", WAITS)
def test_processing_that_never_ends(hostile, value):
    """An hour at most until the next look."""
    hostile.register()
    hostile.ca.processing_polls = 1
    hostile.ca.retry_after["order"] = value
    job = hostile.post()
    if WAITS[value] < 3600:
        hostile.api.succeeded(job)
        return
    job = hostile.api.until_job(job, lambda j: j["step"] == "collect" and j["state"] == "waiting")
    assert 0 < due_in(job) <= 3600
    hostile.api.delete(f"/certificates/{job['resource']['name']}")
