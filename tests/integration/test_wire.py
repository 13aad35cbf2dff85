"""What a CA sees of us: which requests, on which connections, in which words."""

import datetime
import re
import time
from email.utils import parsedate_to_datetime

import pytest

import pem
from process import until
from proxy import Proxy

# Of Pebble's endpoints; renewal information is no part of an issue.
ISSUE = ["order-plz", "authZ", "chalZ", "authZ", "finalize-order", "my-order", "certZ"]
# What the newest one does with some renewals, though it is told not to reuse authorizations.
REUSED = ["order-plz", "finalize-order", "my-order", "certZ"]
HTTP = pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "http/2"])


@pytest.fixture
def proxy_with(tmp_path):
    """A factory of proxies: proxy_with(pebble, http2=True…)."""
    made = []

    def make(pebble, **how):
        made.append(Proxy(tmp_path / f"proxy-{len(made)}", pebble, **how).start())
        return made[-1]

    yield make
    for proxy in made:
        proxy.process.kill()


def behind(certwright, proxy, **config):
    return certwright(resources={"authorities": {"pebble": proxy.authority()}}, **config)


def endpoint(request):
    return request["path"].split("/")[1]


def issue(api, proxy, name, **body):
    """Issues; returns the requests that were made for it, renewal information left out."""
    return follow(api, proxy, lambda: api.post_certificate(name, **body))


def follow(api, proxy, post):
    """The same of any job that ends with a certificate."""
    before = len(proxy.requests())
    api.succeeded(post())

    def finished():
        new = proxy.requests()[before:]
        return new if any(endpoint(r) == "certZ" for r in new) else None

    seen = until(finished, 10, "the proxy has logged the download")
    return [r for r in seen if "renewalInfo" not in r["path"]]


def squeezed(kinds):
    """Without repetitions: a CA that takes its time is asked again."""
    return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]


@HTTP
@pytest.mark.parametrize("version", ["debian", "newest"])
def test_request_budget_of_a_warm_certificate(certwright, pebble_with, proxy_with, names, http2,
                                              version):
    """
    Seven requests to a CA that is ready when it is asked, be it the first certificate or a renewal,
    none of them for a directory or a nonce, all of them on the connection that stands. A machine
    under load may make Pebble slower than the first poll, so that the best of several counts; the
    others differ in polls alone.
    """
    proxy = proxy_with(pebble_with(version=version), http2=http2)
    api = behind(certwright, proxy, workers=1).api
    api.put_account()
    first, *others = names(5)
    issue(api, proxy, first)
    runs = [issue(api, proxy, name) for name in others]
    runs += [follow(api, proxy, lambda path=f"/certificates/{name}/renew":
                    api.ok("POST", path, {"force": True})) for name in others]
    kinds = [[endpoint(r) for r in run] for run in runs]
    fresh = [run for run in kinds if squeezed(run) != REUSED]
    assert all(squeezed(run) == ISSUE for run in fresh)
    assert min(len(run) for run in fresh) == len(ISSUE)

    everything = proxy.requests()
    assert {r["version"] for r in everything} == {"HTTP/2.0" if http2 else "HTTP/1.1"}
    assert len({r["connection"] for r in everything}) == 1
    assert [endpoint(r) for r in everything][:3] == ["dir", "nonce-plz", "sign-me-up"]
    assert {r["tls"] for r in everything} == {"TLSv1.3"}


@HTTP
def test_each_worker_has_one_connection(certwright, pebble_with, proxy_with, names, http2):
    proxy = proxy_with(pebble_with(), http2=http2)
    api = behind(certwright, proxy, workers=4).api
    api.put_account()
    for _ in range(2):
        for job in [api.post_certificate(name) for name in names(10)]:
            api.succeeded(job)
    assert 1 <= len({r["connection"] for r in proxy.requests()}) <= 4


@HTTP
def test_a_connection_that_the_ca_has_closed(certwright, pebble_with, proxy_with, names, http2):
    """
    Is replaced before a request is sent on it; the TLS session is resumed, over HTTP/1.1 at least:
    older libcurl forgets that of an HTTP/2 connection which it finds closed.
    """
    proxy = proxy_with(pebble_with(), http2=http2, keep_alive_ms=300)
    api = behind(certwright, proxy, workers=1).api
    api.put_account()
    for name in names(3):
        time.sleep(0.6)  # the proxy closes what is idle
        issue(api, proxy, name)
    resumed = {r["connection"]: r["resumed"] for r in proxy.requests()}
    assert len(resumed) > 3
    assert http2 or sum(resumed.values()) == len(resumed) - 1


