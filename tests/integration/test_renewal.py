"""Renewal by itself: when, what is sent, and what never happens."""

import datetime
import time

import pytest

import pem
from fake_ca import FakeCa
from fake_ca_objects import Issuer, common_name
from fake_ca_script import paused, problem, user_action
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
    until(lambda: [j["state"] for j in jobs(api, "certificate.renew", name)]
          == ["waiting", "succeeded"], 5, "the next one waits")


@pytest.mark.parametrize("answer, told", [
    ((404, {}, b""), "404"),
    ((500, {}, b"oops"), "500"),
    ((200, {}, b"<html>"), "JSON"),
    ((200, {}, b"{}"), "window"),
    ((200, {}, {"suggestedWindow": {"start": "tomorrow", "end": "then"}}), "window"),
    (window(2 * DAY, DAY), "ends before it starts"),
])
def test_without_usable_information_the_life_decides(start, fake, names, answer, told):
    ari = Ari(fake, answer)
    api = start().api
    [name] = names()
    issue(api, name)
    until(lambda: api.certificate(name)["renewal"], 10, "the question")
    certificate = api.certificate(name)
    assert told in certificate["renewal"]["error"]
    assert certificate["renewal"]["window_start"] is None
    assert 5.9 * 3600 < wall(certificate["renewal"]["ask_again_at"]) - time.time() < 6.1 * 3600
    left = wall(certificate["not_after"]) - wall(certificate["next_renewal_at"])
    assert 2.4 * DAY < left < 2.7 * DAY
    [job] = jobs(api, "certificate.renew", name)
    until(lambda: api.job(job)["state"] == "waiting", 5, "it waits")
    assert api.job(job)["error"] is None
    assert len(ari.asked) == 1 and certificate["last_error"] is None


def test_where_information_fails_others_need_not_ask(start, fake, names):
    """Where it hangs, a thousand certificates would keep each other, and orders, waiting."""
    ari = Ari(fake, (500, {}, b""))
    api = start().api
    [one, *others] = names(4)
    issue(api, one)
    until(lambda: api.certificate(one)["renewal"], 10, "the question and its end")
    for name in others:
        issue(api, name)
        until(lambda: jobs(api, "certificate.renew", name)[0]["state"] == "waiting", 10, "a plan")
        certificate = api.certificate(name)
        assert certificate["next_renewal_at"] and certificate["renewal"] is None
    assert len(ari.asked) == 1


