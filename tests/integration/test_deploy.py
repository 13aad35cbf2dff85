"""From one POST to certificates that are installed, on clouds and in folders, and kept so."""

import os
import random
import time

import pytest

import alibaba as stand_in
import pem
from alibaba import Alibaba
from alidns import Alidns
from aliyun_rpc import Refusal
from process import until

ZONE = "shop.example.com"
NAMES = [ZONE, f"www.{ZONE}"]


@pytest.fixture
def alidns(challtestsrv):
    server = Alidns(challtestsrv, [ZONE])
    yield server
    server.stop()


@pytest.fixture
def alibaba():
    server = Alibaba()
    for name in NAMES:
        server.add_domain(name)
    server.add_group("group-1", *NAMES)
    yield server
    server.stop()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    return folder


@pytest.fixture
def service(certwright, pebble, alidns, alibaba, resolvers, root):
    cloud = {"credential": "ali", "endpoint": alibaba.endpoint, "allow_test": True}
    service = certwright(
        pebble, file_roots=[str(root)],
        resources={
            "credentials": {"ali": {"type": "alibaba-cloud", "access_key_id": alidns.key_id,
                                    "access_key_secret": alidns.secret}},
            "solvers": {"dns": {"type": "alidns", "credential": "ali", "zones": [ZONE],
                                "endpoint": alidns.endpoint}},
            "targets": {"store": {"type": "aliyun-cas", **cloud},
                        "cdn": {"type": "aliyun-cdn", **cloud},
                        "gateway": {"type": "aliyun-apigateway", **cloud},
                        "files": {"type": "files", "directory": str(root)}}}, **resolvers)
    service.api.put_account()
    return service


TARGETS = ["store", "cdn", {"target": "gateway", "group_id": "group-1"}, "files"]


def post(api):
    return api.post_certificate(*NAMES, name="shop", targets=TARGETS)


def deployed(api, version):
    """Whether every target has that version; a job that failed for good ends the wait."""
    targets = api.certificate("shop")["targets"]
    failed = [t for t in targets if t["state"] == "failed"]
    assert not failed, failed
    return len(targets) == len(TARGETS) and all(
        t["state"] == "deployed" and t["version"] == version for t in targets)


def hasten(api):
    """What waits to try again need not wait for so long in a test."""
    for job in api.ok("GET", "/jobs?state=waiting&page_size=1000")["items"]:
        if job["error"]:
            api.call("POST", f"/jobs/{job['id']}/retry")


def shown(api, alibaba, root):
    """The fingerprints that the world sees, which must be the one of the certificate."""
    mine = pem.fingerprint(api.pem("shop", "cert.pem"))
    [upload] = alibaba.certificates.values()
    seen = {upload.fingerprint}
    seen |= {alibaba.domains["cdn"][name].fingerprint for name in NAMES}
    seen |= {alibaba.groups["group-1"][name].fingerprint for name in NAMES}
    seen.add(pem.fingerprint((root / "shop" / "cert.pem").read_text()))
    assert seen == {mine}
    key = (root / "shop" / "privkey.pem").read_text()
    assert key == api.pem("shop", "privkey.pem")


def orders(api):
    return api.ok("GET", "/orders?page_size=1000")["items"]


@pytest.mark.smoke
def test_one_post_and_its_renewal(service, alidns, alibaba, root):
    api = service.api
    api.succeeded(post(api))
    until(lambda: deployed(api, 1), 60, "every target has it")
    shown(api, alibaba, root)
    api.succeeded(api.ok("POST", "/certificates/shop/renew", {"force": True}))
    until(lambda: deployed(api, 2), 60, "every target has the new one")
    shown(api, alibaba, root)
    assert len(orders(api)) == 2
    until(lambda: not alidns.records, 15, "every record is removed")


@pytest.mark.parametrize("rounds", [6, pytest.param(40, marks=pytest.mark.long)])
def test_killed_at_any_moment(service, alidns, alibaba, root, rounds):
    api = service.api
    moments = random.Random(rounds)
    post(api)
    for _ in range(rounds):
        time.sleep(moments.uniform(0, 0.6))
        service.kill()
        service.start()
        hasten(api)

    def arrived():
        hasten(api)
        return deployed(api, 1)
    until(arrived, 120, "every target has it")
    shown(api, alibaba, root)
    assert len(orders(api)) == 1
    until(lambda: (hasten(api), not alidns.records)[1], 30, "every record is removed")


