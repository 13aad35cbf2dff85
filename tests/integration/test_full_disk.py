"""A disk that is full: nothing is done again and again while its result cannot be kept."""

import os
import resource

import pytest

from process import until


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
    until(lambda: service.process.log().count("step=order") >= 5, 30, "the commit is tried again")
    assert len(fake.posts("/new-order")) == 1
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    service.api.succeeded(job)
    assert len(fake.posts("/new-order")) == 2
