"""certificates.py FOLDER: an authority (authority.pem), and signed by it, each with its key in one file, what a server or a client may show."""

import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def make(file, subject, host=None, begin=NOW - DAY, end=NOW + DAY, issuer=None):
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(name(issuer[0] if issuer else subject), name(subject), key.public_key(), x509.random_serial_number(), begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
    encoding = serialization.Encoding.PEM
    with open(f"{sys.argv[1]}/{file}.pem", "wb") as pem:
        pem.write(builder.sign(issuer[1] if issuer else key, hashes.SHA256()).public_bytes(encoding))
        if issuer:
            pem.write(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return subject, key


authority = make("authority", "an authority", begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
make("server", "localhost", host="localhost", issuer=authority)
make("expired", "localhost", host="localhost", begin=NOW - 3 * DAY, end=NOW - DAY, issuer=authority)
make("elsewhere", "mlflow.example", host="mlflow.example", issuer=authority)
make("client", "eve", issuer=authority)
