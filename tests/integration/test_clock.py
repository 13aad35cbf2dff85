"""A clock that is set while the service runs, or that it starts with: waits and renewals."""

import datetime
import time

import pytest

from api import ENDED
from process import until
from test_renewal import Ari, window
from wall_clock import YEARS, WallClock

HOUR, DAY = 3600, 24 * 3600
JUMPS = pytest.mark.parametrize("jump", [
    pytest.param(HOUR, id="hour ahead", marks=pytest.mark.long),
    pytest.param(-HOUR, id="hour back"),
    pytest.param(YEARS, id="years ahead"),
    pytest.param(-YEARS, id="years back", marks=pytest.mark.long)])


@pytest.fixture
def clock(tmp_path):
    return WallClock(tmp_path)


@pytest.fixture
def start(certwright, fake, clock):
    """start(ahead) is a service that begins with that clock. With one worker there is one
    connection to the CA, which no clock ends."""
    def make(ahead=0, **config):
        clock.set(ahead)
        return certwright(resources={"authorities": {"fake": fake.authority()}}, env=clock.env,
                          workers=1, **config)

    return make


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def shifted(service):
    return service.sample("certwright_clock_shifted_seconds")


def reported(service, times):
    return until(lambda: service.process.log().count("the machine's clock was set;") == times, 20,
                 "the jump is reported")


def plan_of(api, name):
    [job] = [job for job in api.ok("GET", f"/jobs?kind=certificate.renew&certificate={name}")["items"]
             if job["state"] not in ENDED]
    return job


def looked_at(api, job):
    """Has the job look now, and returns it as it waits after that."""
    before = api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    return api.until_job(job, lambda j: j["state"] == "waiting" and
                         moment(j["next_attempt_at"]) > moment(before["updated_at"]) + 1)


@JUMPS
def test_a_wait_is_not_harmed(start, fake, clock, names, jump):
    """In mid-job, while the CA's Retry-After runs: it is looked at then, and once."""
    service = start()
    service.api.put_account(authority="fake")
    fake.pending_polls = 1
    fake.retry_after["authorization"] = 3
    seen = []
    fake.bend["authorization"] = lambda *_: seen.append(time.monotonic())
    [name] = names()
    key = {"Idempotency-Key": "one"}
    spec = {"identifiers": [name], "account": "main"}
    job = service.api.ok("POST", "/certificates", spec, headers=key, status=(202,))
    job = service.api.until_job(job, lambda j: (j["step"], j["state"]) == ("validate", "waiting"))
    due = job["next_attempt_at"]
    clock.set(jump)
    assert service.api.job(job)["next_attempt_at"] == due
    assert service.api.ok("POST", "/certificates", spec, headers=key)["id"] == job["id"]
    service.api.succeeded(job)
    assert abs(shifted(service) - jump) < 30
    # Before the challenge, after it, and when the time had come.
    assert len(seen) == 3 and seen[2] - seen[1] >= 2.9
    assert len(fake.posts("/new-order")) == 1
    reported(service, 1)
    clock.set(0)
    reported(service, 2)
    assert service.api.certificate(name)["status"] == "valid"


@JUMPS
def test_no_renewal_and_no_storm(start, fake, clock, names, jump):
    """Certificates that are planned, and "expired" or not valid yet by the new clock."""
    service = start()
    api = service.api
    api.put_account(authority="fake")
    made = names(5)
    for job in [api.post_certificate(name) for name in made]:
        api.succeeded(job)
    plans = [api.until_job(plan_of(api, name), lambda j: j["state"] == "waiting") for name in made]
    planned = [api.certificate(name)["next_renewal_at"] for name in made]
    asked = len(fake.trail())
    clock.set(jump)
    reported(service, 1)
    assert [plan_of(api, name) for name in made] == plans
    for job in plans:
        told = looked_at(api, job)
        if jump == YEARS:
            assert "87648.0 hours ahead of the CA's" in told["events"][-1]["message"]
    # One directory each, to compare the clocks.
    assert len(fake.trail()) - asked <= 2 * len(made)
    assert len(fake.posts("/new-order")) == len(made)
    clock.set(0)
    for job in plans:
        looked_at(api, job)
    assert [api.certificate(name)["next_renewal_at"] for name in made] == planned
    assert {api.certificate(name)["status"] for name in made} == {"valid"}
    assert len(fake.posts("/new-order")) == len(made)


