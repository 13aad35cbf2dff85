"""
Every error a CA can answer with: what is sent next, after how long, and what the job shows. One row
each; no row waits, since the time of the next try stands in the job.
"""

import datetime
import re
from datetime import timedelta

import pytest

from api import ENDED
from fake_ca_script import document, lose, paused, problem, raw, subproblem, truncate, user_action
from pem import key_pem, make_key
from process import until

ISSUE = ["new-order", "authz", "chall", "authz", "finalize", "cert"]
NEVER = "until a person says so"
HELP = "https://ca.invalid/help"


@pytest.fixture
def api(certwright, fake):
    service = certwright(resources={"authorities": {"fake": fake.authority()}})
    service.api.put_account(authority="fake")
    return service.api


def words(fake, start):
    """
    The paths of the requests from that one on, without numbers: ["new-order", "authz", …]. What is
    handed back afterwards is left out: a look at the authorization, and its deactivation.
    """
    found = [(path, payload) for _, path, payload in fake.requests[start:] if path != "/nonce"]
    for path, payload in list(found):
        if payload == {"status": "deactivated"}:
            found.remove((path, payload))
            del found[max(i for i, (other, _) in enumerate(found) if other == path)]
    return [path.split("/")[1] for path, _ in found]


def handed_back(api):
    """Waits until nothing of dead orders is to be given back to the CA any more."""
    until(lambda: all(job["state"] in ENDED for job in api.ok("GET", "/jobs")["items"]
                      if job["kind"] == "authorization.deactivate"), 20, "all is handed back")


def delay(job):
    """Seconds from the failure to the next try."""
    if job["next_attempt_at"] is None:
        return NEVER
    at, then = (datetime.datetime.fromisoformat(job[name].replace("Z", "+00:00"))
                for name in ("next_attempt_at", "updated_at"))
    return (at - then).total_seconds()


def settled(api, job):
    """The job once it has ended, or waits with an error."""
    return api.until_job(job, lambda j: j["state"] in ("succeeded", "failed") or
                         j["state"] == "waiting" and j["error"])


# What waits: where it is said, what is said, after how long it is tried again, what is shown.
WAITS = {
    "serverInternal": ("new-order", problem("serverInternal"), (4, 6), "ca.server_internal", {}),
    "serverInternal, told": ("new-order", problem("serverInternal", after=60), (60, 60),
                             "ca.server_internal", {}),
    "serverInternal, a validation": ("chall", problem("serverInternal"), (4, 6),
                                     "ca.server_internal", {}),
    "502 of a proxy": ("finalize", raw(502, {}, b"<html>"), (4, 6), "ca.server_internal", {}),
    "503": ("new-order", raw(503), (4, 6), "ca.server_internal", {}),
    "503, told": ("new-order", raw(503, {"Retry-After": "120"}), (120, 120),
                  "ca.server_internal", {}),
    "rateLimited, told": ("new-order", problem("rateLimited", after=3600, links={"help": HELP}),
                          (3600, 3600), "ca.rate_limited", {"help": HELP}),
    "rateLimited until a date": ("new-order", problem("rateLimited", after=timedelta(hours=2)),
                                 (7190, 7201), "ca.rate_limited", {}),
    "rateLimited, a challenge": ("chall", problem("rateLimited", after=61), (61, 61),
                                 "ca.rate_limited", {}),
    "rateLimited, told too much": ("new-order", problem("rateLimited", after=86400 * 30),
                                   (86400, 86400), "ca.rate_limited", {}),
    "rateLimited, untold": ("new-order", problem("rateLimited"), (48, 72), "ca.rate_limited", {}),
    "429 without words": ("new-order", raw(429), (48, 72), "ca.rate_limited", {}),
    "paused": ("new-order", paused("https://ca.invalid/sfe/v1/unpause?jwt=a.b.c"), NEVER,
               "ca.paused", {"unpause": "https://ca.invalid/sfe/v1/unpause?jwt=a.b.c"}),
    "userActionRequired": ("new-order", user_action("https://ca.invalid/do", "https://ca.invalid/t"),
                           NEVER, "ca.user_action_required",
                           {"instance": "https://ca.invalid/do",
                            "terms_of_service": "https://ca.invalid/t"}),
    "a lost answer": ("chall", lose(), (4, 6), "ca.unreachable", {}),
    "half an answer": ("order", truncate(), (4, 6), "ca.unreachable", {}),
}


