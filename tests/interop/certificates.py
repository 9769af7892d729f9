"""Makes an authority, a server's certificate and a client's, in a folder. tests/interop/run calls it.

certificates.py <folder>. What must stay true: the leaf is no authority itself (rustls refuses one as a server), and
keys are readable by their owner only (Faregate refuses others).
"""
import datetime
import ipaddress
import os
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 30


def name_of(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def make(common, issuer=None, usage=None, names=()):
    """A key and its certificate; @issuer is such a pair, None: an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer, authority = issuer or (key, None)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder()
               .subject_name(name_of(common)).issuer_name(authority.subject if authority else name_of(common))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=DAYS))
               .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
               .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False))
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "wb") as file:
        file.write(data)


def main():
    folder = pathlib.Path(sys.argv[1])
    authority = make("interop authority")
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaves = {"ca": authority,
              "server": make("localhost", authority, ExtendedKeyUsageOID.SERVER_AUTH, local),
              "client": make("interop client", authority, ExtendedKeyUsageOID.CLIENT_AUTH, local)}
    for name, (key, certificate) in leaves.items():
        write(folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        write(folder / f"{name}.key", key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                        serialization.NoEncryption()))


main()