@pytest.mark.parametrize("kind, again", [
    ("alreadyReplaced", True), ("malformed", True), ("unauthorized", True), ("conflict", True),
    ("somethingNew", True), ("rejectedIdentifier", False), ("invalidProfile", False),
])
def test_a_refused_replacement_is_ordered_without(start, fake, names, kind, again):
    ari = Ari(fake, window(2 * DAY, 3 * DAY))
    api = start().api
    [name] = names()
    issue(api, name)
    until(lambda: ari.asked, 10, "the question")
    fake.script("/new-order", problem(kind))
    job = api.ended(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    assert job["state"] == ("succeeded" if again else "failed")
    _, with_it, *without = fake.posts("/new-order")
    assert with_it["replaces"] == ari.asked[0]
    assert ["replaces" in order for order in without] == ([False] if again else [])
    told = [event["message"] for event in job["events"] if event["step"] == "order"]
    assert any("not as a replacement" in message for message in told) == again


def test_a_server_that_trips_over_the_replacement(start, fake, names):
    """Once may be chance; the second time it is ordered without."""
    Ari(fake, window(2 * DAY, 3 * DAY))
    api = start().api
    [name] = names()
    issue(api, name)
    fake.script("/new-order", problem("serverInternal", status=500),
                problem("serverInternal", status=500))
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    _, *orders = fake.posts("/new-order")
    assert ["replaces" in order for order in orders] == [True, True, False]


def test_a_rate_limit_is_not_about_the_replacement(start, fake, names):
    """It is waited for, and the next try replaces again."""
    Ari(fake, window(2 * DAY, 3 * DAY))
    api = start().api
    [name] = names()
    issue(api, name)
    fake.script("/new-order", problem("rateLimited", after=1))
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    _, *orders = fake.posts("/new-order")
    assert len(orders) == 2 and orders[0]["replaces"] == orders[1]["replaces"]


def test_a_failed_renewal_leaves_the_certificate(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    fake.hold("/renewal-info")
    first = issue(api, name)
    fake.answer["/new-order"] = problem("rejectedIdentifier")
    before = api.pem(name, "fullchain.pem")
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["last_error"], 10, "the failure")
    now = api.certificate(name)
    assert now["last_error"]["code"] == "ca.rejected_identifier"
    assert (now["status"], now["version"], now["serial"]) == ("valid", 1, first["serial"])
    assert now["active_job"] is None and api.pem(name, "fullchain.pem") == before
    # A minute, and up to a tenth more.
    failed, = [j for j in jobs(api, "certificate.issue", name) if j["state"] == "failed"]
    assert 60 <= wall(now["next_renewal_at"]) - wall(failed["finished_at"]) <= 67
    until(lambda: jobs(api, "certificate.renew", name)[0]["state"] == "waiting", 5, "it waits")
    assert len(fake.posts("/new-order")) == 2
    # When it works again a person need not wait; then all is as if nothing had failed.
    del fake.answer["/new-order"]
    Ari(fake, window(3 * DAY, 4 * DAY))
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    until(lambda: api.certificate(name)["renewal"], 10, "the answer")
    now = api.certificate(name)
    assert now["last_error"] is None and wall(now["next_renewal_at"]) > time.time() + 2 * DAY


def test_a_renewal_that_waits_tells_why(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    fake.hold("/renewal-info")
    issue(api, name)
    fake.answer["/new-order"] = problem("serverInternal", status=500)
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["last_error"], 10, "the error")
    now = api.certificate(name)
    job = api.ok("GET", f"/jobs/{now['active_job']}")
    assert job["state"] in ("waiting", "running") and now["status"] == "valid"
    assert now["last_error"]["code"] == "ca.server_internal"


def test_the_error_s_retry_after_counts(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    fake.hold("/renewal-info")
    issue(api, name)
    fake.answer["/new-order"] = problem("rejectedIdentifier", after=3600)
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["last_error"], 10, "the failure")
    assert 3590 < wall(api.certificate(name)["next_renewal_at"]) - time.time() <= 3601


def test_a_restart_keeps_the_plan(start, fake, names):
    ari = Ari(fake, window(2 * DAY, 3 * DAY))
    service = start()
    [name] = names()
    issue(service.api, name)
    until(lambda: service.api.certificate(name)["renewal"], 10, "the answer")
    before = service.api.certificate(name)
    [job] = jobs(service.api, "certificate.renew", name)
    service.restart()
    assert service.api.certificate(name) == before
    assert [j["id"] for j in jobs(service.api, "certificate.renew", name)] == [job["id"]]
    # Hastened it comes to the same end, and has no question yet.
    service.api.ok("POST", f"/jobs/{job['id']}/retry")
    service.api.until_job(job, lambda j: j["state"] == "waiting" and j["updated_at"] >
                          job["updated_at"])
    assert service.api.certificate(name) == before and len(ari.asked) == 1


def test_off_and_on(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    certificate = issue(api, name, renew={"enabled": False})
    assert certificate["next_renewal_at"] is None and certificate["renew"]["enabled"] is False
    assert jobs(api, "certificate.renew", name) == []
    patched = api.ok("PATCH", f"/certificates/{name}",
                     {"renew": {"before_seconds": DAY, "use_ari": False}})
    assert patched["renew"] == {"enabled": True, "before_seconds": DAY, "use_ari": False}
    left = wall(patched["not_after"]) - wall(patched["next_renewal_at"])
    assert DAY <= left <= DAY + 0.031 * 5.01 * DAY
    [job] = jobs(api, "certificate.renew", name)
    assert api.post(f"/jobs/{job['id']}/cancel").status == 409
    patched = api.ok("PATCH", f"/certificates/{name}", {"renew": {"enabled": False}})
    assert patched["next_renewal_at"] is None
    assert api.ended(job)["state"] == "succeeded"
    assert len(fake.posts("/new-order")) == 1
    # The CA's information counts as soon as it may: it says now.
    api.ok("PATCH", f"/certificates/{name}", {"renew": {}})
    until_version(api, name, 2)


def test_put_changes_when_without_an_order(start, fake, names):
    api = start().api
    [name] = names()
    first = issue(api, name)
    body = {"identifiers": [name], "account": "main", "renew": {"before_seconds": DAY}}
    now = api.ok("PUT", f"/certificates/{name}", body, status=(200,))
    assert wall(now["next_renewal_at"]) > wall(first["next_renewal_at"])
    assert now["version"] == 1 and len(fake.posts("/new-order")) == 1


@pytest.mark.parametrize("renew, pointer", [
    ({"before_seconds": 59}, "/renew/before_seconds"), ({"enabled": "no"}, "/renew/enabled"),
    ({"use_ari": None}, "/renew/use_ari"), ({"after": 1}, "/renew/after"), (True, "/renew"),
])
def test_what_is_wrong_with_renew_is_told(start, names, renew, pointer):
    api = start().api
    answer = api.post("/certificates", {"identifiers": names(), "renew": renew})
    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_the_config_says_when(certwright, fake, provider, names):
    """By its defaults and by the certificate; what is changed there needs no order."""
    [one, other] = names(2)
    resources = {
        "authorities": {"fake": fake.authority()},
        "accounts": {"main": {"authority": "fake", "contacts": [],
                              "terms_of_service_agreed": True}},
        "solvers": {"dns": {"type": "httpreq", "endpoint": provider.endpoint,
                            "zones": ["example.com"], "propagation": False}},
        "certificates": {one: {"identifiers": [one]},
                         other: {"identifiers": [other], "renew": {"enabled": True}}}}
    service = certwright(resources=resources,
                         defaults={"account": "main", "renew": {"enabled": False}})
    for name in (one, other):
        until(lambda: service.api.certificate(name)["status"] == "valid", 20, "it is issued")
    assert service.api.certificate(one)["next_renewal_at"] is None
    assert service.api.certificate(other)["next_renewal_at"]
    service.configure({**service.config, "defaults": {"account": "main"}})
    service.restart()
    assert service.api.certificate(one)["next_renewal_at"]
    assert len(fake.posts("/new-order")) == 2


@pytest.mark.parametrize("offset", [2 * 3600, -2 * 3600])
def test_no_renewal_by_a_wrong_clock(start, fake, names, offset):
    Ari(fake, window(-2 * DAY, -DAY))
    service = start()
    [name] = names()
    fake.clock_offset = offset
    issue(service.api, name)
    [job] = jobs(service.api, "certificate.renew", name)
    waits = service.api.until_job(job, lambda j: j["step"] == "begin" and j["state"] == "waiting")
    said = waits["events"][-1]["message"]
    assert f"2.0 hours {'behind' if offset > 0 else 'ahead of'} the CA's" in said
    assert 3590 < wall(waits["next_attempt_at"]) - wall(waits["updated_at"]) <= 3601
    assert "2.0 hours" in service.process.log()
    assert len(fake.posts("/new-order")) == 1
    # Once the clocks agree, the next look finds it due.
    fake.clock_offset = 0
    service.api.ok("POST", f"/jobs/{job['id']}/retry")
    until_version(service.api, name, 2)


def test_only_if_due(start, fake, names):
    api = start().api
    [name, short] = names(2)
    issue(api, name, renew={"enabled": False})
    answer = api.post(f"/certificates/{name}/renew", {"only_if_due": True})
    assert answer.status == 200 and answer.json()["version"] == 1
    both = api.post(f"/certificates/{name}/renew", {"only_if_due": True, "force": True})
    assert both.status == 422
    fake.days = 120 / DAY  # and five minutes before now: more than half of it is over
    issue(api, short, renew={"enabled": False})
    job = api.ok("POST", f"/certificates/{short}/renew", {"only_if_due": True}, status=(202,))
    api.succeeded(job)
    assert api.certificate(short)["version"] == 2 and api.certificate(name)["version"] == 1


def test_a_ca_that_always_says_now_is_not_asked_for_ever(start, fake, names):
    """Two renewals follow each other; the third waits."""
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    issue(api, name)
    until_version(api, name, 3)
    until(lambda: [e for e in jobs(api, "certificate.renew", name)[0]["events"]
                   if "rests for a while" in e["message"]], 10, "it rests")
    assert jobs(api, "certificate.renew", name)[0]["state"] == "waiting"
    assert len(fake.posts("/new-order")) == 3 and api.certificate(name)["version"] == 3


def test_a_renewal_that_is_called_off_is_not_begun_at_once(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY))
    api = start().api
    [name] = names()
    fake.hold("/renewal-info")
    issue(api, name)
    fake.hold("/new-order")
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["active_job"], 10, "the renewal")
    active = api.certificate(name)["active_job"]
    api.ok("POST", f"/jobs/{active}/cancel")
    fake.release("/new-order")
    assert api.ended(active)["state"] == "cancelled"
    until(lambda: jobs(api, "certificate.renew", name)[0]["state"] == "waiting", 5, "it waits")
    now = api.certificate(name)
    assert now["active_job"] is None and now["version"] == 1
    assert 0.99 * DAY < wall(now["next_renewal_at"]) - time.time() <= DAY


