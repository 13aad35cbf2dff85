"""A CA of the tests' own, for certificates that were not issued by way of ACME."""

from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

import pem

DAY = timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


class OwnCa:
    """root ► middle ► issuer ► leaves; made once, since keys take time."""

    def __init__(self):
        self.keys, self.certificates = [], []
        for n, name in enumerate(("own root", "own middle", "own issuer")):
            self.keys.append(pem.make_key())
            self.certificates.append(self._sign(name, self.keys[-1].public_key(), max(n - 1, 0),
                                                ca=True))
        self.root, self.middle, self.issuer = map(self.pem, self.certificates)
        self.chain = self.issuer + self.middle

    @staticmethod
    def pem(certificate):
        return certificate.public_bytes(pem.ENCODING).decode()

    def _sign(self, subject, public_key, by, *, names=(), ca=False, days=(-1, 90)):
        now = datetime.now(timezone.utc)
        above = self.certificates[by].subject if self.certificates else _name(subject)
        builder = (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(above)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
                   .add_extension(x509.BasicConstraints(ca, None), critical=True)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                       self.keys[by].public_key()), critical=False)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(name) for name in names]), critical=False)
        return builder.sign(self.keys[by], hashes.SHA256())

    def leaf(self, key, *names, subject=None, **how):
        """The PEM of a certificate for these names."""
        return self.pem(self._sign(subject, key.public_key(), 2, names=names, **how))
