"""A CA of the tests' own, what it issues, and certwright with TLS listeners."""

import datetime
import ipaddress
import socket
import ssl
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pem import ENCODING, key_pem, make_key
from process import free_port

DAY = datetime.timedelta(days=1)


class Issued:
    """A certificate and its key, in files."""

    def __init__(self, folder, name, certificate, key, chain=""):
        self.certificate = certificate
        self.key = key
        self.cert_file, self.key_file = folder / f"{name}.pem", folder / f"{name}.key"
        self.cert_file.write_text(certificate.public_bytes(ENCODING).decode() + chain)
        self.key_file.write_text(key_pem(key))


class TestCa:
    __test__ = False

    def __init__(self, folder, name="ca"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = make_key()
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"tests' {name}")])
        certificate = self._builder(self.name, self.key, 0).add_extension(
            x509.BasicConstraints(True, None), True).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False).add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), True).sign(
            self.key, hashes.SHA256())
        self.root = Issued(folder, name, certificate, self.key)

    def _builder(self, subject, key, expired_days, left=DAY * 30):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - DAY * (1 + expired_days))
                .not_valid_after(now - DAY * expired_days if expired_days else now + left))

    def issue(self, file, *names, subject="", expired=False, client=True, key=None,
              left=DAY * 30):
        """names: DNS names, addresses, URIs."""
        key = key or make_key()
        words = [x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else []
        usage = x509.ExtendedKeyUsageOID
        builder = self._builder(x509.Name(words), key, 1 if expired else 0, left).add_extension(
            x509.ExtendedKeyUsage([usage.CLIENT_AUTH if client else usage.SERVER_AUTH]),
            False).add_extension(x509.BasicConstraints(False, None), True).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([general_name(n) for n in names]), False)
        return Issued(self.folder, file, builder.sign(self.key, hashes.SHA256()), key)

    def server(self, file="server", *names):
        return self.issue(file, *(names or ("localhost", "127.0.0.1")), client=False)


def general_name(text):
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Listeners:
    """A service with the listeners of its config; `plain` and `socket` are there always."""

    def __init__(self, certwright, *items, **how):
        self.port, self.tls_port = free_port(), free_port()
        plain = f"127.0.0.1:{self.port}"
        items = [{**item, "address": item.get("address", f"127.0.0.1:{self.tls_port}")}
                 for item in items]
        sockets = [item for item in items if item["address"].startswith("unix:")]
        self.service = certwright(how.pop("pebble", None), start=False, listen=[plain, *items],
                                  **how)
        argv = self.service.process.argv
        while "--listen" in argv:
            at = argv.index("--listen")
            del argv[at:at + 2]
        self.service.port = self.service.api.port = self.port
        self.socket = sockets[0]["address"][5:] if sockets else None

    def start(self, ready=True):
        self.service.start(ready)
        return self

    @property
    def token(self):
        return self.service.api.token

    def client(self, ca=None, shown=None, **how):
        """A context for connections; without a CA what the server shows is not judged."""
        context = ssl.create_default_context(cafile=ca and str(ca.root.cert_file))
        if ca is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if shown is not None:
            context.load_cert_chain(shown.cert_file, shown.key_file)
        for name, value in how.items():
            setattr(context, name, value)
        return context

    def shown(self):
        """The certificate that new connections see, DER."""
        with socket.create_connection(("127.0.0.1", self.tls_port), timeout=20) as raw:
            with self.client().wrap_socket(raw) as connection:
                return x509.load_der_x509_certificate(connection.getpeercert(True))

    def curl(self, path, *words, ca=None, shown=None, token=False):
        """curl's exit code, the status and the body."""
        argv = ["curl", "-sS", "-m", "30", "-w", "\n%{http_code}", *map(str, words)]
        if ca is not None:
            argv += ["--cacert", str(ca.root.cert_file)]
        if shown is not None:
            argv += ["--cert", str(shown.cert_file), "--key", str(shown.key_file)]
        if token:
            argv += ["-H", f"Authorization: Bearer {self.token}"]
        done = subprocess.run([*argv, f"https://localhost:{self.tls_port}{path}"],
                              capture_output=True, text=True, timeout=60)
        body, _, status = done.stdout.rpartition("\n")
        return done.returncode, int(status), body or done.stderr