@pytest.mark.parametrize("row", WAITS)
def test_what_is_waited_for(api, fake, names, row):
    where, said, after, code, links = WAITS[row]
    if where == "order":
        fake.processing_polls = 1
    fake.script(f"/{where}", said)
    start = len(fake.requests)
    job = settled(api, api.post_certificate(*names(), retry_for_seconds=86400 * 2))
    assert (job["state"], job["error"]["code"]) == ("waiting", code), job
    assert job["error"]["retryable"] is True
    assert job["error"].get("links", {}) == links
    assert words(fake, start)[-1] == where, "nothing is sent before its time"
    if after == NEVER:
        assert delay(job) == NEVER
    else:
        assert after[0] - 0.1 <= delay(job) <= after[1] + 0.1
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))  # 503: of a parked CA
    api.succeeded(job)
    assert words(fake, start)[-1] == "cert"


def test_the_delays_without_a_retry_after_are_those_of_lets_encrypt(api, fake, names):
    fake.script("/new-order", *[problem("rateLimited") for _ in range(5)])
    job = api.post_certificate(*names(), retry_for_seconds=86400 * 3)
    for attempt, minutes in enumerate((1, 10, 100, 1440, 1440), 1):
        job = api.until_job(job, lambda j: j["error"] and j["attempt"] == attempt)
        assert minutes * 48 - 1 <= delay(job) <= min(minutes * 72, 86400) + 1
        api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)


def test_a_wait_that_the_job_has_no_time_for_is_told(api, fake, names):
    fake.script("/new-order", problem("rateLimited", "too many", after=3600))
    error = api.failed(api.post_certificate(*names(), retry_for_seconds=600))["error"]
    assert error["code"] == "ca.rate_limited" and error["retryable"] is True
    assert "The time to retry ends before the 3600 s that the CA wants: too many" in error["detail"]


@pytest.mark.parametrize("said", [paused(), user_action()])
def test_continue_too_ends_the_wait_for_a_person(api, fake, names, said):
    fake.script("/new-order", said)
    job = settled(api, api.post_certificate(*names(), retry_for_seconds=0))
    assert delay(job) == NEVER
    api.ok("POST", f"/jobs/{job['id']}/continue", status=(202,))
    api.succeeded(job)


# What is done again in another way, at once: where, what is said, what is sent.
OTHERWISE = {
    "badNonce": ("new-order", [problem("badNonce")], ["new-order", *ISSUE]),
    "badNonce, often": ("finalize", [problem("badNonce")] * 5,
                        [*ISSUE[:4], *["finalize"] * 6, "cert"]),
    "orderNotReady, but done": ("finalize", [problem("orderNotReady", does=True)],
                                [*ISSUE[:5], "order", "cert"]),
    "badCSR": ("finalize", [problem("badCSR")], [*ISSUE[:5], "finalize", "cert"]),
    "an authorization that is gone": ("authz", [problem("malformed", status=404)],
                                      ["new-order", "authz", *ISSUE]),
    "a challenge that is gone": ("chall", [problem("malformed", status=404)], [*ISSUE[:3], *ISSUE]),
    "an order that is gone": ("finalize", [problem("malformed", status=404)],
                              [*ISSUE[:5], *ISSUE]),
}


@pytest.mark.parametrize("row", OTHERWISE)
def test_what_is_done_in_another_way(api, fake, names, row):
    where, said, sent = OTHERWISE[row]
    fake.script(f"/{where}", *said)
    start = len(fake.requests)
    job = api.succeeded(api.post_certificate(*names()))
    handed_back(api)
    assert words(fake, start) == sent
    assert job["error"] is None
    # What is only tried again later says so in these words alone.
    assert "so says the test" not in [event["message"] for event in job["events"]]


def test_a_refused_csr_is_followed_by_another_key(api, fake, names):
    fake.script("/finalize", problem("badCSR"))
    [name] = names()
    api.succeeded(api.post_certificate(name))
    first, second = fake.posts("/finalize")
    assert first != second
    assert [v["status"] for v in api.ok("GET", f"/certificates/{name}/versions")["items"]] == \
        ["valid"]
    assert api.certificate(name)["version"] == 2


