"""TUTORIAL.md, run as it stands there: its calls and its program, in order."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import pem
from alibaba import Alibaba
from alidns import Alidns
from process import free_port, until

TUTORIAL = Path(__file__).resolve().parents[2] / "TUTORIAL.md"
BLOCK = re.compile(r"^```(sh|python|jsonc)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GROUP = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"


def blocks(*languages):
    """(language, text) of each block, without those that tell where the service is."""
    found = BLOCK.findall(TUTORIAL.read_text())
    return [(language, text) for language, text in found
            if language in languages and not text.startswith("API=http")]


@pytest.fixture
def alidns(challtestsrv):
    server = Alidns(challtestsrv, ["example.com"])
    yield server
    server.stop()


@pytest.fixture
def alibaba():
    server = Alibaba()
    server.add_domain("www.example.com")
    server.add_group(GROUP, "api.example.com")
    yield server
    server.stop()


@pytest.fixture
def config():
    [(_, text)] = blocks("jsonc")
    return json.loads(re.sub(r"//.*", "", text))


@pytest.fixture
def service(certwright, pebble, resolvers, config):
    """As the tutorial configures it; both of its CAs are Pebble, under names that are not taken."""
    authorities = {"our-staging": pebble.authority(),
                   "our-production": pebble.authority(test=False)}
    return certwright(None, resources={"authorities": authorities}, **config, **resolvers)


def adapted(block, alidns, alibaba):
    """The names of the CAs and the addresses of the clouds; nothing else is changed."""
    cloud = f'"endpoint": "{alibaba.endpoint}"'
    for there, here in (
            ("letsencrypt-staging", "our-staging"),
            ('"letsencrypt"', '"our-production"'),
            ('"type": "alidns"', f'"type": "alidns", "endpoint": "{alidns.endpoint}"'),
            ('"type": "aliyun-apigateway"', f'"type": "aliyun-apigateway", {cloud}'),
            ('"type": "aliyun-cdn"', f'"type": "aliyun-cdn", {cloud}')):
        block = block.replace(there, here)
    return block


def openssl(home, *words):
    return subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True,
                          text=True).stdout


@pytest.fixture
def home(tmp_path, certwright, pebble):
    """A reader's folder: an account's key that the CA knows, and a CSR."""
    folder = tmp_path / "reader"
    folder.mkdir()
    openssl(folder, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
            "-out", "account.key")
    openssl(folder, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "site.key",
            "-subj", "/", "-addext", "subjectAltName=DNS:mine.example.com", "-out", "site.csr")
    before = certwright(pebble, http01_listen=f"127.0.0.1:{free_port()}")
    before.api.put_account(key={"pem": (folder / "account.key").read_text()})
    before.stop()
    return folder


def calm(api):
    """Whether no job is under way but plans for renewals; one that waits after an error would
    never be."""
    unfinished = [job for state in ("queued", "running", "waiting")
                  for job in api.ok("GET", f"/jobs?state={state}&page_size=1000")["items"]
                  if job["kind"] != "certificate.renew"]
    assert not [job for job in unfinished if job["error"]], unfinished
    return not unfinished


def test_the_tutorial(service, home, pebble, alidns, alibaba):
    api = service.api
    environment = {**os.environ, "API": f"http://127.0.0.1:{service.port}", "TOKEN": api.token,
                   "ALIBABA_ID": alidns.key_id, "ALIBABA_SECRET": alidns.secret}
    told = []
    for language, block in blocks("sh", "python"):
        if language == "python":
            (home / "certificate.py").write_text(block)
            continue
        done = subprocess.run(["sh", "-eu", "-c", adapted(block, alidns, alibaba)], cwd=home,
                              env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        told.append(done.stdout)
        until(lambda: calm(api), 60, f"the jobs have ended of {block}")
    jobs = api.ok("GET", "/jobs?page_size=1000")["items"]
    assert {job["state"] for job in jobs if job["kind"] != "certificate.renew"} == {"succeeded"}
    kinds = [job["kind"] for job in jobs]
    assert (kinds.count("solver.test"), kinds.count("target.test")) == (1, 2)
    accounts = {name: api.ok("GET", f"/accounts/{name}") for name in ("staging", "old",
                                                                     "production")}
    assert {account["status"] for account in accounts.values()} == {"valid"}
    assert accounts["old"]["key"]["public_pem"] == openssl(home, "pkey", "-in", "account.key",
                                                           "-pubout")

    # What was issued: staging's, renewed, then production's, which is the one on the clouds.
    site = api.certificate("site")
    assert (site["version"], site["authority"], site["status"]) == (3, "our-production", "revoked")
    assert [t["state"] for t in site["targets"]] == ["deployed", "deployed"]
    assert [t["version"] for t in site["targets"]] == [3, 3]
    mine = pem.fingerprint(api.pem("site", "cert.pem"))
    assert alibaba.domains["cdn"]["www.example.com"].fingerprint == mine
    assert alibaba.groups[GROUP]["api.example.com"].fingerprint == mine
    assert pebble.certificate_status(site["serial"])["Status"] == "Revoked"
    assert not alidns.records

    # The reader's files.
    leaf = pem.load((home / "fullchain.pem").read_text())
    assert pem.names_of(leaf) == ["api.example.com", "example.com", "www.example.com"]
    assert any("DNS:api.example.com" in out and "Subject:" in out and "CN" not in out.split(
        "Subject:")[1].splitlines()[0] for out in told), "the CSR has its names in SAN only"
    openssl(home, "pkcs12", "-legacy", "-in", "site.p12", "-noout",
            "-passin", "pass:correct horse battery")
    assert pem.names_of(pem.load((home / "chain.pem").read_text())) == ["shop.example.com"]
    assert openssl(home, "req", "-in", "site.csr", "-noout", "-pubkey") == pem.public_pem(
        pem.load(api.pem("mine", "cert.pem")).public_key())


def test_the_policy_has_every_action_and_no_other():
    """The actions of the access key's policy are those that the code calls."""
    named = set(re.findall(r"`(?:alidns|apigateway|cdn|dcdn|yundun-cert):(\w+)`",
                           TUTORIAL.read_text()))
    server = TUTORIAL.parent / "server"
    sources = [server / "solver/provider_alidns.c", *server.glob("deploy/target_aliyun_*.c")]
    used = set()
    for source in sources:
        used |= set(re.findall(r'"((?:Add|Delete|Describe|Get|List|Set|Upload)[A-Z]\w+)"',
                               source.read_text()))
    assert named == used
