"""What a CA checks of a signed request (RFC 8555 section 6) before it looks at what is asked."""

import base64
import hashlib
import hmac
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from fake_ca_script import problem

CURVES = {"P-256": (ec.SECP256R1(), "ES256", hashes.SHA256(), 32),
          "P-384": (ec.SECP384R1(), "ES384", hashes.SHA384(), 48)}
MACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


class Refused(Exception):
    """args[0]: the answer to send."""


def refuse(kind, detail, **more):
    raise Refused(problem(kind, detail, **more))


def pack(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text):
    """base64url without padding; other spellings are refused, as real CAs do."""
    if not isinstance(text, str) or "=" in text:
        refuse("malformed", "this is not base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        refuse("malformed", "this is not base64url")
    if pack(data) != text:
        refuse("malformed", "this is not canonical base64url")
    return data


def number(text):
    return int.from_bytes(unpack(text), "big")


def thumbprint(jwk):
    """RFC 7638, over the members that the key's type requires."""
    members = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}[jwk["kty"]]
    text = json.dumps({name: jwk[name] for name in members}, sort_keys=True,
                      separators=(",", ":"))
    return pack(hashlib.sha256(text.encode()).digest())


def public_key(jwk):
    """(key, the only algorithm it signs with)"""
    kind = jwk.get("kty")
    if kind == "RSA":
        return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key(), "RS256"
    if kind == "EC" and jwk.get("crv") in CURVES:
        curve, algorithm, _, _ = CURVES[jwk["crv"]]
        numbers = ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), curve)
        return numbers.public_key(), algorithm
    return refuse("badPublicKey", f"keys of the type {kind} are not taken")


def check_signature(jwk, algorithm, signature, signed, accepted):
    key, expected = public_key(jwk)
    if algorithm not in accepted:
        refuse("badSignatureAlgorithm", f"{algorithm} is not taken", algorithms=list(accepted))
    if algorithm != expected:
        refuse("malformed", f"alg is {algorithm}, the key's is {expected}")
    try:
        if jwk["kty"] == "RSA":
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            return
        _, _, digest, size = CURVES[jwk["crv"]]
        if len(signature) != 2 * size:
            refuse("malformed", "an ECDSA signature of the wrong size")
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
    except InvalidSignature:
        refuse("malformed", "the JWS signature does not verify")


class Jws:
    """A flattened JWS: its protected header and payload, signature unchecked as yet."""

    def __init__(self, body):
        try:
            envelope = json.loads(body) if isinstance(body, bytes) else body
            members = set(envelope)
        except (ValueError, TypeError):
            refuse("malformed", "the body is no JSON object")
        if members != {"protected", "payload", "signature"}:
            refuse("malformed", f"the JWS has the members {sorted(members)}")
        self.signed = f"{envelope['protected']}.{envelope['payload']}".encode()
        self.signature = unpack(envelope["signature"])
        self.header = json.loads(unpack(envelope["protected"]))
        self.raw_payload = unpack(envelope["payload"])
        try:
            self.payload = json.loads(self.raw_payload or b"{}")
        except ValueError:
            refuse("malformed", "the payload is no JSON")
        self.jwk, self.kid = self.header.get("jwk"), self.header.get("kid")

    @property
    def is_post_as_get(self):
        return self.raw_payload == b""

    def expect_header(self, names):
        if set(self.header) != set(names):
            refuse("malformed", f"the protected header has {sorted(self.header)}, not "
                   f"{sorted(names)}")

    def expect_url(self, url):
        if self.header.get("url") != url:
            refuse("unauthorized", f"the JWS is for {self.header.get('url')}, this is {url}",
                   status=400)

    def verify(self, jwk, accepted):
        check_signature(jwk, self.header["alg"], self.signature, self.signed, accepted)


def check_binding(envelope, jwk, url, keys):
    """External account binding (section 7.3.4); returns the key id. keys: {kid: MAC key bytes}."""
    binding = Jws(envelope)
    binding.expect_header(("alg", "kid", "url"))
    binding.expect_url(url)
    if binding.header["alg"] not in MACS or binding.kid not in keys:
        refuse("malformed", f"{binding.kid} with {binding.header['alg']} binds no account")
    mac = hmac.new(keys[binding.kid], binding.signed, MACS[binding.header["alg"]]).digest()
    if not hmac.compare_digest(mac, binding.signature):
        refuse("unauthorized", "the external account binding does not verify")
    if binding.payload != jwk:
        refuse("malformed", "the binding is for another key")
    return binding.kid


def check_key_change(envelope, account, url, accepted):
    """The inner JWS of keyChange (section 7.3.5); returns the new JWK."""
    inner = Jws(envelope)
    inner.expect_header(("alg", "jwk", "url"))
    inner.expect_url(url)
    inner.verify(inner.jwk, accepted)
    if inner.payload != {"account": account["url"], "oldKey": account["jwk"]}:
        refuse("malformed", "the inner payload is not this account and its old key")
    return inner.jwk