@pytest.mark.parametrize("end", ["revoke", "delete"])
def test_what_is_gone_is_not_renewed(start, fake, names, end):
    api = start().api
    [name] = names()
    issue(api, name)
    [job] = jobs(api, "certificate.renew", name)
    if end == "revoke":
        api.succeeded(api.ok("POST", f"/certificates/{name}/revoke", {}))
        assert api.certificate(name)["next_renewal_at"] is None
    else:
        assert api.delete(f"/certificates/{name}").status == 204
    assert api.ended(job)["state"] == ("succeeded" if end == "revoke" else "cancelled")
    assert len(fake.posts("/new-order")) == 1


def test_places_in_line_survive_no_restart_but_renewals_do(start, fake, names):
    """After a burst of 20 there is one a second; who waits for that is not forgotten."""
    service = start()
    many = names(26)
    fake.days = 120 / DAY  # and five minutes before now: more than half of it is over
    for job in [service.api.post_certificate(name, renew={"enabled": False}) for name in many]:
        service.api.succeeded(job)
    fake.days = 5
    for name in many:
        service.api.ok("PATCH", f"/certificates/{name}", {"renew": {"enabled": True}})

    def in_line():
        return [job for job in service.api.ok(
            "GET", "/jobs?kind=certificate.renew&state=waiting&page_size=100")["items"]
            if "many are due at once" in job["events"][-1]["message"]]
    until(in_line, 20, "some wait for their turn")
    service.restart()
    for name in many:
        until_version(service.api, name, 2)
    assert {service.api.certificate(name)["version"] for name in many} == {2}