@HTTP
def test_user_agent_language_and_media_type(certwright, pebble_with, proxy_with, names, http2):
    proxy = proxy_with(pebble_with(version="newest"), http2=http2)
    service = behind(certwright, proxy)
    service.api.put_account()
    issue(service.api, proxy, *names())
    plain = proxy.requests()
    assert all(re.fullmatch(r"certwright/\d+\.\d+\.\d+", r["agent"]) for r in plain)
    assert {r["language"] for r in plain} == {"en"}
    assert {(r["method"], r["content_type"]) for r in plain} <= {
        ("GET", "-"), ("HEAD", "-"), ("POST", "application/jose+json")}

    service.stop()
    ours = ("shop/7 (+https://shop.example)", "de-CH, de;q=0.9")
    service.configure({**service.config, "user_agent": ours[0], "language": ours[1]})
    service.start()
    issue(service.api, proxy, *names())
    told = [(r["agent"], r["language"]) for r in proxy.requests()]
    assert set(told[told.index(ours):]) == {ours}
    assert len(told) >= len(plain) + len(ISSUE)


def test_headers_in_lower_case(certwright, pebble_with, proxy_with, names):
    """HTTP/2 has no others: Location and nonces were read above, here Link is."""
    pebble = pebble_with(env={"PEBBLE_ALTERNATE_ROOTS": "2"})
    proxy = proxy_with(pebble, http2=True)
    api = behind(certwright, proxy).api
    api.put_account()
    [name] = names()
    wished = pem.load(pebble.root(2)).subject
    issue(api, proxy, name, preferred_chain=pem.common_name(pem.load(pebble.root(2))))
    assert pem.load(pem.blocks(api.pem(name, "fullchain.pem"))[-1]).issuer == wished


def asked_wait_until(request):
    """When the next poll may come, in ms; None where the CA does not say."""
    value = request["retry_after"]
    if value == "-":
        return None
    if value.isdigit():
        return request["at"] + int(value) * 1000
    return parsedate_to_datetime(value).timestamp() * 1000


def test_polls_obey_retry_after(certwright, pebble_with, proxy_with, names):
    """The newest Pebble sends it with what is pending or processing, in either of its forms."""
    pebble = pebble_with(version="newest", config={"retryAfter": {"authz": 1, "order": 2}},
                         env={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "2"})
    proxy = proxy_with(pebble, http2=True)
    api = behind(certwright, proxy).api
    api.put_account()
    for job in [api.post_certificate(name) for name in names(4)]:
        api.succeeded(job)
    requests = [r for r in proxy.requests() if "renewalInfo" not in r["path"]]
    forms = set()
    for i, request in enumerate(requests):
        until_ms = asked_wait_until(request)
        if until_ms is None:
            continue
        # The order's word comes with the answer to its finalize URL too.
        path = request["path"].replace("/finalize-order/", "/my-order/")
        following = next(r for r in requests[i + 1:] if r["path"] == path)
        assert following["at"] >= until_ms - 100, (request, following)
        forms.add(request["retry_after"].isdigit())
    assert forms == {True, False}


def first_wait(api, job, step):
    """Seconds that the job waits for its first look in that step, as it says itself."""
    job = api.until_job(job, lambda j: (j["step"], j["state"]) == (step, "waiting"))
    at, since = (datetime.datetime.fromisoformat(job[name].replace("Z", "+00:00"))
                 for name in ("next_attempt_at", "updated_at"))
    return (at - since).total_seconds()


def test_looks_that_come_too_soon_are_left_out(certwright, fake, names):
    """
    The first look comes after 40 ms, until the CA has turned out to need more of them. Looks are
    counted, not timed: that a learned wait fits what a CA takes is for the unit test to show.
    """
    api = certwright(resources={"authorities": {"pebble": fake.authority()}}).api
    api.put_account()
    fake.pending_polls = fake.processing_polls = 2
    for job in [api.post_certificate(name) for name in names(4)]:
        api.succeeded(job)
    fake.pending_polls, fake.processing_polls = 0, 1
    job = api.post_certificate("learned.example.com")
    assert first_wait(api, job, "validate") > 0.1
    assert first_wait(api, job, "collect") > 0.1
    api.succeeded(job)
