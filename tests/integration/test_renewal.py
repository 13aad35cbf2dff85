"""Renewal by itself: when, what is sent, and what never happens."""

import datetime
import time

import pytest

from fake_ca import FakeCa
from process import until

DAY = 24 * 3600


@pytest.fixture
def fake(tmp_path):
    ca = FakeCa(tmp_path / "fake").start()
    yield ca
    ca.stop()


@pytest.fixture
def start(certwright, fake, provider):
    """start(account=…, **config) is a service with an account at the fake CA."""
    def make(**config):
        solver = {"type": "httpreq", "endpoint": provider.endpoint, "zones": ["example.com"],
                  "propagation": False}
        service = certwright(resources={"authorities": {"fake": fake.authority()},
                                        "solvers": {"dns": solver}}, **config)
        service.api.put_account(authority="fake")
        return service

    return make


def window(start_seconds, end_seconds):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"suggestedWindow": {
        name: (now + datetime.timedelta(seconds=offset)).isoformat().replace("+00:00", "Z")
        for name, offset in (("start", start_seconds), ("end", end_seconds))}}


class Ari:
    """Renewal information of the fake CA: answers in turn, the last one for ever."""

    def __init__(self, fake, *answers, retry_after="21600"):
        self.answers, self.asked, self.retry_after = list(answers), [], retry_after
        fake.bend["directory"] = lambda d, ca: {**d, "renewalInfo": f"{ca.base}/renewal-info"}
        fake.endpoint["renewal-info"] = self.answer

    def answer(self, _, request):
        self.asked.append(request.path.rsplit("/", 1)[1])
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return said if isinstance(said, tuple) else (200, {"Retry-After": self.retry_after}, said)


def wall(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def jobs(api, kind, name):
    items = api.ok("GET", f"/jobs?kind={kind}&certificate={name}&page_size=1000")["items"]
    return [job for job in items if job["kind"] == kind]


def until_version(api, name, version, seconds=30):
    until(lambda: api.certificate(name)["version"] == version, seconds,
          f"version {version} of {name}")
    return api.certificate(name)


def issue(api, name, **body):
    api.succeeded(api.post_certificate(name, **body))
    return api.certificate(name)


def test_a_new_certificate_tells_when_it_is_renewed(start, names):
    """The fake CA's live five days, so when half of that is left, or a little earlier."""
    service = start()
    [name] = names()
    certificate = issue(service.api, name)
    life = wall(certificate["not_after"]) - wall(certificate["not_before"])
    left = wall(certificate["not_after"]) - wall(certificate["next_renewal_at"])
    assert 0.5 * life <= left <= 0.531 * life
    assert certificate["renew"] == {"enabled": True, "before_seconds": None, "use_ari": True}
    assert certificate["renewal"] is None
    metric = service.sample("certwright_certificate_next_renewal_timestamp_seconds"
                            f'{{name="{name}",authority="fake"}}')
    assert int(metric) == int(wall(certificate["next_renewal_at"]))


def test_a_window_in_the_past_renews_at_once(start, fake, names):
    ari = Ari(fake, window(-2 * DAY, -DAY), {**window(3 * DAY, 4 * DAY),
                                            "explanationURL": "https://ca.example/why"})
    api = start().api
    [name] = names()
    issue(api, name)
    certificate = until_version(api, name, 2)
    until(lambda: api.certificate(name)["renewal"], 10, "the second answer")
    certificate = api.certificate(name)
    assert certificate["renewal"]["explanation_url"] == "https://ca.example/why"
    assert wall(certificate["renewal"]["window_start"]) <= wall(certificate["next_renewal_at"]) \
        < wall(certificate["renewal"]["window_end"])
    first, second = fake.posts("/new-order")
    assert "replaces" not in first and second["replaces"] == ari.asked[0]
    assert len(ari.asked) == 2
    assert [j["state"] for j in jobs(api, "certificate.renew", name)] == ["waiting", "succeeded"]
