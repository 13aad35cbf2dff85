"""A new key for an account (RFC 8555 section 7.3.5): at any moment it has exactly one that works."""

import time

import pytest

import pem
from fake_ca_jws import thumbprint
from fake_ca_script import document, held, lose, problem, user_action
from process import until


def account(service, name="main"):
    return service.api.ok("GET", f"/accounts/{name}")


def key_at(fake):
    """The thumbprint of the one account's key, as the CA has it."""
    [known] = fake.objects.accounts.values()
    return thumbprint(known["jwk"])


def with_fake(certwright, fake):
    service = certwright(resources={"authorities": {"pebble": fake.authority()}})
    service.api.put_account()
    return service


def roll_over(service, **body):
    return service.api.ok("POST", "/accounts/main/rollover", body, status=(202,))


def works_with_one_key(service, fake, before, names):
    now = account(service)
    assert now["key"]["thumbprint"] == key_at(fake) != before["key"]["thumbprint"]
    assert now["key"]["changing"] is False and now["url"] == before["url"]
    service.api.succeeded(service.api.post_certificate(*names()))
    assert not fake.complaints


@pytest.mark.smoke
def test_another_key_at_pebble(certwright, pebble, names):
    service = certwright(pebble)
    service.api.put_account()
    before = account(service)
    service.api.succeeded(roll_over(service))
    same_type = account(service)
    assert same_type["key"]["thumbprint"] != before["key"]["thumbprint"]
    assert same_type["key"]["type"] == "ec-p256" and same_type["url"] == before["url"]
    service.api.succeeded(roll_over(service, key={"type": "ec-p384"}))
    assert account(service)["key"]["type"] == "ec-p384"
    service.api.succeeded(service.api.post_certificate(*names()))
    assert service.api.call("PUT", "/accounts/main", {
        "authority": "pebble", "contacts": ["mailto:admin@example.com"],
        "terms_of_service_agreed": True}).status == 200


def test_a_key_brought_along_is_the_only_one(certwright, pebble):
    old, new = pem.make_key(), pem.make_key("rsa-2048")
    service = certwright(pebble)
    service.api.put_account(key={"pem": pem.key_pem(old)})
    service.api.succeeded(roll_over(service, key={"pem": pem.key_pem(new)}))
    assert account(service)["key"]["type"] == "rsa-2048"
    second = certwright(pebble, http01_listen="127.0.0.1:0").api

    def find(name, key):
        return second.ended(second.ok("POST", "/accounts", {
            "name": name, "authority": "pebble", "key": {"pem": pem.key_pem(key)},
            "only_existing": True}))

    assert find("by-old", old)["error"]["code"] == "ca.account_does_not_exist"
    assert find("by-new", new)["state"] == "succeeded"
    assert second.ok("GET", "/accounts/by-new")["url"] == account(service)["url"]


def test_a_key_that_is_taken(certwright, fake, names):
    """By an account of somebody else's; Pebble lets that pass from some version on."""
    key = pem.key_pem(pem.make_key())
    certwright(resources={"authorities": {"pebble": fake.authority()}},
               http01_listen="127.0.0.1:0").api.put_account(key={"pem": key})
    service = with_fake(certwright, fake)
    before = account(service)
    job = service.api.failed(roll_over(service, key={"pem": key}))
    assert job["error"]["code"] == "ca.conflict"
    assert account(service)["key"] == before["key"]
    assert service.api.post(f"/jobs/{job['id']}/retry").status == 409  # the key is not kept
    service.api.succeeded(service.api.post_certificate(*names()))


def test_keys_that_cannot_be(certwright, pebble, names):
    service = certwright(pebble)
    own, of_certificate = pem.key_pem(pem.make_key()), pem.key_pem(pem.make_key())
    service.api.put_account(key={"pem": own})
    service.api.put_account("other")
    service.api.succeeded(service.api.post_certificate(*names(), key={"pem": of_certificate}))

    def code(key, name="main"):
        answer = service.api.post(f"/accounts/{name}/rollover", {"key": {"pem": key}})
        assert answer.status in (409, 422), answer
        return answer.json()["code"]

    assert code(own) == "state.conflict"
    assert code(own, "other") == "name.taken"
    assert code(of_certificate) == "key.reused"
    assert service.api.post("/accounts/main/rollover", {"key": {"type": "dsa"}}).status == 422
    assert account(service)["key"]["changing"] is False


@pytest.mark.parametrize("what", ["before it acts", "after it acted"])
def test_killed_at_the_key_change(certwright, fake, names, what):
    service = with_fake(certwright, fake)
    before = account(service)
    fake.script("/key-change", held() if what.startswith("before") else lose())
    job = roll_over(service)
    until(lambda: fake.posts("/key-change"), 20, "the key change is on its way")
    if what.startswith("after"):
        until(lambda: key_at(fake) != before["key"]["thumbprint"], 5, "the CA has the new key")
    service.kill()
    service.start()
    service.api.succeeded(job)
    assert len(fake.posts("/key-change")) == (2 if what.startswith("before") else 1)
    works_with_one_key(service, fake, before, names)


@pytest.mark.parametrize("moment", [0, 0.005, 0.02])
def test_killed_at_any_moment(certwright, fake, names, moment):
    service = with_fake(certwright, fake)
    before = account(service)
    job = roll_over(service, key={"type": "rsa-2048"})
    time.sleep(moment)
    service.kill()
    service.start()
    service.api.succeeded(job)
    works_with_one_key(service, fake, before, names)


@pytest.mark.parametrize("trouble", [lambda: problem("serverInternal"), lose])
def test_answers_that_tell_nothing(certwright, fake, names, trouble):
    service = with_fake(certwright, fake)
    before = account(service)
    fake.script("/key-change", trouble())
    job = roll_over(service)
    service.api.until_job(job, lambda j: j["error"])
    service.api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    service.api.succeeded(job)
    works_with_one_key(service, fake, before, names)


