"""What the database refuses for good ends a job; it is not done outside again and again."""

import http.client
import sqlite3
from contextlib import closing

import pytest

from process import free_port, until

REFUSE = "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"


def alter(service, sql):
    with closing(sqlite3.connect(service.data / "certwright.db", timeout=10)) as database:
        database.executescript(sql)


@pytest.mark.parametrize("triggers", [
    [f"CREATE TRIGGER no_authorization BEFORE INSERT ON authorization {REFUSE}"],
    # Its end is refused as well, and even to let its certificate go.
    [f"CREATE TRIGGER no_authorization BEFORE INSERT ON authorization {REFUSE}",
     f"CREATE TRIGGER no_news BEFORE UPDATE OF last_error ON certificate {REFUSE}"],
], ids=["the step", "the end too"])
def test_a_refused_commit_ends_the_job(certwright, fake, names, triggers):
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    api = service.api
    api.put_account(authority="fake")
    fake.hold("/new-order")
    [name] = names()
    job = api.post_certificate(name)
    until(lambda: fake.posts("/new-order"), 20, "the order is asked for")
    alter(service, ";".join(triggers))
    fake.release("/new-order")
    job = api.failed(job)
    assert job["error"]["code"] == "internal" and not job["error"]["retryable"]
    assert "refused by the test" in job["events"][-1]["message"]
    assert len(fake.posts("/new-order")) == 1
    if len(triggers) == 1:
        resource = api.certificate(name)
        assert resource["active_job"] is None and resource["last_error"]["code"] == "internal"


@pytest.mark.parametrize("triggers", [
    [f"CREATE TRIGGER no_duty BEFORE INSERT ON duty {REFUSE}"],
    [f"CREATE TRIGGER no_duty BEFORE INSERT ON duty {REFUSE}",
     f"CREATE TRIGGER no_news BEFORE UPDATE OF last_error ON certificate {REFUSE}"],
], ids=["the step", "the end too"])
def test_a_refused_commit_leaves_no_answer(certwright, fake, names, triggers):
    """Challenges are answered a moment before the commit that tells so."""
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    api = service.api
    api.put_account(authority="fake")
    fake.hold("/new-order")
    job = api.post_certificate(*names())
    until(lambda: fake.posts("/new-order"), 20, "the order is asked for")
    alter(service, ";".join(triggers))
    fake.release("/new-order")
    job = api.failed(job)
    assert "refused by the test" in job["events"][-1]["message"]
    [order] = fake.orders
    responder = http.client.HTTPConnection(service.config["http01_listen"], timeout=10)
    responder.request("GET", f"/.well-known/acme-challenge/token-{order}-0")
    assert responder.getresponse().status == 404
    responder.close()


def test_a_job_that_cannot_be_loaded_ends(certwright, names):
    """As after a step back to an older program, which does not know what a newer one has begun."""
    gone = {"directory_url": f"https://127.0.0.1:{free_port()}/dir", "test": True}
    service = certwright(resources={"authorities": {"gone": gone}})
    api = service.api
    api.ok("PUT", "/accounts/main", {"authority": "gone", "terms_of_service_agreed": True},
           status=(202,))
    [name] = names()
    job = api.post_certificate(name)
    api.until_job(job, lambda j: j["state"] == "waiting")
    service.stop()
    alter(service, f"UPDATE job SET step = 'invented', due_at = 0 WHERE id = '{job['id']}'")
    service.start()
    job = api.until_job(job, lambda j: j["state"] == "failed", 60)
    assert job["error"]["code"] == "internal"
    assert "knows no step invented" in job["events"][-1]["message"]
    assert api.certificate(name)["active_job"] is None