@pytest.mark.parametrize("version", ["debian", "newest"])
def test_with_pebble(certwright, pebble_with, names, version):
    """Twelve seconds each: after half of it there is another, and another one."""
    life = {"debian": {"certificateValidityPeriod": 12},
            "newest": {"profiles": {"short": {"description": "", "validityPeriod": 12}}}}
    pebble = pebble_with(version=version, config=life[version])
    api = certwright(pebble).api
    api.put_account()
    [name] = names()
    issue(api, name, renew={"use_ari": False})
    until_version(api, name, 2)
    assert api.certificate(name)["status"] == "valid"


@pytest.mark.parametrize("said, code", [(paused(), "ca.paused"),
                                        (user_action(), "ca.user_action_required")])
def test_a_renewal_that_the_ca_leaves_to_a_person_tells(start, fake, names, said, code):
    Ari(fake, window(-2 * DAY, -DAY), window(3 * DAY, 4 * DAY))
    service = start()
    api = service.api
    [name] = names()
    fake.hold("/renewal-info")
    issue(api, name)
    fake.script("/new-order", said)
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["last_error"], 10, "somebody is told")
    now = api.certificate(name)
    assert now["last_error"]["code"] == code and now["status"] == "valid"
    assert service.sample("certwright_certificates_failing") == 1
    api.ok("POST", f"/jobs/{now['active_job']}/continue", status=(202,))
    assert until_version(api, name, 2)["last_error"] is None


def test_a_renewal_that_waits_for_a_record_by_hand_tells(start, fake, names):
    Ari(fake, window(-2 * DAY, -DAY), window(3 * DAY, 4 * DAY))
    api = start().api
    [name] = names()
    fake.hold("/renewal-info")
    issue(api, name)
    api.ok("PUT", "/solvers/hand", {"type": "manual", "zones": [name], "propagation": False},
           status=(200, 201))
    fake.release("/renewal-info")
    until(lambda: api.certificate(name)["last_error"], 10, "somebody is told")
    now = api.certificate(name)
    assert now["last_error"]["code"] == "job.waits_for_person" and now["status"] == "valid"
    api.ok("POST", f"/jobs/{now['active_job']}/continue", status=(200, 202))
    assert until_version(api, name, 2)["last_error"] is None


def test_nobody_is_asked_about_a_certificate_that_has_expired(start, fake, names):
    ari = Ari(fake, window(3 * DAY, 4 * DAY))
    fake.days = 4 / DAY  # seconds
    api = start().api
    [name] = names()
    issue(api, name, renew={"enabled": False})
    until(lambda: api.certificate(name)["status"] == "expired", 20, "it expires")
    fake.answer["/new-order"] = problem("rejectedIdentifier")
    api.ok("PATCH", f"/certificates/{name}", {"renew": {"enabled": True}})
    until(lambda: api.certificate(name)["last_error"], 20, "it is to be renewed at once")
    assert not ari.asked


def test_a_ca_without_renewal_information_is_told_of_no_replacement(start, fake, names):
    api = start().api
    [name] = names()
    issue(api, name)
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}))
    assert ["replaces" in order for order in fake.posts("/new-order")] == [False, False]


def test_no_issuer_is_pinned(start, fake):
    """CAs pick an intermediate at random, and new ones come."""
    api = start().api
    api.succeeded(api.post_certificate("moved.example.com"))
    before = api.certificate("moved.example.com")["issuer"]
    fake.objects.issuer = Issuer()
    fake.objects.issuer.name = common_name("another issuer")
    api.succeeded(api.ok("POST", "/certificates/moved.example.com/renew", {"force": True}))
    after = api.certificate("moved.example.com")
    assert after["version"] == 2 and "another issuer" in str(after["issuer"]) != str(before)
    assert "another issuer" in str(pem.load(api.pem("moved.example.com", "cert.pem")).issuer)