def test_a_first_request_that_comes_late(certwright, fake, names):
    """It acts after the CA was asked which key it has: then the second one is refused."""
    service = with_fake(certwright, fake)
    before = account(service)
    fake.script("/key-change", problem("serverInternal"), problem("unauthorized", does=True))
    job = roll_over(service)
    service.api.until_job(job, lambda j: j["error"])
    service.api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    service.api.succeeded(job)
    works_with_one_key(service, fake, before, names)


def test_once_it_is_out_it_cannot_be_called_back(certwright, fake, names):
    service = with_fake(certwright, fake)
    before = account(service)
    gate = fake.script("/key-change", held())
    job = roll_over(service)
    until(lambda: fake.posts("/key-change"), 20, "the key change is on its way")
    assert service.api.post(f"/jobs/{job['id']}/cancel").status == 409
    assert service.api.post("/accounts/main/deactivate").status == 409
    assert roll_over(service)["id"] == job["id"]
    assert account(service)["key"]["changing"] is True
    order = service.api.post_certificate(*names())
    service.api.until_job(order, lambda j: any("new key" in e["message"] for e in j["events"]))
    assert not fake.posts("/new-order")
    gate.release()
    service.api.succeeded(job)
    service.api.succeeded(order)
    works_with_one_key(service, fake, before, names)


def test_a_request_that_the_new_key_overtakes(certwright, fake, names):
    """The CA sees it after the key change, signed with the old key, and refuses it."""
    service = with_fake(certwright, fake)
    gate = fake.script("/new-order", held())
    order = service.api.post_certificate(*names())
    until(lambda: fake.posts("/new-order"), 20, "the order is on its way")
    service.api.succeeded(roll_over(service))
    gate.release()
    service.api.succeeded(order)
    assert len(fake.complaints) == 1 and "/new-order" in fake.complaints.pop()
    assert len(fake.posts("/new-order")) == 2


def test_challenges_under_way_come_first(certwright, fake, names):
    service = with_fake(certwright, fake)
    before = account(service)
    fake.pending_polls = 3
    order = service.api.post_certificate(*names())
    until(lambda: fake.posts("/chall"), 20, "a challenge is answered")
    job = roll_over(service)
    service.api.succeeded(job)
    service.api.succeeded(order)
    trail = fake.trail()
    assert max(i for i, t in enumerate(trail) if "/authz" in t) < trail.index("POST /key-change")
    assert len(fake.posts("/new-order")) == 1
    # The order's later requests may meet the new key, and are sent again.
    assert all("signature" in complaint for complaint in fake.complaints)
    fake.complaints.clear()
    works_with_one_key(service, fake, before, names)


def test_what_waits_for_a_person_takes_a_second_order(certwright, fake, resolvers, challtestsrv):
    """The record that the person has placed holds the old key's thumbprint."""
    zone = "hand.example.com"
    service = certwright(resources={"authorities": {"pebble": fake.authority()}, "solvers": {
        "hand": {"type": "manual", "zones": [zone]}}}, **resolvers)
    service.api.put_account()
    order = service.api.post_certificate(f"*.{zone}")

    def place():
        """What the job shows, once it waits for that without end."""
        job = service.api.until_job(order, lambda j: j["step"] == "present"
                                    and j["state"] == "waiting" and j["next_attempt_at"] is None)
        record = job["identifiers"][0]["challenge"]["record"]
        challtestsrv.set_txt(record["name"].rstrip(".") + ".", record["value"])
        service.api.ok("POST", f"/jobs/{order['id']}/continue")

    service.api.until_job(order, lambda j: j["step"] == "present" and j["next_attempt_at"] is None
                          and j["state"] == "waiting")
    service.api.succeeded(roll_over(service))
    place()
    until(lambda: len(fake.posts("/new-order")) == 2, 20, "a second order is placed")
    assert not fake.posts("/chall")
    place()
    service.api.succeeded(order)
    assert len(fake.posts("/chall")) == 1


def test_a_change_that_waits_for_a_person_keeps_nobody_waiting(certwright, fake, names):
    service = with_fake(certwright, fake)
    before = account(service)
    fake.script("/key-change", user_action())
    job = roll_over(service)
    until(lambda: account(service)["last_error"], 20, "somebody is told")
    assert account(service)["last_error"]["code"] == "ca.user_action_required"
    service.api.succeeded(service.api.post_certificate(*names()))
    service.api.ok("POST", f"/jobs/{job['id']}/continue", status=(202,))
    service.api.succeeded(job)
    assert account(service)["last_error"] is None
    works_with_one_key(service, fake, before, names)


def test_a_ca_without_key_changes(certwright, fake):
    fake.bend["directory"] = lambda d, ca: d.pop("keyChange") and None
    service = with_fake(certwright, fake)
    before = account(service)
    job = service.api.failed(roll_over(service))
    assert job["error"]["code"] == "state.conflict"
    assert account(service)["key"] == before["key"]


def test_a_failed_validation_is_no_refused_signature(certwright, fake, names):
    """Both are called unauthorized; the job ends by it, though a key change waits for it."""
    service = with_fake(certwright, fake)
    [name] = names()
    fake.pending_polls = 3
    fake.fail[name] = [document("unauthorized", status=403)]
    order = service.api.post_certificate(name)
    until(lambda: fake.posts("/chall"), 20, "a challenge is answered")
    job = roll_over(service)
    assert service.api.failed(order)["error"]["code"] == "ca.unauthorized"
    service.api.succeeded(job)
    fake.complaints.clear()
