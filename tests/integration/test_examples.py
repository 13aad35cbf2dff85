"""
The contract's examples, each of them sent to the real service, in an order in which they make
sense. What they cannot hold is put in: PEM and PKCS#12 are shortened there, and paths are a
machine's.
"""

import re
from urllib.parse import quote, urlencode

import pytest

import pem
from contract import METHODS
from own_ca import OwnCa


class Examples:
    """Sends the examples of operations, and knows which are left."""

    def __init__(self, contract, api, stand_ins):
        self.contract = contract
        self.api = api
        self.stand_ins = stand_ins  # {what an example holds, or the name of a member: its own}
        self.operations = {
            item[method]["operationId"]: (method, path, item[method], item.get("parameters", []))
            for path, item in contract.spec["paths"].items() for method in METHODS
            if method in item}
        self.left = {(name, example) for name in self.operations for example in self.bodies(name)}

    def bodies(self, name):
        """{example: body}; an operation that takes none has one that is None."""
        body = self.contract.resolve(self.operations[name][2].get("requestBody", {}))
        if not body:
            return {"": None}
        media = body["content"]["application/json"]
        if "example" in media:
            return {"": media["example"]}
        return {key: self.contract.resolve(e)["value"] for key, e in media["examples"].items()}

    def whole(self, value, name=None):
        """The example with what it cannot hold."""
        if isinstance(value, dict):
            return {key: self.whole(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [self.whole(item, name) for item in value]
        if isinstance(value, str) and (value.startswith("-----BEGIN") or name == "pkcs12"):
            return self.stand_ins[name]
        return self.stand_ins.get(value, value) if isinstance(value, str) else value

    def _query(self, name, prefix):
        _, _, operation, shared = self.operations[name]
        given = map(self.contract.resolve, [*shared, *operation.get("parameters", [])])
        return {p["name"]: str(p["example"]) for p in given
                if p["in"] == prefix and "example" in p}

    def send(self, operation_id, example="", /, *, query=True, **path):
        """Sends one, which has to be taken; the client holds its answer against the contract."""
        method, template, _, _ = self.operations[operation_id]
        target = template.format(**{key: quote(str(part), safe="") for key, part in path.items()})
        asked = self._query(operation_id, "query") if query else {}
        headers = {key: text for key, text in self._query(operation_id, "header").items()
                   if key in ("Idempotency-Key", "If-None-Match")}
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] += f"-{len(self.left)}"  # each is another request
        answer = self.api.call(method.upper(), target + (f"?{urlencode(asked)}" if asked else ""),
                               self.whole(self.bodies(operation_id)[example]), headers)
        assert answer.status < 300, (operation_id, example, answer)
        self.left.discard((operation_id, example))
        is_json = "json" in (answer.headers["Content-Type"] or "") and answer.body
        return answer.json() if is_json else answer

    def send_each(self, name, **path_of):
        """All examples of an operation; path_of maps some of them to the name that they go to."""
        for example in self.bodies(name):
            self.send(name, example, name=path_of.get(example.replace("-", "_"), example))


@pytest.fixture
def stand_ins(tmp_path):
    ca, key = OwnCa(), pem.make_key()
    certs = tmp_path / "certs"
    certs.mkdir()
    account = pem.make_key()
    leaf = ca.leaf(key, "shop.example.com")
    return {"trust_bundle": ca.root, "certificate": leaf,
            "pkcs12": pem.pkcs12(key, leaf, ca.chain, "correct horse battery"),
            "chain": ca.chain, "private_key": pem.key_pem(key), "pem": pem.key_pem(account),
            "csr": pem.make_csr(pem.make_key(), ["csr.example.com"]),
            "/certs": str(certs), "www-data": "root"}


@pytest.fixture
def service(certwright, pebble_with, stand_ins, resolvers, tmp_path):
    """
    Whatever asks a host of the examples goes by a proxy that is not there. The CA has the profile
    that they name, and passes for a real one, whose certificates cloud targets take.
    """
    pebble = pebble_with(version="newest", config={"profiles": {
        "tlsserver": {"description": "the one of the examples", "validityPeriod": 7776000}}})
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "all_proxy")}
    return certwright(
        resources={"authorities": {"pebble": pebble.authority(test=False)}}, env=nowhere,
        file_roots=[stand_ins["/certs"]], defaults={"account": "main"},
        pidfiles={"nginx": str(tmp_path / "nginx.pid")},
        commands={"dns-hook": ["/bin/true"], "install-certificate": ["/bin/true"]}, **resolvers)


def of_the_service(examples):
    for name in ("getLiveness", "getReadiness", "getMetrics", "getOpenapi", "getDocs"):
        examples.send(name)
    examples.send("rekey", "of the data directory")
    examples.send("listAudit")


def of_authorities(examples):
    examples.send("putAuthority", name="internal")
    examples.send("getAuthority", name="internal")
    examples.send("deleteAuthority", name="internal")
    examples.send("listAuthorities")
    examples.api.succeeded(examples.send("refreshAuthority", name="pebble"))
    examples.send("getAuthorityDirectory", name="pebble")