def test_a_second_refused_csr_is_the_last(api, fake, names):
    fake.script("/finalize", problem("badCSR"), problem("badCSR"))
    job = api.failed(api.post_certificate(*names()))
    assert job["error"]["code"] == "ca.bad_csr" and len(fake.posts("/finalize")) == 2


def test_a_callers_key_is_not_replaced(api, fake, names):
    fake.script("/finalize", problem("badCSR"))
    job = api.failed(api.post_certificate(*names(), key={"pem": key_pem(make_key())}))
    assert job["error"]["code"] == "ca.bad_csr" and len(fake.posts("/finalize")) == 1


def test_orders_that_vanish_again_and_again_come_to_an_end(api, fake, names):
    fake.script("/authz", *[problem("malformed", status=404) for _ in range(9)])
    job = api.failed(api.post_certificate(*names()))
    assert job["error"]["code"] == "ca.malformed" and len(fake.posts("/new-order")) == 4


@pytest.mark.parametrize("status", ["expired", "deactivated", "revoked"])
def test_an_authorization_that_is_used_up_costs_an_order(api, fake, names, status):
    seen = []

    def bend(authorization, _):
        seen.append(authorization)
        if len(seen) == 1:
            authorization["status"] = status

    fake.bend["authorization"] = bend
    start = len(fake.requests)
    api.succeeded(api.post_certificate(*names()))
    handed_back(api)
    assert words(fake, start) == ["new-order", "authz", *ISSUE]


def test_what_would_pass_had_it_not_taken_the_order_with_it(api, fake, names):
    """serverInternal in an order that is invalid: the same order again would never do."""
    fake.processing_polls = 1
    seen = []

    def bend(order, _):
        if order["status"] == "valid" and not seen:
            seen.append(order)
            order.update(status="invalid", error=document("serverInternal", "no luck"))

    fake.bend["order"] = bend
    job = settled(api, api.post_certificate(*names()))
    assert (job["state"], job["step"]) == ("waiting", "order")
    assert job["error"]["code"] == "ca.server_internal" and 3.9 <= delay(job) <= 6.1
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    assert len(fake.posts("/new-order")) == 2


def test_a_lost_answer_to_finalize_is_looked_for(api, fake, names):
    fake.script("/finalize", lose())
    start = len(fake.requests)
    job = settled(api, api.post_certificate(*names()))
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    assert words(fake, start) == [*ISSUE[:5], "order", "cert"]


# What ends a job at once: where it is said.
ENDS = {
    "malformed": ("new-order", "ca.malformed"),
    "badPublicKey": ("finalize", "ca.bad_public_key"),
    "conflict": ("new-order", "ca.conflict"),
    "unauthorized": ("new-order", "ca.unauthorized"),
    "externalAccountRequired": ("new-order", "ca.external_account_required"),
    "rejectedIdentifier": ("new-order", "ca.rejected_identifier"),
    "unsupportedIdentifier": ("new-order", "ca.unsupported_identifier"),
    "compound": ("new-order", "ca.compound"),
    "urn:ca.invalid:novel": ("new-order", "ca.error"),
}


@pytest.mark.parametrize("kind", ENDS)
def test_what_ends_the_job(api, fake, names, kind):
    where, code = ENDS[kind]
    fake.script(f"/{where}", problem(kind, "no, since", told_status=None))
    start = len(fake.requests)
    job = api.failed(api.post_certificate(*names()))
    assert words(fake, start)[-1] == where
    error = job["error"]
    assert error["code"] == code and error["retryable"] is False
    assert error["detail"] == "no, since" and error["acme"]["detail"] == "no, since"


@pytest.mark.parametrize("kind, code", [
    ("connection", "ca.connection"), ("dns", "ca.dns"), ("tls", "ca.tls"), ("caa", "ca.caa"),
    ("incorrectResponse", "ca.incorrect_response"), ("unauthorized", "ca.unauthorized")])
def test_a_dead_authorization_ends_the_job(api, fake, names, kind, code):
    [name] = names()
    said = document(kind, "not what was wanted", status=403)
    fake.fail[name] = [said]
    start = len(fake.requests)
    job = api.failed(api.post_certificate(name))
    assert words(fake, start) == ISSUE[:4], "no second order"
    assert job["error"]["code"] == code and job["error"]["acme"] == said
    [identifier] = job["identifiers"]
    assert identifier["state"] == "invalid" and identifier["error"]["code"] == code
    assert identifier["error"]["acme"] == said


