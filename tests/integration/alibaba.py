"""
A stand-in for the Alibaba Cloud services that certificates are installed at, all at one endpoint:
the certificate service (cas 2020-04-07), CDN (2018-05-10), DCDN (2018-01-15), and the API gateway
(CloudAPI 2016-07-14). Codes that the documentation does not give are marked so.

As a program it prints {"endpoint": …}, then runs one command a line from standard input, such as
["add_domain", "www.example.com"], and answers each with a line of JSON.
"""

import hashlib
import json
import sys
import time
from collections import namedtuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import pem
from aliyun_rpc import BROKEN, LOST, THROTTLED, Refusal, Rpc, checked

PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
SECRETS = {"Key", "SSLPri", "CertificatePrivateKey"}
CAS_NAME_MAX, CDN_NAME_MAX, GATEWAY_NAME_MAX = 64, 128, 50

Request = namedtuple("Request", "product action parameters")
# What a domain shows, or an upload is.
Installed = namedtuple("Installed", "name fingerprint pem key")


def table(**actions):
    """RegionId is a common parameter."""
    return {action: (required, {**types, "RegionId": str})
            for action, (required, types) in actions.items()}


_SET = {"DomainName": str, "SSLProtocol": str, "CertType": str, "CertName": str, "CertId": int,
        "SSLPub": str, "SSLPri": str, "CertRegion": str, "Env": str}
_LIST = {"PageSize": int, "PageNumber": int, "DomainName": str, "DomainStatus": str}
PRODUCTS = {
    "2020-04-07": ("cas", table(
        UploadUserCertificate=({"Name"}, {
            "Name": str, "Cert": str, "Key": str, "EncryptCert": str, "EncryptPrivateKey": str,
            "SignCert": str, "SignPrivateKey": str, "ResourceGroupId": str}),
        GetUserCertificateDetail=({"CertId"}, {"CertId": int, "CertFilter": bool}),
        DeleteUserCertificate=({"CertId"}, {"CertId": int}),
        ListUserCertificateOrder=(set(), {
            "CurrentPage": int, "ShowSize": int, "OrderType": str, "Keyword": str, "Status": str,
            "ResourceGroupId": str}))),
    "2018-05-10": ("cdn", table(
        SetCdnDomainSSLCertificate=({"DomainName", "SSLProtocol"}, _SET),
        DescribeDomainCertificateInfo=({"DomainName"}, {"DomainName": str}),
        DescribeUserDomains=(set(), _LIST))),
    "2018-01-15": ("dcdn", table(
        SetDcdnDomainSSLCertificate=({"DomainName", "SSLProtocol"}, _SET),
        DescribeDcdnDomainCertificateInfo=({"DomainName"}, {"DomainName": str}),
        DescribeDcdnUserDomains=(set(), _LIST))),
    "2016-07-14": ("apigateway", table(
        SetDomainCertificate=({"GroupId", "DomainName", "CertificateName"}, {
            "GroupId": str, "DomainName": str, "CertificateName": str, "CertificateBody": str,
            "CertificatePrivateKey": str, "CaCertificateBody": str,
            "ClientCertSDnPassThrough": bool, "SslOcspEnable": bool, "SslOcspCacheEnable": bool,
            "SslVerifyDepth": str}),
        DescribeDomain=({"GroupId", "DomainName"}, {"GroupId": str, "DomainName": str}),
        DescribeApiGroup=({"GroupId"}, {"GroupId": str}))),
}

# The first three and the last are documented; the others are ours.
FAULTS = {
    "throttle": THROTTLED,
    "broken": BROKEN,
    "busy": Refusal(403, "ServiceBusy", "The specified Domain is configuring, retry later."),
    "repeated": Refusal(400, "RepeatedCommit", "Resubmit request."),
    "quota": Refusal(400, "QuotaExceeded", "The number of certificates exceeds the quota."),
    "in_use": Refusal(400, "CertificateInUse", "The certificate is deployed to cloud products."),
    "duplicate": Refusal(400, "Certificate.Duplicated", "The certificate name already exists."),
}
AFTER = {"lose": LOST, "drop": Refusal(Refusal.DROP)}  # carried out, but the answer does not come