def of_accounts(examples):
    """`main` of the example would be one of the world's; the one that is used is Pebble's."""
    job = examples.send("createAccount")
    examples.send("cancelJob", id=job["id"])
    examples.api.ended(job)
    job = examples.send("retryJob", id=job["id"])  # another one, since that has ended
    examples.api.ok("POST", f"/jobs/{job['id']}/cancel", {})
    examples.api.ended(job)
    examples.send("deleteAccount", name="main")
    examples.api.put_account()
    examples.send("putAccount", name="again")
    examples.send("listAccounts")
    examples.send("getAccount", name="main")
    examples.send("getAccountKey", name="main")
    for name in ("patchAccount", "refreshAccount", "rollOverAccount"):
        examples.api.succeeded(examples.send(name, name="main"))


def of_solvers_and_targets(examples):
    names = {"alibaba_cloud": "alibaba", "basic": "httpreq", "webhook_secret": "hook"}
    examples.send_each("putCredential", **names)
    examples.send("getCredential", name="alibaba")
    examples.send("listCredentials")
    examples.send_each("putSolver", alidns="dns", http_01="web")
    examples.send("getSolver", name="dns")
    examples.send("listSolvers")
    examples.send("testSolver", name="exec")
    examples.send_each("putTarget", files="web-server")
    examples.send("getTarget", name="web-server")
    examples.send("listTargets")


def of_certificates(examples):
    api, name = examples.api, "www.example.com"
    api.succeeded(examples.send("createCertificate", "short"))
    for example in ("new", "existing"):
        assert api.succeeded(examples.send("preflight", example))["result"]["checks"]
    examples.send("createCertificate", "full")
    examples.send("createCertificate", "csr")
    examples.send("putCertificate", name="buecher")
    examples.send("getCertificate", name=name)
    examples.send("patchCertificate", name=name)
    assert [item["name"] for item in examples.send("listCertificates")["items"]] == [name]
    for file in ("Cert", "Chain", "Fullchain", "Privkey", "Combined", "Csr", "Bundle"):
        examples.send(f"getCertificate{file}", name=name)
    assert examples.send("makeCertificatePkcs12", name=name).body
    examples.send("listCertificateVersions", name=name)
    examples.send("getCertificateVersion", name=name, version=1)
    examples.send("getCertificateVersionFile", name=name, version=1, file="cert.pem")
    examples.send("testTarget", name="webhook")
    api.succeeded(examples.send("renewCertificate", name=name))
    api.ok("PATCH", f"/certificates/{name}", {"targets": ["gateway"]})
    examples.send("deployCertificate", name=name)
    api.succeeded(examples.send("revokeCertificate", name=name))
    for example in ("PEM", "PKCS#12"):
        examples.send("importCertificate", example)
        examples.send("deleteCertificate", query=False, name="shop.example.com")
    for example in ("key", "account"):
        examples.send("revokeForeignCertificate", example)


def of_jobs(examples):
    """The manual solver of the examples has the zone example.edu."""
    api = examples.api
    job = api.post_certificate("www.example.edu", challenge={"type": "dns-01"})
    job = api.until_job(job, lambda j: j["state"] == "waiting" and j["next_attempt_at"] is None)
    examples.send("getJob", id=job["id"])
    examples.send("listJobEvents", query=False, id=job["id"])
    examples.send("continueJob", id=job["id"])
    examples.send("listJobs")
    examples.send("listEvents")
    orders = examples.send("listOrders")["items"]
    examples.send("getOrder", id=orders[0]["id"])


def of_tokens_and_ends(examples):
    for example in examples.bodies("createToken"):
        examples.send("createToken", example)
    examples.send("getToken", name="ci")
    examples.send("listTokens")
    examples.send("deleteToken", name="ci")
    for kind, name in (("Solver", "httpreq"), ("Target", "exec"), ("Credential", "password")):
        examples.send(f"delete{kind}", name=name)
    examples.send("deactivateAccount", name="main")


def test_the_examples_are_good_requests(service, contract, stand_ins):
    examples = Examples(contract, service.api, stand_ins)
    assert len(examples.left) > len(examples.operations)
    for part in (of_the_service, of_authorities, of_accounts, of_solvers_and_targets,
                 of_certificates, of_jobs, of_tokens_and_ends):
        part(examples)
    # The first is sent below; the token of a challenge is the CA's, which asks for it itself.
    assert examples.left == {("rekey", "from elsewhere"), ("getHttp01Response", "")}
    asked = re.findall(r'route="/.well-known/acme-challenge/{token}",status="200"',
                       service.ops("/metrics")[1])
    assert asked, "no CA has asked for a challenge"


def test_the_example_of_a_master_key(certwright, contract):
    env = {"CERTWRIGHT_MASTER_KEY": "HB4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="}
    Examples(contract, certwright(env=env).api, {}).send("rekey", "from elsewhere")