def test_what_falls_due_meanwhile_is_renewed(start, fake, clock, names):
    """
    The certificate falls due while the clock is years back, and nothing is done by such a clock;
    put right, with the CA's clock beside it, the next look renews.
    """
    service = start()
    api = service.api
    api.put_account(authority="fake")
    [name] = names()
    api.succeeded(api.post_certificate(name))
    plan = api.until_job(plan_of(api, name), lambda j: j["state"] == "waiting")
    clock.set(-YEARS)
    looked_at(api, plan)
    assert len(fake.posts("/new-order")) == 1
    clock.set(3 * DAY)
    fake.clock_offset = 3 * DAY
    fake.days = 50  # from the real day on: of five days half would be over already
    api.ok("POST", f"/jobs/{plan['id']}/retry", status=(202,))
    until(lambda: api.certificate(name)["version"] == 2, 30, "it is renewed")
    assert len(fake.posts("/new-order")) == 2


def test_a_start_years_ahead_sweeps_nothing(start, fake, clock, names):
    """By that clock the job's thirty days are over; by the right one they have begun just now."""
    service = start()
    api = service.api
    api.put_account(authority="fake")
    job = api.post_certificate(*names())
    api.succeeded(job)
    service.stop()
    clock.set(YEARS)
    service.start()
    another = api.post_certificate(*names(), retry_for_seconds=DAY)  # what is swept is so first
    api.until_job(another, lambda j: j["state"] == "waiting" and j["error"])
    assert api.job(job)["state"] == "succeeded"
    service.kill()
    clock.set(0)
    service.start()
    assert api.job(job)["state"] == "succeeded"


@pytest.mark.parametrize("ahead, word", [(YEARS, "expired"), (-YEARS, "not yet valid")],
                         ids=["years ahead", "years back"])
def test_a_start_with_a_wrong_clock(start, fake, clock, names, ahead, word):
    """
    The CA's own certificate is "expired" by it: that is told with the clock's time, nothing is
    ordered, and all goes on once the clock is right, with its time to retry and without its waits
    being ten years long.
    """
    service = start()
    api = service.api
    api.put_account(authority="fake")
    old, new = names(2)
    api.succeeded(api.post_certificate(old))
    planned = api.certificate(old)["next_renewal_at"]
    service.stop()
    clock.set(ahead)
    service.start()
    job = api.post_certificate(new, retry_for_seconds=DAY)
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    year = datetime.datetime.now().year + (10 if ahead > 0 else -10)
    assert job["error"]["code"] == "ca.tls_failed" and word in job["error"]["detail"]
    assert f"this machine's clock says {year}-" in job["error"]["detail"]
    assert len(fake.posts("/new-order")) == 1
    kills = 0
    # Put right while it runs, then started anew; and started anew with the right one.
    for noted in (True, False):
        clock.set(0)
        if noted:
            reported(service, 1)
        service.kill()
        kills += 1
        service.start()
        waits = moment(api.job(job)["next_attempt_at"] or api.job(job)["updated_at"])
        assert abs(waits - time.time()) < HOUR
        assert abs(moment(api.job(job)["created_at"]) - time.time()) < HOUR
        plan = plan_of(api, old)
        assert plan["next_attempt_at"] is None or \
            moment(plan["next_attempt_at"]) - time.time() < 7 * HOUR
        if noted:
            service.kill()
            kills += 1
            clock.set(ahead)
            service.start()
            another = api.post_certificate(*names(), retry_for_seconds=DAY)
            api.until_job(another, lambda j: j["state"] == "waiting" and j["error"])
    for waiting in (job, another):
        if api.job(waiting)["state"] == "waiting":
            api.call("POST", f"/jobs/{waiting['id']}/retry")
        api.succeeded(waiting)
    assert api.certificate(old)["next_renewal_at"] == planned
    # Each was ordered and signed once; a job that had begun when it was killed may have left an
    # order behind that nothing came of.
    assert sum("csr" in order for order in fake.orders.values()) == 3
    assert len(fake.posts("/new-order")) <= 3 + kills


def plans_told(job):
    return [e["message"] for e in job["events"] if "is planned for" in e["message"]]


def test_a_renewal_that_its_ca_moves_is_told(start, fake, clock, names):
    ari = Ari(fake, window(20 * DAY, 21 * DAY), window(10 * DAY, 11 * DAY), retry_after="60")
    api = start().api
    api.put_account(authority="fake")
    [name] = names()
    api.succeeded(api.post_certificate(name))
    first = until(lambda: plans_told(plan_of(api, name)), 20, "the first plan")
    clock.set(10 * 60)
    told = plans_told(looked_at(api, plan_of(api, name)))
    assert len(ari.asked) == 2 and len(first) == 1
    second = api.certificate(name)["next_renewal_at"]
    assert told == [*first, f"the renewal is planned for {second}"] and told[0] != told[1]
