"""A certification authority for tests: leaves with any names and ends, lists of revoked ones, as PEM files; keys for
tokens."""

import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def replace(path, data):
    """As a deployment does it: the old file or the new one, nothing between."""
    fresh = pathlib.Path(str(path) + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    os.replace(fresh, path)


def add_token_key(folder, from_s):
    """A key that signs access tokens from then on."""
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with open(os.open(folder / f"{from_s}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(pem)


class Leaf:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key
        self.serial = certificate.serial_number
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption())
        self.end = int(certificate.not_valid_after_utc.timestamp())

    def write(self, folder, name):
        """(certificate file, key file)."""
        paths = [pathlib.Path(folder, name + ".pem"), pathlib.Path(folder, name + ".key")]
        replace(paths[0], self.pem)
        replace(paths[1], self.key_pem)
        return [str(path) for path in paths]


class Authority:
    def __init__(self, name="Test CA"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.now = datetime.datetime.now(datetime.timezone.utc)
        self.certificate = self._sign(self._builder(self.name, self.key, -DAY, 30 * DAY)
                                      .add_extension(x509.BasicConstraints(ca=True, path_length=None), True))
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject, key, start, end):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(self.now + start)
                .not_valid_after(self.now + end))

    def _sign(self, builder):
        return builder.sign(self.key, hashes.SHA256())

    def leaf(self, *names, start=-DAY, end=DAY):
        """Names with "://" become URIs, the others DNS names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
        alternatives = [x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names]
        return Leaf(self._sign(self._builder(subject, key, start, end)
                               .add_extension(x509.SubjectAlternativeName(alternatives), False)), key)

    def revoked(self, *leaves):
        """The list, as PEM."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(self.now - DAY)
                   .next_update(self.now + DAY))
        for leaf in leaves:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(leaf.serial).revocation_date(self.now - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
