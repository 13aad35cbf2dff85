"""tests/examples/issue.c: the ACME library alone, without a database or a service."""

import re
import subprocess
from pathlib import Path

import pytest

import pem
from pebble import VERSIONS
from service import BINARY, SANITIZERS

FOLDER = Path(BINARY).resolve().parents[1] / "tests"
EXAMPLE = FOLDER / "example_issue"


def run(pebble, challtestsrv, name):
    return subprocess.run(
        [EXAMPLE, pebble.directory_url, pebble.ca, name,
         f"http://127.0.0.1:{challtestsrv.management_port}"],
        env=SANITIZERS, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_library_alone_issues(pebble_with, challtestsrv, names, tmp_path, version):
    pebble = pebble_with(version=version, env={"PEBBLE_WFE_NONCEREJECT": "20"})
    [name] = names()
    done = run(pebble, challtestsrv, name)
    assert done.returncode == 0, done.stderr
    key, _, chain = done.stdout.partition("-----END PRIVATE KEY-----\n")
    leaf = pem.load(chain)
    assert pem.names_of(leaf) == [name]
    key = pem.load_key(key + "-----END PRIVATE KEY-----\n")
    assert pem.public_pem(key.public_key()) == pem.public_pem(leaf.public_key())
    pem.verify(tmp_path, pebble.root(), chain)


def test_the_library_alone_tells_an_error(pebble_with, challtestsrv, names):
    [name] = names()
    done = run(pebble_with(config={"domainBlocklist": ["example.com"]}), challtestsrv, name)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("ca.rejected_identifier: ")


def test_the_library_needs_nothing_of_the_floors_above():
    """Neither is there a symbol of theirs in the example, nor one of their libraries."""
    symbols = subprocess.run(["nm", EXAMPLE], check=True, capture_output=True, text=True).stdout
    defined = re.findall(r"^[0-9a-f]+ [A-Za-z] (\w+)$", symbols, re.MULTILINE)
    assert "acme_order_new" in defined
    above = ("store_", "sqlite", "job_", "engine_", "http_")
    assert not [s for s in defined if s.startswith(above)]
    needed = subprocess.run(["ldd", EXAMPLE], check=True, capture_output=True, text=True).stdout
    assert "libcrypto" in needed
    assert not [lib for lib in ("microhttpd", "sqlite", "ldns") if lib in needed]
