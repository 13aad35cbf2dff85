"""Disks that are full or read-only: problems, and recovery without a restart."""

import os
import resource

import pem
from disk import Disk
from faults import Faults
from process import until


def problem(answer, status, code):
    assert answer.status == status, answer
    told = answer.json()
    assert told["code"] == code and told["retryable"] is True
    return told


def test_a_full_disk_places_no_orders(certwright, fake, names):
    """A file size limit stands in for the disk: the write-ahead log cannot grow any more."""
    service = certwright(resources={"authorities": {"fake": fake.authority()}}, start=False)
    service.process.argv[:0] = ["env", "--ignore-signal=XFSZ"]
    service.start()
    service.api.put_account(authority="fake")
    fake.hold("/new-order")
    job = service.api.post_certificate(*names())
    until(lambda: fake.posts("/new-order"), 20, "the order is asked for")
    pid = service.process.popen.pid
    full = os.path.getsize(service.data / "certwright.db-wal")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
    fake.release("/new-order")
    until(lambda: service.process.log().count("waits for the database") >= 3, 30,
          "the commit is tried again")
    assert len(fake.posts("/new-order")) == 1
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    service.api.succeeded(job)
    assert len(fake.posts("/new-order")) == 2


def test_a_full_disk_is_a_507_and_passes(certwright, pebble, names):
    service = certwright(pebble, start=False)
    disk = Disk(service, service.data)
    api = disk.start().api
    api.put_account()
    [before] = names()
    job = api.succeeded(api.post_certificate(before))
    disk.fill()
    # What is free within the last page of a file takes one or two writes.
    answers = [api.post("/certificates", {"identifiers": [name], "account": "main",
                                           "labels": {"it": "is" * 100}})
               for name in names(8)]
    assert {a.status for a in answers} <= {202, 507}
    problem(answers[-1], 507, "store.full")
    assert api.ok("GET", f"/jobs/{job['id']}")["state"] == "succeeded"
    assert pem.names_of(pem.load(api.pem(before, "cert.pem"))) == [before]
    assert service.ops("/livez")[0] == 200
    disk.free()
    for name in names(2):
        api.succeeded(api.post_certificate(name))
    for item in api.ok("GET", "/jobs?page_size=100")["items"]:
        if item["kind"] == "certificate.issue":
            api.ended(item)


def test_a_full_folder_holds_up_its_target_alone(certwright, pebble, names, tmp_path):
    certs = tmp_path / "certs"
    service = certwright(pebble, start=False, file_roots=[str(certs)], resources={
        "targets": {"web": {"type": "files", "directory": str(certs)}}})
    disk = Disk(service, certs, "64k")
    api = disk.start().api
    api.put_account()
    disk.fill()
    [name] = names()
    job = api.succeeded(api.ok("POST", "/certificates",
                               {"identifiers": [name], "account": "main", "targets": ["web"]}))
    [deploy] = [j for j in until(lambda: [
        j for j in api.ok("GET", "/jobs")["items"] if j["kind"] == "certificate.deploy"
        and j["error"]], 20, "the installation fails")]
    assert deploy["state"] == "waiting" and deploy["error"]["code"] == "target.files"
    assert deploy["error"]["retryable"] and deploy["next_attempt_at"]
    assert api.certificate(name)["status"] == "valid"
    disk.free()
    api.succeeded(deploy)
    fullchain = disk.inside(certs / name / "fullchain.pem")
    assert fullchain.resolve() and api.pem(name, "fullchain.pem")
    [target] = api.certificate(name)["targets"]
    assert target["error"] is None and target["version"] == 1
    assert job["state"] == "succeeded"


def test_a_read_only_disk_is_a_503_and_passes(certwright, pebble, names):
    """As after remount,ro, which the kernel refuses while a file is open for writing."""
    service = certwright(pebble, start=False)
    faults = Faults(service)
    api = service.start().api
    api.put_account()
    before, refused, after = names(3)
    api.succeeded(api.post_certificate(before))
    faults["read_only"] = 1
    for _ in range(2):
        answer = api.post("/certificates", {"identifiers": [refused], "account": "main"})
        problem(answer, 503, "store.failed")
        assert int(answer.headers["Retry-After"]) >= 1
    assert api.certificate(before)["status"] == "valid"
    assert api.get(f"/certificates/{refused}").status == 404
    assert faults["refused"] > 0
    faults["read_only"] = 0
    for name in (refused, after):
        api.succeeded(api.post_certificate(name))


def test_a_read_only_disk_refuses_the_start(certwright):
    service = certwright(start=False)
    Disk(service, service.data, how="ro")
    service.start(ready=False)
    assert service.process.wait(10) == 1
    log = service.process.log()
    assert str(service.data) in log and "Read-only file system" in log
