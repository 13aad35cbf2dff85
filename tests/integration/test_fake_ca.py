"""The fake CA is as strict as it claims: what others' tests prove with it hangs on that."""

import json
import ssl
import urllib.error
import urllib.request

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from fake_ca import FakeCa
from fake_ca_jws import pack
from fake_ca_script import problem, usual

KEY = ec.generate_private_key(ec.SECP256R1())
POINT = KEY.public_key().public_numbers()
JWK = {"kty": "EC", "crv": "P-256", "x": pack(POINT.x.to_bytes(32, "big")),
       "y": pack(POINT.y.to_bytes(32, "big"))}
NEW = {"termsOfServiceAgreed": True}


@pytest.fixture
def strict(tmp_path):
    ca = FakeCa(tmp_path / "fake").start()
    yield ca
    ca.complaints.clear()
    ca.stop()


def send(ca, path, data=None, headers=None, method=None):
    """(status, headers, body)"""
    request = urllib.request.Request(ca.base + path, data, headers or {}, method=method)
    context = ssl.create_default_context(cafile=str(ca.ca))
    try:
        answer = urllib.request.urlopen(request, context=context, timeout=10)
    except urllib.error.HTTPError as e:
        answer = e
    with answer:
        return answer.status, answer.headers, answer.read()


def nonce(ca):
    return send(ca, "/nonce", method="HEAD")[1]["Replay-Nonce"]


def sign(ca, path, payload, **header):
    protected = {"alg": "ES256", "nonce": nonce(ca), "url": ca.base + path, "jwk": JWK, **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    parts = [pack(json.dumps(part).encode()) for part in (protected, payload)]
    r, s = decode_dss_signature(KEY.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    return {"protected": parts[0], "payload": parts[1],
            "signature": pack(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}


def post(ca, path, jws, **headers):
    status, sent, body = send(ca, path, json.dumps(jws).encode(), {
        "Content-Type": "application/jose+json", "User-Agent": "test", **headers})
    return status, sent, json.loads(body or b"{}")


def refused(ca, jws, kind, path="/new-account", **headers):
    status, sent, body = post(ca, path, jws, **headers)
    assert body.get("type", "").endswith(f":{kind}"), (status, body)
    assert sent["Replay-Nonce"] and ca.complaints
    return status


def test_what_is_right_is_taken(strict):
    assert post(strict, "/new-account", sign(strict, "/new-account", NEW))[0] == 201
    assert post(strict, "/new-account", sign(strict, "/new-account", NEW))[0] == 200
    assert strict.complaints == []


@pytest.mark.parametrize("header, kind", [
    ({"nonce": "invented"}, "badNonce"), ({"nonce": None}, "malformed"),
    ({"url": "https://127.0.0.1/new-account"}, "unauthorized"), ({"alg": "RS256"}, "malformed"),
    ({"alg": "HS256"}, "badSignatureAlgorithm"), ({"crit": ["x"]}, "malformed"),
    ({"kid": "https://ca.invalid/1"}, "malformed"), ({"jwk": None}, "malformed")])
def test_a_wrong_header_is_refused(strict, header, kind):
    refused(strict, sign(strict, "/new-account", NEW, **header), kind)


def test_a_wrong_signature_is_refused(strict):
    jws = sign(strict, "/new-account", NEW)
    refused(strict, {**jws, "payload": pack(b'{"contact":[]}')}, "malformed")


def test_a_nonce_is_good_once(strict):
    jws = sign(strict, "/new-account", NEW)
    assert post(strict, "/new-account", jws)[0] == 201
    refused(strict, jws, "badNonce")


def test_other_media_types_are_refused(strict):
    jws = sign(strict, "/new-account", NEW)
    assert refused(strict, jws, "malformed", **{"Content-Type": "application/json"}) == 415


def test_orders_take_no_jwk(strict):
    refused(strict, sign(strict, "/new-order", {}), "malformed", "/new-order")


def test_a_script_is_consumed(strict):
    strict.script("/new-account", problem("rateLimited", after=7), usual())
    status, headers, body = post(strict, "/new-account", sign(strict, "/new-account", NEW))
    assert (status, headers["Retry-After"]) == (429, "7") and body["status"] == 429
    assert post(strict, "/new-account", sign(strict, "/new-account", NEW))[0] == 201
    assert post(strict, "/new-account", sign(strict, "/new-account", NEW))[0] == 200


def test_a_bad_request_fails_the_test_that_made_it(tmp_path):
    ca = FakeCa(tmp_path / "fake").start()
    post(ca, "/new-account", sign(ca, "/new-account", NEW, nonce="invented"))
    with pytest.raises(AssertionError):
        ca.stop()
