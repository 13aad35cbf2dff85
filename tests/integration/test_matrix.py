"""
Both Pebbles, and what makes each of them unpleasant, one thing at a time and all at once: a
certificate is issued, renewed under a new account key and revoked, and openssl has the last word.
The full product is for `./dev test --long`.
"""

import itertools
import json

import pytest

import pem
from pebble import VERSIONS
from process import until

EAB = {"kid": "kid-1",
       "hmac_key": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
PROFILE = {"brief": {"description": "six days and a bit", "validityPeriod": 160 * 3600}}

# name: its values, the plain one first.
FACTORS = {
    "strict": (True, False),
    "nonces_refused": (0, 5, 50),
    "authorizations_reused": (0, 100),
    "alternate_roots": (0, 2),
    "chain_length": (1, 3),
    "eab": (False, True),
    "profile": (False, True),
    "retry_after": (0, 1),
}
PLAIN = {name: values[0] for name, values in FACTORS.items()}
HOSTILE = {name: values[-1] for name, values in FACTORS.items()} | {"strict": True}


def known_to(version):
    """The factors that this Pebble has."""
    later = () if version == "newest" else ("profile", "retry_after")
    return [name for name in FACTORS if name not in later]


def hostile(version):
    return {name: HOSTILE[name] for name in known_to(version) if HOSTILE[name] != PLAIN[name]}


def cells():
    """(version, what differs from PLAIN): nothing, one factor, all."""
    for version in VERSIONS:
        yield version, {}
        for name in known_to(version):
            for value in FACTORS[name][1:]:
                yield version, {name: value}
        yield version, hostile(version)


def product():
    """Every combination that cells does not have; without Retry-After, which only takes time."""
    few = list(cells())
    for version in VERSIONS:
        known = [name for name in known_to(version) if name != "retry_after"]
        for values in itertools.product(*(FACTORS[name] for name in known)):
            differs = {name: value for name, value in zip(known, values) if value != PLAIN[name]}
            if (version, differs) not in few:
                yield version, differs


def title(cell):
    version, differs = cell
    what = "-".join(f"{name}-{value}" for name, value in differs.items()) or "plain"
    return f"{version}-{'hostile' if differs == hostile(version) else what}"


def start(pebble_with, version, how):
    config = {}
    if how["eab"]:
        config |= {"externalAccountBindingRequired": True,
                   "externalAccountMACKeys": {EAB["kid"]: EAB["hmac_key"]}}
    if how["profile"]:
        config["profiles"] = PROFILE
    if how["retry_after"]:
        config["retryAfter"] = {"authz": how["retry_after"], "order": how["retry_after"]}
    return pebble_with(version=version, strict=how["strict"], config=config, env={
        "PEBBLE_WFE_NONCEREJECT": str(how["nonces_refused"]),
        "PEBBLE_AUTHZREUSE": str(how["authorizations_reused"]),
        "PEBBLE_ALTERNATE_ROOTS": str(how["alternate_roots"]),
        "PEBBLE_CHAIN_LENGTH": str(how["chain_length"])})


def check_chain(api, name, pebble, how, folder):
    """The chain is as long as it must be, and leads to the root that was wished for."""
    fullchain = api.pem(name, "fullchain.pem")
    assert len(pem.blocks(fullchain)) == 1 + how["chain_length"]
    root = pebble.root(how["alternate_roots"])
    assert pem.load(pem.blocks(fullchain)[-1]).issuer == pem.load(root).subject
    pem.verify(folder, root, fullchain)
    leaf = pem.load(fullchain)
    if how["profile"]:
        life = pem.expiry_of(leaf) - pem.start_of(leaf)
        assert abs(life - PROFILE["brief"]["validityPeriod"]) <= 60
    return leaf


def live(api, pebble, how, wanted, folder):
    """From the account to the revocation."""
    api.put_account(**({"eab": EAB} if how["eab"] else {}))
    wish = {"name": "matrix"}
    if how["alternate_roots"]:
        wish["preferred_chain"] = pem.common_name(pem.load(pebble.root(how["alternate_roots"])))
    if how["profile"]:
        wish["profile"] = "brief"
    api.succeeded(api.post_certificate(*wanted, **wish))
    first = check_chain(api, "matrix", pebble, how, folder)
    assert pem.names_of(first) == sorted(wanted)

    api.succeeded(api.ok("POST", "/accounts/main/rollover", {}, status=(202,)))
    api.succeeded(api.ok("POST", "/certificates/matrix/renew", {"force": True}, status=(202,)))
    second = check_chain(api, "matrix", pebble, how, folder)
    assert second.serial_number != first.serial_number
    assert api.certificate("matrix")["version"] == 2

    api.succeeded(api.ok("POST", "/certificates/matrix/revoke", {"reason": "superseded"},
                         status=(202,)))
    status = pebble.certificate_status(api.certificate("matrix")["serial"])
    assert status["Status"] == "Revoked" and status["Reason"] == 4


def run(certwright, pebble_with, names, folder, cell):
    version, differs = cell
    how = PLAIN | differs
    pebble = start(pebble_with, version, how)
    service = certwright(pebble)
    live(service.api, pebble, how, names(2), folder)
    # The cell is what it says: what makes Pebble unpleasant was met, and nothing else was.
    if how["nonces_refused"] != 5:
        refused = service.sample('certwright_acme_requests_total{status="4xx"}')
        assert (refused > 0) is (how["nonces_refused"] > 0)
    # Two names twice; a Pebble that is to reuse 0 % does so once in a while.
    validated = pebble.process.log().count("Pulled a task")
    assert (validated > 2) is (how["authorizations_reused"] == 0)
    # The newest alone has renewal information, and is asked for it after each issue.
    if version == "newest":
        assert "renewalInfo" in json.loads(pebble.directory())
        until(lambda: any("renewalInfo" in path for _, path in pebble.requests()), 10,
              "renewal information was asked for")


@pytest.mark.parametrize("cell", cells(), ids=title)
def test_matrix(certwright, pebble_with, names, tmp_path, cell):
    run(certwright, pebble_with, names, tmp_path, cell)


@pytest.mark.long
@pytest.mark.parametrize("cell", product(), ids=title)
def test_full_matrix(certwright, pebble_with, names, tmp_path, cell):
    run(certwright, pebble_with, names, tmp_path, cell)
