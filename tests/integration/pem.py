"""What the tests want to know of keys, requests and certificates; read by python3-cryptography."""

import base64
import subprocess
import tempfile
from datetime import timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ENCODING = serialization.Encoding.PEM
PRIVATE_FORMATS = {
    "pkcs8": serialization.PrivateFormat.PKCS8,
    "traditional": serialization.PrivateFormat.TraditionalOpenSSL,  # PKCS#1 or SEC1
}


def make_key(kind="ec-p256"):
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[4:]))
    return ec.generate_private_key({"ec-p256": ec.SECP256R1(), "ec-p384": ec.SECP384R1()}[kind])


def key_pem(key, form="pkcs8"):
    return key.private_bytes(ENCODING, PRIVATE_FORMATS[form],
                             serialization.NoEncryption()).decode()


def public_pem(key):
    return key.public_bytes(ENCODING, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def kind_of(public_key):
    if isinstance(public_key, rsa.RSAPublicKey):
        return f"rsa-{public_key.key_size}"
    return {"secp256r1": "ec-p256", "secp384r1": "ec-p384"}[public_key.curve.name]


def load_key(text):
    return serialization.load_pem_private_key(text.encode(), None)


def make_csr(key, names, *, subject=None):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else []))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(ENCODING).decode()


def load_csr(text):
    return x509.load_pem_x509_csr(text.encode())


def load(text):
    """The first certificate of a PEM text."""
    return x509.load_pem_x509_certificate(text.encode())


def fingerprint(text):
    return load(text).fingerprint(hashes.SHA256()).hex()


def blocks(text):
    """The PEM blocks of a text, each with its final newline."""
    end = "-----END CERTIFICATE-----\n"
    return [block + end for block in text.split(end)[:-1]]


def names_of(certificate_or_csr):
    san = certificate_or_csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(san.get_values_for_type(x509.DNSName)
                  + [str(ip) for ip in san.get_values_for_type(x509.IPAddress)])


def common_name(certificate):
    [attribute] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return attribute.value


def start_of(certificate):
    """Seconds since 1970."""
    try:
        return certificate.not_valid_before_utc.timestamp()
    except AttributeError:  # python3-cryptography before 42
        return certificate.not_valid_before.replace(tzinfo=timezone.utc).timestamp()


def expiry_of(certificate):
    """Seconds since 1970."""
    try:
        return certificate.not_valid_after_utc.timestamp()
    except AttributeError:  # python3-cryptography before 42
        return certificate.not_valid_after.replace(tzinfo=timezone.utc).timestamp()


def pkcs12(key, leaf, chain, password, *options):
    """A file as openssl writes it, in base64; options are openssl's."""
    with tempfile.NamedTemporaryFile("w") as certificates:
        certificates.write(leaf + chain)
        certificates.flush()
        done = subprocess.run(
            ["openssl", "pkcs12", "-export", "-inkey", "/dev/stdin", "-in", certificates.name,
             "-passout", f"pass:{password}", *options],
            input=key_pem(key).encode(), check=True, capture_output=True)
    return base64.b64encode(done.stdout).decode()


def verify(folder, root, fullchain):
    """openssl's word that the chain leads to root."""
    (folder / "root.pem").write_text(root)
    (folder / "fullchain.pem").write_text(fullchain)
    subprocess.run(["openssl", "verify", "-CAfile", folder / "root.pem", "-untrusted",
                    folder / "fullchain.pem", folder / "fullchain.pem"],
                   check=True, capture_output=True)