@pytest.mark.parametrize("kind", ["compound", "rejectedIdentifier"])
def test_each_identifier_has_its_own_error(api, fake, names, kind):
    good, bad, worse = names(3)
    subs = [subproblem("rejectedIdentifier", bad, "a high risk name"),
            subproblem("caa", worse, "CAA says no")]
    fake.script("/new-order", problem(kind, "see there", subproblems=subs))
    job = api.failed(api.post_certificate(good, bad, worse))
    assert job["error"]["acme"]["subproblems"] == subs
    found = {i["value"]: i for i in job["identifiers"]}
    assert found[good]["error"] is None and found[good]["state"] == "new"
    assert found[bad]["error"]["code"] == "ca.rejected_identifier"
    assert found[bad]["detail"] == "a high risk name" and found[bad]["state"] == "invalid"
    assert found[worse]["error"]["code"] == "ca.caa"
    assert found[worse]["error"]["acme"] == subs[1]


def test_a_caa_record_tells_what_would_do(api, fake, names):
    fake.meta = {"caaIdentities": ["ca.invalid", "no host; name", "other.invalid"]}
    api.succeeded(api.ok("POST", "/authorities/fake/refresh", status=(202,)))
    [name] = names()
    fake.fail[name] = [document("caa", "CAA says no", status=403)]
    error = api.failed(api.post_certificate(name))["error"]
    assert error["code"] == "ca.caa" and "CAA says no" in error["detail"]
    assert '"ca.invalid" or "other.invalid"' in error["detail"]
    assert f"accounturi={api.ok('GET', '/accounts/main')['url']}" in error["detail"]
    assert "no host" not in error["detail"]


def test_an_unknown_profile_tells_which_there_are(api, fake, names):
    fake.profiles = {"classic": "as ever", "eternal": "that was"}
    api.succeeded(api.ok("POST", "/authorities/fake/refresh", status=(202,)))
    fake.profiles = {"classic": "as ever", "shortlived": "for a week"}
    fake.script("/new-order", problem("invalidProfile", "no such profile."))
    start = len(fake.requests)
    job = api.failed(api.post_certificate(*names(), profile="eternal"))
    assert fake.trail(start) == ["POST /new-order", "GET /dir"]
    assert job["error"]["code"] == "ca.invalid_profile"
    assert re.search("profiles: classic, shortlived", job["error"]["detail"])
    shown = api.ok("GET", "/authorities/fake/directory")
    assert set(shown["directory"]["meta"]["profiles"]) == {"classic", "shortlived"}


def test_a_limit_of_the_account_delays_its_other_jobs(api, fake, names):
    first, second, third = names(3)
    fake.script("/new-order", problem(
        "rateLimited", "too many new orders (300) from this account in the last 3h0m0s", after=900))
    api.ok("PUT", "/accounts/other", {"authority": "fake", "contacts": [],
                                      "terms_of_service_agreed": True}, status=(202,))
    settled(api, api.post_certificate(first))
    job = api.post_certificate(second)
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["step"] == "order")
    assert job["error"] is None and 880 <= delay(job) <= 1000
    assert "limit" in job["events"][-1]["message"]
    api.until_job(job, lambda j: len(fake.posts("/new-order")) == 1)
    api.succeeded(api.post_certificate(third, account="other"))
    assert len(fake.posts("/new-order")) == 2


def test_a_limit_of_a_name_delays_no_other_job(api, fake, names):
    first, second = names(2)
    fake.script("/new-order", problem(
        "rateLimited", f'too many failed authorizations (5) for "{first}" in the last 1h0m0s, see '
        "https://ca.invalid/#authorization-failures-per-identifier-per-account", after=900))
    settled(api, api.post_certificate(first))
    api.succeeded(api.post_certificate(second))


# Accounts and revocations.

def test_an_account_that_is_gone_is_registered_again(api, fake, names):
    fake.forget_accounts()
    start = len(fake.requests)
    before = api.ok("GET", "/accounts/main")["url"]
    api.succeeded(api.post_certificate(*names()))
    assert words(fake, start) == ["new-order", "new-account", *ISSUE]
    account = api.ok("GET", "/accounts/main")
    assert account["status"] == "valid" and account["url"] != before
    fake.complaints.clear()


