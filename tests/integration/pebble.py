"""Pebble, the ACME test server, and pebble-challtestsrv, its DNS, on loopback ports."""

import http.client
import json
import os
import re
import ssl
import subprocess
import urllib.request
from pathlib import Path

from process import Process, free_dns_port, free_port, until

# Without these Pebble sleeps before each validation, refuses nonces and reuses authorizations at
# random, which a test switches on where it is about that.
CALM = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}

# The one that Debian stable packages, and the newest that Debian has, of tests/newest_pebble.sh.
VERSIONS = ("debian", "newest")
# The one for tests that do not say: `PEBBLE=newest ./dev test` tries everything with the other.
USUAL = os.environ.get("PEBBLE", "debian")
NEWEST = Path(__file__).resolve().parents[2] / "build/pebble/newest/usr/bin"


def program(name, version="debian"):
    """What to start for pebble or pebble-challtestsrv."""
    assert version in VERSIONS, version
    if version == "debian":
        return name
    if not (NEWEST / name).exists():
        raise RuntimeError(f"the newest Pebble is not in {NEWEST}: `tests/newest_pebble.sh "
                           "build/pebble` gets it from Debian unstable, or says why it cannot")
    return str(NEWEST / name)


def make_server_certificate(folder):
    """A CA of the tests' own and a certificate for 127.0.0.1; returns (ca, certificate, key)."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    certificate, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    # Python from 3.13 on holds certificates to RFC 5280 by the letter.
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n"
                          "basicConstraints=critical,CA:FALSE\n"
                          "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                          "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    openssl("req", "-x509", *new_key, "-days", 2, "-subj", "/CN=tests' CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", ca_key, "-out", ca)
    openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial",
            "-days", 2, "-extfile", extensions, "-out", certificate)
    return ca, certificate, key


class Challtestsrv:
    """Mock DNS. Every name has the address 127.0.0.1 and no IPv6 one unless told otherwise."""

    def __init__(self, folder):
        self.dns_port = free_dns_port()
        self.management_port = free_port()
        self.process = Process(
            ["pebble-challtestsrv", "-management", f"127.0.0.1:{self.management_port}",
             "-dns01", f"127.0.0.1:{self.dns_port}", "-http01", "", "-https01", "",
             "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""],
            folder / "challtestsrv.log")

    def start(self):
        self.process.start()
        until(self._answers, 10, "challtestsrv answers")

    def _answers(self):
        try:
            self.call("dns-request-history", {"host": "nobody.invalid"})
            return True
        except OSError:
            return False

    def call(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=10)
        try:
            connection.request("POST", f"/{path}", json.dumps(body))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"challtestsrv {path}: {answer.status} {content!r}")
        return content

    def set_txt(self, fqdn, value):
        """Adds; a name may have several values."""
        self.call("set-txt", {"host": fqdn, "value": value})

    def clear_txt(self, fqdn):
        """Removes every value of the name: the server knows no finer way."""
        self.call("clear-txt", {"host": fqdn})

    def set_cname(self, name, target):
        self.call("set-cname", {"host": name, "target": target})

    def clear_cname(self, name):
        self.call("clear-cname", {"host": name})

    def add_caa(self, name, *records):
        """Each is (tag, value); they have no flags."""
        self.call("add-caa", {"host": name, "policies": [
            {"tag": tag, "value": value} for tag, value in records]})

    def clear_caa(self, name):
        self.call("clear-caa", {"host": name})

    def set_servfail(self, name):
        self.call("set-servfail", {"host": name})

    def clear_servfail(self, name):
        self.call("clear-servfail", {"host": name})

    def add_a(self, name, *addresses):
        self.call("add-a", {"host": name, "addresses": list(addresses)})

    def clear_a(self, name):
        self.call("clear-a", {"host": name})


class Pebble:
    """
    config adds members to Pebble's own; the newest knows retryAfter {authz, order} in seconds and
    profiles {name: {description, validityPeriod}} too. env beats CALM. strict switches on what
    Pebble will demand of clients some day.
    """

    def __init__(self, folder, dns_port, http_port, *, env=None, config=None, strict=True,
                 version=None):
        version = version or USUAL
        self.folder = folder
        self.version = version
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.management_port = free_port(), free_port()
        self.http_port, self.tls_port = http_port, free_port()
        self.ca, certificate, key = make_server_certificate(folder)
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(certificate), "privateKey": str(key),
            "httpPort": http_port, "tlsPort": self.tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": False, **(config or {})}
        path = folder / "pebble.json"
        path.write_text(json.dumps({"pebble": settings}))
        argv = [program("pebble", version), "-config", path, "-dnsserver", f"127.0.0.1:{dns_port}"]
        self.process = Process(argv + (["-strict"] if strict else []), folder / "pebble.log",
                               {**CALM, **(env or {})})
        self.tls = ssl.create_default_context(cafile=str(self.ca))

    @property
    def directory_url(self):
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def trust_bundle(self):
        return self.ca.read_text()

    def authority(self, **more):
        """The body of an authority resource for this server."""
        return {"directory_url": self.directory_url, "trust_bundle": self.trust_bundle,
                "test": True, **more}

    def start(self):
        self.process.start()
        until(self.answers, 10, "Pebble answers")

    def stop(self):
        self.process.kill()

    def restart(self):
        """A Pebble that has forgotten everything: accounts, orders and its own root."""
        self.stop()
        self.start()

    def _get(self, port, path, timeout=5):
        url = f"https://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(url, context=self.tls, timeout=timeout) as answer:
            return answer.read()

    def answers(self):
        try:
            return bool(self._get(self.port, "/dir"))
        except OSError:
            return False

    def directory(self):
        return self._get(self.port, "/dir").decode()

    def root(self, index=0):
        return self._get(self.management_port, f"/roots/{index}").decode()

    def certificate_status(self, serial):
        """{"Status": "Valid" or "Revoked", "Reason"?: number, …} of a serial in hexadecimal."""
        return json.loads(self._get(self.management_port, f"/cert-status-by-serial/{serial}"))

    def requests(self):
        """(method, path) of every request so far, the tests' own for the directory included."""
        return re.findall(r"^Pebble \S+ \S+ (\w+) (/\S*) -> calling handler", self.process.log(),
                          re.MULTILINE)

    def wedged(self):
        """Whether a request hangs: an order polled as it completes can deadlock Pebble's store."""
        try:
            self._get(self.management_port, "/cert-status-by-serial/00", timeout=3)
        except (TimeoutError, ssl.SSLError):
            return True
        except OSError as e:
            return isinstance(getattr(e, "reason", None), TimeoutError)
        return False