def test_one_that_fails_touches_no_other(service, alibaba, root):
    api = service.api
    alibaba.groups["group-1"].clear()
    api.succeeded(post(api))

    def settled():
        targets = {t["target"]: t for t in api.certificate("shop")["targets"]}
        return targets if all(t["state"] != "pending" for t in targets.values()) else None
    targets = until(settled, 60, "every target has ended")
    assert {name: t["state"] for name, t in targets.items()} == {
        "store": "deployed", "cdn": "deployed", "gateway": "failed", "files": "deployed"}
    assert targets["gateway"]["error"]["code"] == "target.missing"
    assert "group-1" in targets["gateway"]["error"]["detail"]
    assert api.certificate("shop")["status"] == "valid"
    # It is planned again, comes at once when asked for, and goes straight to the newest version.
    api.succeeded(api.ok("POST", "/certificates/shop/renew", {"force": True}))
    until(lambda: {t["version"] for t in api.certificate("shop")["targets"]} == {2, None}, 60,
          "the others have the new one")
    alibaba.add_group("group-1", *NAMES)
    job = api.ok("POST", "/certificates/shop/deploy", {"target": "gateway"}, status=(202,))
    assert job["target"] == "gateway"
    api.succeeded(job)
    assert deployed(api, 2)
    shown(api, alibaba, root)
    assert [r.action for r in alibaba.requests].count("SetDomainCertificate") == len(NAMES)


def test_trouble_is_waited_for(service, alibaba):
    api = service.api
    alibaba.fault("UploadUserCertificate", "throttle")
    alibaba.fault("SetDomainCertificate", "lose")
    api.succeeded(post(api))

    def arrived():
        hasten(api)
        return deployed(api, 1)
    until(arrived, 60, "every target has it")
    assert len(alibaba.certificates) == 1


def test_what_a_service_says_is_cut_between_characters(service, alibaba, monkeypatch):
    """An upload that stays is told in the service's words, which may be long and Chinese."""
    api = service.api
    api.succeeded(post(api))
    until(lambda: deployed(api, 1), 60, "every target has it")
    for filler in ("", "x", "xx"):  # wherever the cut is
        monkeypatch.setitem(stand_in.FAULTS, "in_use", Refusal(
            400, "CertificateInUse", filler + "\u8bc1\u4e66\u5df2\u90e8\u7f72" * 40))
        alibaba.fault("DeleteUserCertificate", "in_use", 5)
        api.succeeded(api.ok("POST", "/certificates/shop/renew", {"force": True}))
        version = api.certificate("shop")["version"]
        until(lambda: deployed(api, version), 60, "every target has the new one")
        alibaba._faults.clear()
    told = [event["message"] for job in api.ok("GET", "/jobs?kind=certificate.deploy")["items"]
            for event in api.ok("GET", f"/jobs/{job['id']}")["events"]]
    assert any("\u8bc1\u4e66" in message for message in told)


def test_a_changed_target_is_installed_anew(service, root):
    """A PUT of the certificate with other targets places no order."""
    api = service.api
    api.succeeded(post(api))
    until(lambda: deployed(api, 1), 60, "every target has it")
    api.ok("PUT", "/targets/extra", {"type": "files", "directory": str(root / "extra"),
                                     "files": ["combined.pem"]})
    body = {"identifiers": NAMES, "account": "main", "targets": [*TARGETS, "extra"]}
    api.ok("PUT", "/certificates/shop", body, status=(200,))
    combined = root / "extra" / "shop" / "combined.pem"
    until(combined.exists, 30, "the new target has it")
    assert os.readlink(combined) == "..data/combined.pem"
    assert len(orders(api)) == 1


def test_a_target_is_rehearsed(service, alibaba, root):
    api = service.api
    api.succeeded(post(api))
    until(lambda: deployed(api, 1), 60, "every target has it")
    job = api.succeeded(api.ok("POST", "/targets/files/test", {"certificate": "shop"}))
    assert job["resource"] == {"type": "target", "name": "files", "href": "/targets/files"}
    assert str(root) in job["events"][-1]["message"]
    alibaba.secret = "another"
    job = api.failed(api.ok("POST", "/targets/store/test", {"certificate": "shop"}))
    assert job["error"]["code"] == "provider.refused"


def test_a_solver_is_rehearsed(service, alidns):
    api = service.api
    job = api.succeeded(api.ok("POST", "/solvers/dns/test", {"name": f"www.{ZONE}"}))
    told = " ".join(event["message"] for event in job["events"])
    assert f"_acme-challenge.www.{ZONE}" in told and "name servers have it" in told
    assert not alidns.records
    assert "placed, seen and taken back" in told
    assert any(action == "AddDomainRecord" for action, _ in alidns.calls)
    api.succeeded(api.ok("POST", "/solvers/dns/test"))
    api.ok("PUT", "/solvers/blind", {
        "type": "alidns", "credential": "ali", "zones": [ZONE],
        "endpoint": alidns.endpoint, "propagation": False})
    job = api.succeeded(api.ok("POST", "/solvers/blind/test"))
    assert "not looked for" in job["events"][-1]["message"] and not alidns.records


def test_a_rehearsal_that_fails_leaves_nothing(service, alidns):
    api = service.api
    alidns.lose_next.add("AddDomainRecord")
    job = api.failed(api.ok("POST", "/solvers/dns/test"))
    assert job["error"]["code"] == "provider.unreachable"
    until(lambda: (hasten(api), not alidns.records)[1], 30, "the record is removed")
