"""The fake CA's accounts, orders, authorizations and certificates (RFC 8555 section 7)."""

import datetime
import ipaddress
import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fake_ca_jws import check_binding, check_key_change, pack, refuse, thumbprint, unpack
from fake_ca_script import Answer, document, retry_after


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def san_of(names):
    """Names of a certificate, or of a CSR, as identifiers: {(type, value)}."""
    out = [("dns", name) for name in names.get_values_for_type(x509.DNSName)]
    return out + [("ip", str(ip)) for ip in names.get_values_for_type(x509.IPAddress)]


def general_name(kind, value):
    return x509.IPAddress(ipaddress.ip_address(value)) if kind == "ip" else x509.DNSName(value)


class Issuer:
    """An intermediate certificate under several roots, which are the alternate chains."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = common_name("fake issuer")
        self.roots = {}

    def _sign(self, issuer, key, subject, public_key, days, *extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().issuer_name(issuer).subject_name(subject)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(minutes=5))
                   .not_valid_after(now + datetime.timedelta(days=days)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(key, hashes.SHA256())

    def above(self, k):
        """The intermediate certificate below "fake root k"."""
        if k not in self.roots:
            root = ec.generate_private_key(ec.SECP256R1())
            self.roots[k] = self._sign(
                common_name(f"fake root {k}"), root, self.name, self.key.public_key(), 1000,
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False))
        return self.roots[k]

    def leaf(self, public_key, identifiers, days):
        names = [general_name(kind, value) for kind, value in identifiers]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return self._sign(self.name, self.key, x509.Name([]), public_key, days,
                          (x509.SubjectAlternativeName(names), True), (authority, False))


class Objects:
    """What the CA knows. ca: the FakeCa with its base URL and the settings of the test."""

    def __init__(self, ca):
        self.ca = ca
        self.accounts = {}      # number: {"url", "jwk", "status", "contact"}
        self.orders = {}        # number: see new_order
        self.certificates = {}  # DER: {"certificate", "account", "reason"}
        self.issuer = Issuer()
        self.numbers = itertools.count(1)

    # accounts

    def account_by_key(self, jwk):
        for account in self.accounts.values():
            if thumbprint(account["jwk"]) == thumbprint(jwk):
                return account
        return None

    def account_by_url(self, url):
        for account in self.accounts.values():
            if account["url"] == url:
                return account
        return refuse("accountDoesNotExist", "no account has that URL")

    def show_account(self, account):
        return self.ca.bent("account", {
            "status": account["status"], "contact": account["contact"],
            "orders": f"{self.ca.base}/orders/{account['number']}"})

    def new_account(self, jws):
        payload = jws.payload
        account = self.account_by_key(jws.jwk)
        if account:
            return 200, {"Location": account["url"]}, self.show_account(account)
        if payload.get("onlyReturnExisting"):
            refuse("accountDoesNotExist", "no account has that key")
        if self.ca.terms and payload.get("termsOfServiceAgreed") is not True:
            refuse("userActionRequired", "the terms are not agreed to",
                   links={"terms-of-service": self.ca.terms})
        self._bind(jws)
        n = next(self.numbers)
        account = {"number": n, "url": f"{self.ca.base}/account/{n}", "jwk": jws.jwk,
                   "status": "valid", "contact": payload.get("contact", [])}
        self.accounts[n] = account
        return 201, {"Location": account["url"]}, self.show_account(account)

    def _bind(self, jws):
        binding = jws.payload.get("externalAccountBinding")
        if self.ca.eab_keys and not binding:
            refuse("externalAccountRequired", "an external account binding is required")
        if binding:
            check_binding(binding, jws.jwk, f"{self.ca.base}/new-account", self.ca.eab_keys)

    def account(self, jws, account):
        if jws.payload.get("status") == "deactivated":
            account["status"] = "deactivated"
        account["contact"] = jws.payload.get("contact", account["contact"])
        return 200, {}, self.show_account(account)

    def orders_of(self, account):
        return 200, {}, {"orders": [f"{self.ca.base}/order/{n}" for n, order in self.orders.items()
                                    if order["account"] is account]}

    def key_change(self, jws, account):
        jwk = check_key_change(jws.payload, account, f"{self.ca.base}/key-change",
                               self.ca.algorithms)
        other = self.account_by_key(jwk)
        if other:
            return Answer(409, {"Location": other["url"]}, document("conflict", "the key is taken"))
        account["jwk"] = jwk
        return 200, {}, self.show_account(account)

    # orders

    def new_order(self, jws, account):
        payload = jws.payload
        profile = payload.get("profile")
        if profile and profile not in self.ca.profiles:
            refuse("invalidProfile", f"there is no profile {profile}")
        n = next(self.numbers)
        names = [(i["type"], i["value"]) for i in payload["identifiers"]]
        self.orders[n] = {
            "identifiers": payload["identifiers"], "status": "pending", "account": account,
            "authorizations": [{"name": name, "status": "pending", "polls": 0, "error": None}
                               for name in names],
            "profile": profile, "replaces": payload.get("replaces"), "polls": 0, "error": None}
        return 201, {"Location": f"{self.ca.base}/order/{n}"}, self.show_order(n)

    def find(self, n, i=None):
        """The order, or one of its authorizations."""
        if n not in self.orders or i is not None and i >= len(self.orders[n]["authorizations"]):
            refuse("malformed", "there is no such object", status=404)
        return self.orders[n] if i is None else self.orders[n]["authorizations"][i]

    def show_order(self, n):
        order = self.find(n)
        out = {"status": order["status"], "identifiers": order["identifiers"],
               "authorizations": [f"{self.ca.base}/authz/{n}/{i}"
                                  for i in range(len(order["identifiers"]))],
               "finalize": f"{self.ca.base}/finalize/{n}"}
        for name in ("profile", "replaces", "error"):
            if order[name]:
                out[name] = order[name]
        if order["status"] == "valid":
            out["certificate"] = f"{self.ca.base}/cert/{n}"
        return self.ca.bent("order", out)

    def order(self, n):
        """A poll: `processing` lasts so many of them as the test says."""
        order = self.find(n)
        if order["status"] == "processing":
            order["polls"] += 1
            if order["polls"] > self.ca.processing_polls:
                order["status"] = "valid"
        return 200, self._later("order", order["status"]), self.show_order(n)

    def _later(self, what, status):
        value = self.ca.retry_after.get(what)
        unfinished = status in ("pending", "processing")
        return {"Retry-After": retry_after(value)} if value is not None and unfinished else {}

    def finalize(self, jws, n):
        order = self.find(n)
        if order["status"] != "ready":
            refuse("orderNotReady", f"the order is {order['status']}")
        csr = self._read_csr(jws)
        wanted = sorted((i["type"], i["value"]) for i in order["identifiers"])
        given = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if sorted(san_of(given)) != wanted:
            refuse("badCSR", "the CSR's names are not the order's")
        order["csr"] = csr
        order["status"] = "processing" if self.ca.processing_polls else "valid"
        return 200, self._later("order", order["status"]), self.show_order(n)

    def _read_csr(self, jws):
        try:
            csr = x509.load_der_x509_csr(unpack(jws.payload["csr"]))
            if not csr.is_signature_valid:
                refuse("badCSR", "the CSR's signature is wrong")
        except (ValueError, InvalidSignature):
            refuse("badCSR", "this is no CSR")
        return csr

    # authorizations

    def show_authorization(self, n, i):
        state = self.find(n, i)
        kind, value = state["name"]
        wildcard = value.startswith("*.")
        types = [t for t in self.ca.challenge_types
                 if not (wildcard and not t.startswith("dns-"))
                 and not (kind == "ip" and t.startswith("dns-"))]
        return self.ca.bent("authorization", {
            "identifier": {"type": kind, "value": value.removeprefix("*.")},
            "status": state["status"], **({"wildcard": True} if wildcard else {}),
            "challenges": [self._challenge(n, i, t) for t in types]})

    def _challenge(self, n, i, type_):
        state = self.find(n, i)
        out = {"type": type_, "url": f"{self.ca.base}/chall/{n}/{i}/{type_}",
               "status": state["status"]}
        if type_ == "dns-persist-01":
            account = self.orders[n]["account"]
            out["issuer-domain-names"] = self.ca.issuer_names
            out["accounturi"] = account["url"]
        else:
            out["token"] = f"token-{n}-{i}"
        if state["error"] and state.get("answered", type_) == type_:
            out["error"] = state["error"]
        return out

    def authorization(self, jws, n, i):
        state = self.find(n, i)
        if jws.payload.get("status") == "deactivated":
            state["status"] = "deactivated"
        if state["status"] == "pending" and state.get("answered"):
            self._look(state, n)
        return 200, self._later("authorization", state["status"]), self.show_authorization(n, i)

    def _look(self, state, n):
        """The validation ends after so many polls as the test says: well, unless it says else."""
        state["polls"] += 1
        if state["polls"] <= self.ca.pending_polls:
            return
        failures = self.ca.fail.get(state["name"][1])
        order = self.orders[n]
        if not failures and not self._is_proven(state, n):
            failures = [document("unauthorized", "what proves the name is not there")]
        if failures:
            state["status"], state["error"] = "invalid", failures.pop(0)
            order["status"], order["error"] = "invalid", document("malformed", "a name failed")
            return
        state["status"] = "valid"
        if all(a["status"] == "valid" for a in order["authorizations"]):
            order["status"] = "ready"

    def _is_proven(self, state, n):
        order, name = self.orders[n], state["name"][1]
        token = f"token-{n}-{order['authorizations'].index(state)}"
        return self.ca.prove is None or self.ca.prove(
            name, state["answered"], token, f"{token}.{thumbprint(order['account']['jwk'])}")

    def challenge(self, jws, n, i, type_):
        if jws.is_post_as_get or jws.payload != {}:
            refuse("malformed", "a challenge is answered with {}")
        state = self.find(n, i)
        if state["status"] != "pending":
            refuse("malformed", f"the authorization is {state['status']}")
        state["answered"] = type_
        return 200, {"Link": f'<{self.ca.base}/authz/{n}/{i}>;rel="up"'}, \
            self._challenge(n, i, type_)

    # certificates

    def issue(self, public_key, names):
        """A certificate for a test's own use, with a chain of one."""
        return pem(self.issuer.leaf(public_key, [("dns", name) for name in names], self.ca.days))

    def certificate(self, n, k):
        order = self.find(n)
        if order["status"] != "valid" or k > self.ca.alternates:
            refuse("malformed", "there is no such certificate", status=404)
        if "leaf" not in order:
            names = [(i["type"], i["value"]) for i in order["identifiers"]]
            order["leaf"] = self.issuer.leaf(order["csr"].public_key(), names, self.ca.days)
            der = order["leaf"].public_bytes(serialization.Encoding.DER)
            self.certificates[der] = {"account": order["account"], "reason": None,
                                      "certificate": order["leaf"]}
        text = self.ca.bent("certificate", pem(order["leaf"]) + pem(self.issuer.above(k)))
        links = ", ".join(f'<{self.ca.base}/cert/{n}/{other}>;rel="alternate"'
                          for other in range(self.ca.alternates + 1) if other != k)
        return 200, {"Content-Type": "application/pem-certificate-chain",
                     **({"Link": links} if links else {})}, text.encode()

    def revoke(self, jws, account):
        known = self.certificates.get(unpack(jws.payload["certificate"]))
        if not known:
            refuse("malformed", "that certificate is not from here", status=404)
        if account is None:
            numbers = known["certificate"].public_key()
            if thumbprint(jws.jwk) != self._thumbprint_of(numbers):
                refuse("unauthorized", "that is not the certificate's key")
        elif account is not known["account"]:
            refuse("unauthorized", "the account holds not all names of the certificate")
        if known["reason"] is not None:
            refuse("alreadyRevoked", "it was revoked before")
        if jws.payload.get("reason", 0) not in (0, 1, 4, 5):
            refuse("badRevocationReason", "that reason is not for you")
        known["reason"] = jws.payload.get("reason", 0)
        return 200, {}, b""

    @staticmethod
    def _thumbprint_of(key):
        def octets(value, size):
            return pack(value.to_bytes(size, "big"))

        n = key.public_numbers()
        if isinstance(key, ec.EllipticCurvePublicKey):
            size = (key.key_size + 7) // 8
            return thumbprint({"kty": "EC", "crv": f"P-{key.key_size}", "x": octets(n.x, size),
                               "y": octets(n.y, size)})
        return thumbprint({"kty": "RSA", "n": octets(n.n, (n.n.bit_length() + 7) // 8),
                           "e": octets(n.e, (n.e.bit_length() + 7) // 8)})
