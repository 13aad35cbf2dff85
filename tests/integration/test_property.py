"""
Whatever is sent to it, the service answers as the contract says: no server error, no status, media
type or code that is not written down, and nothing is taken that the contract refuses.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from api import Api
from generator import Generator
from seed import SEED, dice

# The requests of each operation, and how often all of them have their turn.
EXAMPLES, ROUNDS = (40, 4) if os.environ.get("CERTWRIGHT_LONG") else (12, 2)


def refusal(contract, operation, request):
    """Why the contract refuses this request, or None."""
    for text, schema in request.parameters:
        value = text
        if contract.resolve(schema).get("type") in ("integer", "boolean"):
            try:
                value = json.loads(text)
            except ValueError:
                return f"the parameter {text!r} is none"
        if not contract.validator(schema).is_valid(value):
            return f"the parameter {text!r} is not valid"
    if "unknown=x" in request.path and operation["security"]:
        return "the parameter unknown is not known"
    body = contract.resolve(operation.get("requestBody", {}))
    if request.has_value:
        schema = body["content"]["application/json"]["schema"]
        if not contract.validator(schema).is_valid(request.given):
            return "the body is not valid"
    elif request.raw is None and body.get("required"):
        return "there is no body"
    return None


def populate(api, number, names, folder):
    """One of each, of names that tell the round, so that requests find something: their pools."""
    def called(stem):
        return f"{stem}-{number}"

    site, main, [dns] = called("site"), called("main"), names(1)
    api.put_account(main)
    job = api.succeeded(api.post_certificate(dns, name=site, account=main, labels={"team": "web"},
                                             challenge={"type": "http-01"}))
    hand = api.post_certificate(f"{site}.example.edu", account=main, challenge={"type": "dns-01"})
    api.ok("PUT", f"/authorities/{called('spare')}", {"directory_url": "https://127.0.0.1:9/dir"})
    api.ok("PUT", f"/credentials/{called('secret')}",
           {"type": "basic", "username": "u", "password": "p"})
    api.ok("PUT", f"/solvers/{called('exec')}",
           {"type": "exec", "command": "true", "zones": ["example.com"]})
    api.ok("PUT", f"/targets/{called('exec')}", {"type": "exec", "command": "true"})
    api.ok("POST", "/tokens", {"name": called("reader"), "scopes": ["certificates:read"]})
    pem = {file: api.pem(site, file) for file in ("fullchain.pem", "privkey.pem", "csr.pem")}
    order = api.ok("GET", f"/orders?certificate={site}")["items"][0]
    jobs = [job["id"], hand["id"]]
    return {"certificates": [site], "accounts": [main], "authorities": ["pebble", called("spare")],
            "credentials": [called("secret"), "new"], "solvers": [called("exec"), "new"],
            "targets": [called("exec"), "new"], "tokens": [called("reader")],
            "Name": [site, main, "pebble", "new"], "name": ["other", "new", site],
            "account": [main], "authority": ["pebble"], "Ulid": jobs, "jobs": jobs,
            "orders": [order["id"]], "version": [1],
            "file": ["cert.pem", "privkey.pem"], "certificate": [pem["fullchain.pem"], site],
            "chain": [pem["fullchain.pem"]], "private_key": [pem["privkey.pem"]],
            "csr": [pem["csr.pem"]], "pem": [pem["privkey.pem"]], "Pem": list(pem.values()),
            "hmac_key": ["c2VjcmV0LXNlY3JldA"], "credential": [called("secret")],
            "solver": [called("exec")],
            "target": [called("exec")], "command": ["true"], "label": ["team=web"],
            "directory": [folder], "path": ["a", "a/b"], "contacts": ["mailto:a@example.com"],
            "addresses": ["10.0.0.0/8", "unix"], "email": ["a@example.com"],
            "trust_bundle": [pem["fullchain.pem"]], "token": ["evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ"]}


@pytest.fixture
def service(certwright, pebble, resolvers, tmp_path):
    """It asks nobody on other machines: whatever would, goes by a proxy that is not there."""
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "all_proxy")}
    return certwright(pebble, env=nowhere, commands={"true": ["/bin/true"]},
                      defaults={"account": "main-0"},
                      resources={"solvers": {"hand": {"type": "manual", "zones": ["example.edu"]}}},
                      file_roots=[str(tmp_path)], **resolvers)


def test_every_answer_is_one_of_the_contract(service, contract, names, tmp_path):
    # Root and the service's own user need no token, so that none can be lost to a DELETE.
    api = Api(contract, unix=service.socket)
    statuses, found = {}, {}

    def judge(method, template, request):
        """All that is wrong is gathered: the same request again would find another service."""
        operation = contract.spec["paths"][template][method]
        why = refusal(contract, operation, request)
        try:
            answer = api.call(request.method, request.path, raw=request.raw,
                              headers={"Host": "localhost", **request.headers})
            statuses.setdefault((method, template), set()).add(answer.status)
            assert answer.status < 500, answer
            assert not why or answer.status >= 400, f"{answer}, though {why}"
        except Exception as e:
            assert service.process.running, request
            found.setdefault((method, template, type(e), why and why[:20]),
                             f"{request}\n  {str(e)[:1000]}")

    def turn(number, generator, method, template):
        @seed(f"{SEED} {number} {method} {template}")
        @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(generator.request(method, template))
        def run(request):
            judge(method, template, request)

        run()

    for number in range(ROUNDS):
        generator = Generator(contract, populate(service.api, number, names, str(tmp_path)))
        operations = generator.operations()
        dice("operations", number).shuffle(operations)
        for operation in sorted(operations, key=lambda o: o[0] == "delete"):
            turn(number, generator, *operation)
    assert not found, "\n".join(found.values())
    assert service.ops("/readyz")[0] == 200
    taken = [key for key, seen in statuses.items() if min(seen) < 400]
    assert len(taken) > len(statuses) / 2, [key for key in statuses if key not in taken]
    faults = [job for job in api.ok("GET", "/jobs?page_size=1000", headers={"Host": "localhost"})
              ["items"] if job["error"] and job["error"]["code"] == "internal"]
    assert not faults, faults
