"""What is asked for while a job is in the middle of a step: the CA keeps its answer until then."""

import pytest

from process import until


@pytest.fixture
def api(certwright, fake):
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    service.api.put_account(authority="fake")
    return service.api


def came(fake, prefix, count=1):
    until(lambda: len(fake.posts(prefix)) >= count, 20, f"{count} requests to {prefix}")


def put(api, name, *identifiers):
    return api.ok("PUT", f"/certificates/{name}",
                  {"identifiers": list(identifiers), "account": "main"}, status=(202,))


def held_at_the_last_poll(api, fake, name):
    """A job whose authorization was polled for the last time, if the CA would only answer."""
    fake.hold("/chall")
    job = put(api, "site", name)
    came(fake, "/chall")
    polled = len(fake.posts("/authz"))
    fake.hold("/authz")
    fake.release("/chall")
    came(fake, "/authz", polled + 1)
    return job


def test_a_cancel_that_was_accepted_holds(api, fake, names):
    """Also when the step that is under way leads beyond the point of no return."""
    job = held_at_the_last_poll(api, fake, *names())
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(202,))
    fake.release("/authz")
    assert api.ended(job)["state"] == "cancelled"
    assert fake.posts("/finalize") == []


def test_a_cancel_comes_before_the_next_poll(api, fake, names):
    """Also while the job is held in memory between two polls."""
    fake.pending_polls = 20
    job = held_at_the_last_poll(api, fake, *names())
    polled = len(fake.posts("/authz"))
    api.ok("POST", f"/jobs/{job['id']}/cancel", status=(202,))
    fake.release("/authz")
    assert api.ended(job)["state"] == "cancelled"
    # The job that gives the authorization up looks at it, and does.
    assert len(fake.posts("/authz")) <= polled + 2
    assert fake.posts("/finalize") == []


def test_a_job_whose_certificate_is_deleted_is_cancelled(api, fake, names):
    """Not failed, though what it was about to do fails as well."""
    fake.hold("/new-order")
    job = put(api, "site", *names())
    came(fake, "/new-order")
    assert api.delete("/certificates/site").status == 204
    fake.answer["/new-order"] = (403, {}, {
        "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not here"})
    fake.release("/new-order")
    assert api.ended(job)["state"] == "cancelled"


def test_a_change_calls_back_a_job_at_its_last_poll(api, fake, names):
    old, new = names(2)
    first = held_at_the_last_poll(api, fake, old)
    second = put(api, "site", new)
    assert second["id"] != first["id"]
    fake.release("/authz")
    assert api.ended(first)["state"] == "cancelled"
    api.succeeded(second)
    assert len(fake.posts("/finalize")) == 1
    assert api.certificate("site")["identifiers"] == [new]


def test_a_change_calls_back_an_issue_beside_a_revocation(api, fake, names):
    a, b, c = names(3)
    api.succeeded(put(api, "site", a))
    fake.hold("/revoke")
    revocation = api.ok("POST", "/certificates/site/revoke", {}, status=(202,))
    came(fake, "/revoke")
    fake.hold("/new-order")
    second = put(api, "site", b)
    came(fake, "/new-order", 2)
    assert api.certificate("site")["active_job"] == second["id"]
    third = put(api, "site", c)
    assert third["id"] != second["id"]
    fake.release("/new-order")
    assert api.ended(second)["state"] == "cancelled"
    api.succeeded(third)
    assert api.certificate("site")["active_job"] == revocation["id"]
    fake.release("/revoke")
    api.succeeded(revocation)
    assert api.certificate("site")["active_job"] is None
    assert len(fake.posts("/finalize")) == 2


def test_the_successor_of_a_cancelled_job_is_the_active_one(api, fake, names):
    [name] = names()
    fake.hold("/new-order")
    first = put(api, "site", name)
    came(fake, "/new-order")
    api.ok("POST", f"/jobs/{first['id']}/cancel", status=(202,))
    second = put(api, "site", name)
    assert second["id"] != first["id"]
    assert api.certificate("site")["active_job"] == second["id"]
    fake.answer["/new-order"] = (403, {}, {
        "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not here"})
    fake.release("/new-order")
    api.ended(first)
    api.failed(second)
    site = api.certificate("site")
    assert site["active_job"] is None and site["last_error"]["code"] == "ca.rejected_identifier"


def test_a_deletion_does_not_get_lost_in_an_earlier_revocation(api, fake, names):
    a, b = names(2)
    api.succeeded(put(api, "site", a))
    fake.hold("/revoke")
    first = api.ok("POST", "/certificates/site/revoke", {}, status=(202,))
    came(fake, "/revoke")
    put(api, "site", b)
    second = api.ok("DELETE", "/certificates/site?revoke=true", status=(202,))
    assert second["id"] != first["id"]
    fake.release("/revoke")
    api.succeeded(second)
    assert api.get("/certificates/site").status == 404