def test_an_account_that_is_found_by_its_key_goes_on(api, fake, names):
    fake.script("/new-order", problem("accountDoesNotExist"))
    start = len(fake.requests)
    api.succeeded(api.post_certificate(*names()))
    assert words(fake, start) == ["new-order", "new-account", *ISSUE]


def test_an_account_is_registered_again_once(api, fake, names):
    fake.script("/new-order", *[problem("accountDoesNotExist") for _ in range(5)])
    start = len(fake.requests)
    job = api.failed(api.post_certificate(*names()))
    assert words(fake, start) == ["new-order", "new-account", "new-order"]
    assert job["error"]["code"] == "ca.account_does_not_exist"


def test_an_account_key_of_an_algorithm_that_is_taken(certwright, fake):
    fake.algorithms = ("ES384",)
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    api.put_account(authority="fake")
    assert api.ok("GET", "/accounts/main")["key"]["type"] == "ec-p384"
    assert len(fake.posts("/new-account")) == 2
    fake.complaints.clear()


def test_an_algorithm_that_we_have_not_is_permanent(certwright, fake):
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    fake.script("/new-account", problem("badSignatureAlgorithm", algorithms=["EdDSA"]))
    job = api.failed(api.ok("PUT", "/accounts/main", {
        "authority": "fake", "contacts": [], "terms_of_service_agreed": True}, status=(202,)))
    assert job["error"]["code"] == "ca.bad_signature_algorithm"
    assert job["error"]["acme"]["algorithms"] == ["EdDSA"]


def test_an_account_that_agrees_at_last_is_registered(certwright, fake):
    """The job that waits for a person is what goes on, without another word."""
    fake.terms = "https://ca.invalid/terms"
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    body = {"authority": "fake", "contacts": [], "terms_of_service_agreed": False}
    job = settled(api, api.ok("PUT", "/accounts/main", body, status=(202,)))
    assert job["error"]["links"] == {"terms_of_service": fake.terms} and delay(job) == NEVER
    fake.complaints.clear()
    again = api.ok("PUT", "/accounts/main", {**body, "terms_of_service_agreed": True},
                   status=(202,))
    api.succeeded(again)
    assert api.ok("GET", "/accounts/main")["status"] == "valid"


@pytest.mark.parametrize("kind, code", [("invalidContact", "ca.invalid_contact"),
                                        ("unsupportedContact", "ca.unsupported_contact"),
                                        ("externalAccountRequired",
                                         "ca.external_account_required")])
def test_an_account_that_is_refused(certwright, fake, kind, code):
    api = certwright(resources={"authorities": {"fake": fake.authority()}}).api
    fake.script("/new-account", problem(kind))
    job = api.failed(api.ok("PUT", "/accounts/main", {
        "authority": "fake", "contacts": [], "terms_of_service_agreed": True}, status=(202,)))
    assert job["error"]["code"] == code and len(fake.posts("/new-account")) == 1


@pytest.mark.parametrize("kind, state", [("alreadyRevoked", "succeeded"),
                                         ("badRevocationReason", "failed")])
def test_revocation(api, fake, names, kind, state):
    [name] = names()
    api.succeeded(api.post_certificate(name))
    fake.script("/revoke", problem(kind))
    job = api.ended(api.ok("POST", f"/certificates/{name}/revoke", {}, status=(202,)))
    assert job["state"] == state and len(fake.posts("/revoke")) == 1
    assert (api.certificate(name)["status"] == "revoked") == (state == "succeeded")


@pytest.mark.parametrize("kind", ["alreadyReplaced", "malformed"])
def test_a_replacement_that_is_refused_is_an_order_like_any(api, fake, names, kind):
    fake.bend["directory"] = lambda d, ca: d.update(renewalInfo=f"{ca.base}/renewal-info")
    fake.endpoint["renewal-info"] = lambda ca, request: raw(404)
    api.succeeded(api.ok("POST", "/authorities/fake/refresh", status=(202,)))
    [name] = names()
    api.succeeded(api.post_certificate(name))
    fake.script("/new-order", problem(kind, "not that one"))
    api.succeeded(api.ok("POST", f"/certificates/{name}/renew", {"force": True}, status=(202,)))
    with_it, without = fake.posts("/new-order")[-2:]
    assert with_it["replaces"] and "replaces" not in without