def certificates_of(text):
    """Those in a PEM text; ValueError if it is not one of whole blocks alone."""
    end = "-----END CERTIFICATE-----"
    blocks = text.split(end)
    if blocks.pop().strip() or not blocks:
        raise ValueError("something follows the last block")
    return [x509.load_pem_x509_certificate((block.strip() + "\n" + end + "\n").encode())
            for block in blocks]


def installed(name, text, key, bad_pem, bad_key, mismatch):
    """What is to be installed, checked as the services do: a chain in order, and its key."""
    try:
        chain = certificates_of(text)
    except ValueError:
        raise bad_pem from None
    if any(a.issuer != b.subject for a, b in zip(chain, chain[1:])):
        raise bad_pem
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        raise bad_key from None
    if private.public_key().public_bytes(*PUBLIC) != chain[0].public_key().public_bytes(*PUBLIC):
        raise mismatch
    if pem.expiry_of(chain[0]) < time.time():
        raise Refusal(400, "Certificate.Expired", "The certificate has expired.")
    der = chain[0].public_bytes(serialization.Encoding.DER)
    return Installed(name, hashlib.sha256(der).hexdigest(), text, key)


class Alibaba(Rpc):
    """
    certificates: {CertId: Installed}, the certificate service's uploads. domains: {product: {name:
    Installed or None}} of cdn and dcdn; groups: {GroupId: {name: Installed or None}}. requests:
    every call, without keys. filed: names of what was uploaded through CDN and DCDN, which the
    certificate service files too. tells_pem: whether the reads of domains show the certificate.
    """

    def __init__(self, key_id="LTAI-test", secret="test-secret", security_token=None):
        self.certificates = {}
        self.in_use = set()  # CertIds that cannot be deleted
        self.filed = set()
        self.domains = {"cdn": {}, "dcdn": {}}
        self.groups = {}
        self.requests = []
        self.tells_pem = True
        self.slow_reads = 0  # so many reads show the former certificate after a change
        self._faults = []
        self._former = {}
        self._next_id = 8000
        super().__init__("aliyuncs.com", key_id, secret, security_token)

    url = Rpc.endpoint

    # what tests arrange

    def add_domain(self, name, product="cdn"):
        """A wildcard is ".example.com"."""
        self.domains[product][name] = None

    def add_group(self, group_id, *names):
        self.groups.setdefault(group_id, {}).update(dict.fromkeys(names))

    def fault(self, action, kind, times=1):
        """
        The next calls of that action ("*": any) fail: throttle, broken, busy, repeated, quota,
        in_use, duplicate; or are carried out, but lose (503) or drop (no) answer; or succeed but
        forget.
        """
        if kind not in {*FAULTS, *AFTER, "forget"}:
            raise ValueError(kind)
        self._faults += [(action, kind)] * times

    def actions(self):
        return [request.action for request in self.requests]

    # every call

    def _fault_of(self, action):
        for i, (wanted, kind) in enumerate(self._faults):
            if wanted in (action, "*"):
                del self._faults[i]
                return kind
        return None

    def perform(self, version, action, query, body):
        if version not in PRODUCTS:
            raise Refusal(404, "InvalidVersion", "Specified version is not valid.")
        product, actions = PRODUCTS[version]
        if action not in actions:
            raise Refusal(404, "InvalidAction.NotFound", f"There is no action {action}.")
        p = checked(action, actions, query, body)
        self.requests.append(Request(product, action, {
            name: value for name, value in p.items() if name not in SECRETS}))
        if any("-----BEGIN" in value for _, value in query):
            raise Refusal(414, "RequestUriTooLarge", "What is long belongs into the body.")
        if self.refuse_next:
            raise self.refuse_next.pop(0)
        kind = self._fault_of(action)
        if kind in FAULTS:
            raise FAULTS[kind]
        result = self._run(product, action, p, forget=kind == "forget")
        if kind in AFTER:
            raise AFTER[kind]
        return result

    def _run(self, product, action, p, forget):
        if action in ("SetCdnDomainSSLCertificate", "SetDcdnDomainSSLCertificate"):
            return self._set_cdn(product, p, forget)
        if action == "SetDomainCertificate":
            return self._set_gateway(p, forget)
        if product in ("cdn", "dcdn"):
            return self._read_cdn(product, action, p)
        return getattr(self, "do_" + action)(p)

    # the certificate service

    def _upload(self, p):
        if int(p["CertId"]) not in self.certificates:
            raise Refusal(404, "NotFound", "The certificate does not exist.")  # ours
        return int(p["CertId"])

    def do_UploadUserCertificate(self, p):
        bad = Refusal(400, "CertificateFormatError", "The certificate is not valid.")  # ours
        if len(p["Name"]) > CAS_NAME_MAX:
            raise Refusal(400, "InvalidParameter", "The name is too long.")
        if p["Name"] in {c.name for c in self.certificates.values()} | self.filed:
            raise Refusal(400, "NameRepeat", "The certificate name already exists.")  # ours
        new = installed(p["Name"], p.get("Cert", ""), p.get("Key", ""), bad, bad, bad)
        self._next_id += 1
        self.certificates[self._next_id] = new
        return {"CertId": self._next_id, "ResourceId": f"cas-upload-{self._next_id}"}

    @staticmethod
    def _tell(cert_id, upload):
        leaf = certificates_of(upload.pem)[0]
        return {"Name": upload.name, "Sha2": upload.fingerprint.upper(),
                "SerialNo": f"{leaf.serial_number:x}", "Expired": False,
                "InstanceId": f"cas-upload-{cert_id}"}

    def do_GetUserCertificateDetail(self, p):
        cert_id = self._upload(p)
        upload = self.certificates[cert_id]
        told = {"Id": cert_id, "BuyInAliyun": False, **self._tell(cert_id, upload)}
        if p.get("CertFilter") != "true":
            told.update(Cert=upload.pem, Key=upload.key)
        return told

    def do_DeleteUserCertificate(self, p):
        cert_id = self._upload(p)
        if cert_id in self.in_use:
            raise FAULTS["in_use"]
        del self.certificates[cert_id]
        return {}

    def do_ListUserCertificateOrder(self, p):
        if p.get("OrderType", "CPACK") not in ("CPACK", "BUY", "UPLOAD", "CERT"):
            raise Refusal(400, "InvalidParameter", "The value of OrderType is not valid.")
        shown = self.certificates if p.get("OrderType") in ("UPLOAD", "CERT") else {}
        number, size = int(p.get("CurrentPage", 1)), int(p.get("ShowSize", 50))
        page = list(shown.items())[(number - 1) * size:number * size]
        return {"TotalCount": len(shown), "CurrentPage": number, "ShowSize": size,
                "CertificateOrderList": [
                    {"CertificateId": cert_id, "Upload": True, **self._tell(cert_id, upload)}
                    for cert_id, upload in page]}

    # domains of all kinds

    def _change(self, domains, name, new, forget):
        if forget:
            return
        if self.slow_reads:
            self._former[id(domains), name] = [self.slow_reads, domains[name]]
        domains[name] = new

    def _show(self, domains, name):
        former = self._former.get((id(domains), name))
        if former and former[0]:
            former[0] -= 1
            return former[1]
        return domains[name]

    def _cdn_domain(self, product, p):
        if p["DomainName"] not in self.domains[product]:
            raise Refusal(404, "InvalidDomain.NotFound",
                          "The domain provided does not belong to you.")
        return p["DomainName"]

    def _set_cdn(self, product, p, forget):
        name = self._cdn_domain(product, p)
        if p["SSLProtocol"] not in ("on", "off"):
            raise Refusal(400, "InvalidSSLProtocol.ValueNotSupported",
                          "The specified SSLProtocol is invalid.")
        if p["SSLProtocol"] == "off":
            self._change(self.domains[product], name, None, forget)
            return {}
        if p.get("CertType") != "upload":
            raise Refusal(400, "InvalidParameter", "Only uploads are played here.")
        for needed in ("SSLPub", "SSLPri"):
            if needed not in p:
                raise Refusal(400, needed + ".MissingParameter", f"{needed} is required.")
        title = p.get("CertName", "")
        if len(title) > CDN_NAME_MAX:
            raise Refusal(400, "InvalidCertName.TooLong", "128 characters at most.")
        if not title or title in {c.name for c in self.certificates.values()} | self.filed:
            raise Refusal(400, "CertNameAlreadyExists", "The CertName already exists.")
        new = installed(
            title, p["SSLPub"], p["SSLPri"],
            Refusal(400, "InvalidSSLPub", "The specified SSLPub is invalid."),
            Refusal(400, "InvalidSSLPri", "The specified SSLPri is invalid."),
            Refusal(400, "Certificate.MissMatch", "The SSLPri does not match the certificate."))
        self.filed.add(title)
        self._change(self.domains[product], name, new, forget)
        return {}

    def _read_cdn(self, product, action, p):
        if action.endswith("UserDomains"):
            names = sorted(self.domains[product])
            return {"TotalCount": len(names), "PageNumber": int(p.get("PageNumber", 1)),
                    "PageSize": int(p.get("PageSize", 20)),
                    "Domains": {"PageData": [{"DomainName": n} for n in names]}}
        name = self._cdn_domain(product, p)
        shown = self._show(self.domains[product], name)
        state, text = (("ServerCertificateStatus", "ServerCertificate") if product == "cdn"
                       else ("SSLProtocol", "SSLPub"))
        info = {"DomainName": name, state: "on" if shown else "off"}
        if shown:
            info.update(CertName=shown.name, CertType="upload", Status="success")
            if self.tells_pem:
                info[text] = shown.pem
        return {"CertInfos": {"CertInfo": [info]}}

    # the API gateway

    def _group(self, p):
        if p["GroupId"] not in self.groups:
            raise Refusal(404, "NotFoundApiGroup", "Cannot find resource according to your input.")
        return self.groups[p["GroupId"]]

    def _gateway_domain(self, p):
        group = self._group(p)
        if p["DomainName"] not in group:
            raise Refusal(404, "NotFoundDomain", "Cannot find resource according to your input.")
        return group, p["DomainName"]

    def _set_gateway(self, p, forget):
        group, name = self._gateway_domain(p)
        bad = Refusal(400, "InvalidCertificate", "The certificate is not valid.")  # ours
        title = p["CertificateName"]
        if len(title) > GATEWAY_NAME_MAX or not title.replace("_", "").isalnum():
            raise Refusal(400, "InvalidCertificateName", "The name is not valid.")  # ours
        self._change(group, name, installed(title, p.get("CertificateBody", ""), p.get(
            "CertificatePrivateKey", ""), bad, bad, bad), forget)
        return {}

    def do_DescribeDomain(self, p):
        group, name = self._gateway_domain(p)
        shown = self._show(group, name)
        told = {"GroupId": p["GroupId"], "DomainName": name, "DomainBindingStatus": "BINDING",
                "DomainLegalStatus": "NORMAL", "DomainCNAMEStatus": "RESOLVED"}
        if shown:
            told["CertificateName"] = shown.name
            if self.tells_pem:
                told.update(CertificateBody=shown.pem, CertificatePrivateKey=shown.key)
        return told

    def do_DescribeApiGroup(self, p):
        self._group(p)
        return {"GroupId": p["GroupId"], "GroupName": "group", "Status": "NORMAL"}

    # as a program

    def told(self):
        """Everything that tests of other languages want to know."""
        def of(domains):
            return {name: {"name": c.name, "fingerprint": c.fingerprint} if c else None
                    for name, c in domains.items()}

        return {"certificates": of(self.certificates), "actions": self.actions(),
                "filed": sorted(self.filed), **{p: of(d) for p, d in self.domains.items()},
                "groups": {group: of(d) for group, d in self.groups.items()}}

    def command(self, verb, *arguments):
        if verb in ("add_domain", "add_group", "fault"):
            getattr(self, verb)(*arguments)
        elif verb == "set":
            name, value = arguments
            setattr(self, name, set(value) if isinstance(value, list) else value)
        elif verb == "forget_requests":
            self.requests.clear()
        elif verb != "told":
            raise ValueError(verb)
        return self.told()


def main():
    service = Alibaba()
    print(json.dumps({"endpoint": service.endpoint}), flush=True)
    for line in sys.stdin:
        with service._lock:
            answer = service.command(*json.loads(line))
        print(json.dumps(answer), flush=True)
    service.stop()


if __name__ == "__main__":
    main()
