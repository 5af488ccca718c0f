"""mTLS to a TWI service: who we are (a fresh self-signed key, "attested_key"), and who must answer (a SPIFFE ID)."""
import datetime

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proto.google.rpc import status_details_pb2


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(key, now):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attested key")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(),
                                      now - datetime.timedelta(minutes=5), now + datetime.timedelta(hours=1))
    return builder.sign(key, hashes.SHA256())


class AttestedKey:
    """A TLS identity for one acquisition: nothing but a key that TLS proves."""

    def __init__(self):
        key = new_key()
        self.key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption())
        self.certificate_pem = self_signed(key, datetime.datetime.utcnow()).public_bytes(serialization.Encoding.PEM)


def dial(address, spiffe_id, trust_bundle, identity):
    """identity: an AttestedKey, or None to come without a certificate.

    Server certificates carry one URI SAN and no DNS name. gRPC's core compares the name that it expects with every SAN,
    URIs too, so the expected SPIFFE ID is given as that name; in brackets, because of its colon (proto/README.md).
    """
    credentials = grpc.ssl_channel_credentials(trust_bundle, identity and identity.key_pem,
                                               identity and identity.certificate_pem)
    return grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", f"[{spiffe_id}]")])


def reason(error):
    """The reason of a refusal: google.rpc.ErrorInfo in the trailer grpc-status-details-bin. "" where there is none."""
    trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if trailer is None:
        return ""
    for detail in status_details_pb2.Status.FromString(trailer).details:
        info = status_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == "twi":
            return info.reason
    return ""
