"""The alidns solver against a stand-in that checks what the real service checks."""

import pytest

import pem
from alidns import BROKEN, OUT_OF_QUOTA, THROTTLED, Alidns, signature
from process import until

ZONE = "aliyun.example.com"


def test_the_stand_in_knows_the_documented_vector():
    """The example of Alibaba Cloud's documentation of signature v3."""
    query = [("RegionId", "cn-shanghai"),
             ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd")]
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-version": "2014-05-26"}
    assert signature("YourAccessKeySecret", "POST", query, headers, sorted(headers), b"") == (
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0")


@pytest.fixture
def alidns(challtestsrv):
    server = Alidns(challtestsrv, [ZONE])
    yield server
    server.stop()


@pytest.fixture
def api(certwright, pebble, alidns, resolvers):
    service = certwright(pebble, resources={
        "credentials": {"ali": {"type": "alibaba-cloud", "access_key_id": alidns.key_id,
                                "access_key_secret": alidns.secret}},
        "solvers": {"dns": {"type": "alidns", "credential": "ali", "zones": [ZONE],
                            "endpoint": alidns.endpoint}}}, **resolvers)
    service.api.put_account()
    return service.api


def test_apex_and_wildcard(api, alidns):
    api.succeeded(api.post_certificate(ZONE, f"*.{ZONE}", name="site"))
    assert pem.names_of(pem.load(api.pem("site", "cert.pem"))) == sorted([ZONE, f"*.{ZONE}"])
    until(lambda: not alidns.records, 15, "both records are removed")
    added = [p for action, p in alidns.calls if action == "AddDomainRecord"]
    assert {(p["DomainName"], p["RR"], p["Type"]) for p in added} == {
        (ZONE, "_acme-challenge", "TXT")}


@pytest.mark.parametrize("how", ["lose_next", "drop_next"])
def test_a_lost_answer_leaves_one_record(api, alidns, how):
    getattr(alidns, how).add("AddDomainRecord")
    job = api.post_certificate(f"*.{ZONE}")
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    assert job["error"]["code"] == "provider.unreachable"
    assert len(alidns.records) == 1
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)
    until(lambda: not alidns.records, 15, "the record is removed")


def test_a_zone_of_someone_else(api, alidns):
    alidns.zones.clear()
    job = api.failed(api.post_certificate(f"*.{ZONE}"))
    assert job["error"]["code"] == "provider.refused"
    assert "IncorrectDomainUser" in job["error"]["detail"]


def test_a_wrong_secret(api, alidns):
    alidns.secret = "another"
    job = api.failed(api.post_certificate(f"*.{ZONE}"))
    assert job["error"]["code"] == "provider.refused"
    assert "SignatureDoesNotMatch" in job["error"]["detail"]


def test_no_quota_is_left(api, alidns):
    alidns.refuse_next = [OUT_OF_QUOTA]
    job = api.failed(api.post_certificate(f"*.{ZONE}"))
    assert job["error"]["code"] == "provider.refused"
    assert "QuotaExceeded.Record" in job["error"]["detail"]


@pytest.mark.parametrize("refusal", [THROTTLED, BROKEN], ids=lambda r: r.code)
def test_trouble_is_waited_for(api, alidns, refusal):
    alidns.refuse_next = [refusal]
    job = api.post_certificate(f"*.{ZONE}")
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["error"])
    assert job["error"]["retryable"]
    api.ok("POST", f"/jobs/{job['id']}/retry", status=(202,))
    api.succeeded(job)


def test_a_zone_that_is_not_found_is_asked_for_ever_more_rarely(certwright, pebble, challtestsrv):
    """The resolvers have the answer at hand, so that it comes while the step that asks goes on."""
    api = certwright(pebble, resources={
        "credentials": {"ali": {"type": "alibaba-cloud", "access_key_id": "id",
                                "access_key_secret": "secret"}},
        "solvers": {"dns": {"type": "alidns", "credential": "ali", "zones": [ZONE]}}},
        resolvers=[f"127.0.0.1:{challtestsrv.dns_port}"]).api
    api.put_account()
    job = api.until_job(api.post_certificate(f"*.{ZONE}"), lambda j: j["attempt"] == 2)
    assert job["error"]["code"] == "dns.no_zone"
    assert len([e for e in job["events"] if "no zone" in e["message"]]) == 2
