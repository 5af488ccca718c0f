"""Mechanism B step by step: attest to the Verifier, take its Attestation Results to the Credential Authority."""
import base64
import dataclasses
import hashlib
import json

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

import channel
from proto.twi.v1 import credential_authority_pb2, credential_authority_pb2_grpc
from proto.twi.v1 import evidence_pb2, verifier_pb2, verifier_pb2_grpc

TIMEOUT = 10  # seconds, of each call


@dataclasses.dataclass
class Terms:
    rp_id: str
    target: str
    workload_identifier: str


def binding_value(binding):
    """What Evidence must carry: proto/twi/v1/evidence.proto, BINDING_PROFILE_TACRA_2. 64 bytes (SNP)."""
    parts = [binding.nonce, binding.target.encode(), binding.rp_id.encode(), binding.subject]
    return hashlib.sha512(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()


class Acquisition:
    """One attempt: a TLS key, a Credential Key and its request, and the two services seen through that TLS key."""

    def __init__(self, verifier, authority, terms, chip, image):
        """verifier, authority: channels of one and the same TLS identity."""
        self.verifier = verifier_pb2_grpc.VerifierStub(verifier)
        self.authority = credential_authority_pb2_grpc.CredentialAuthorityStub(authority)
        self.terms, self.chip, self.image = terms, chip, image
        self.key = channel.new_key()
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(self.key, hashes.SHA256())
        self.csr = request.public_bytes(serialization.Encoding.DER)

    def challenge(self):
        return self.verifier.NewChallenge(evidence_pb2.NewChallengeRequest(), timeout=TIMEOUT).nonce

    def binding(self, nonce):
        return evidence_pb2.Binding(profile=evidence_pb2.BINDING_PROFILE_TACRA_2, nonce=nonce, target=self.terms.target,
                                    rp_id=self.terms.rp_id, subject=self.csr)

    def appraise(self, binding, attested=None):
        """attested: the Binding that the Evidence is made over, where it is another than the one sent (to be refused)."""
        report = self.chip.report(binding_value(attested or binding), self.image)
        evidence = evidence_pb2.Evidence(
            sev_snp=evidence_pb2.SnpEvidence(report=report, certificates=self.chip.certificates))
        request = verifier_pb2.AppraiseRequest(evidence=evidence, binding=binding)
        return self.verifier.Appraise(request, timeout=TIMEOUT).attestation_results

    def issue(self, attestation_results, binding):
        request = credential_authority_pb2.IssueFromResultsRequest(attestation_results=attestation_results,
                                                                   binding=binding)
        return self.authority.IssueFromResults(request, timeout=TIMEOUT).credential


def check_credential(credential, key, terms, anchors_pem):
    """Raises unless the X.509 chain ends in an anchor, and both forms carry our key and the Workload Identifier."""
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    chain = [x509.load_der_x509_certificate(der) for der in credential.x509_chain]
    leaf = chain[0]
    anchors = [x509.load_pem_x509_certificate(b"-----BEGIN CERTIFICATE-----" + part)
               for part in anchors_pem.split(b"-----BEGIN CERTIFICATE-----")[1:]]
    for child, issuer in zip(chain, chain[1:]):
        _check_signed_by(child, issuer)
    last = chain[-1]
    _check_signed_by(last, next(a for a in anchors if a.subject == last.issuer))
    assert leaf.public_key().public_bytes(*spki) == key.public_key().public_bytes(*spki), "X.509: another key"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [terms.workload_identifier], f"X.509: {uris}"
    claims = check_wit(credential.wit, json.loads(credential.wit_bundle))
    assert claims["sub"] == terms.workload_identifier, f"WIT: {claims['sub']}"
    numbers = key.public_key().public_numbers()
    bound = claims["cnf"]["jwk"]
    assert (_number(bound["x"]), _number(bound["y"])) == (numbers.x, numbers.y), "WIT: another key"
    return leaf


def check_wit(wit, bundle):
    head, body, signature = (_base64(part) for part in wit.split("."))
    kid = json.loads(head)["kid"]
    jwk = next(k for k in bundle["keys"] if k.get("kid") == kid)
    key = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1()).public_key()
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, wit.rsplit(".", 1)[0].encode(), ec.ECDSA(hashes.SHA256()))
    return json.loads(body)


def _check_signed_by(child, issuer):
    issuer.public_key().verify(child.signature, child.tbs_certificate_bytes, ec.ECDSA(child.signature_hash_algorithm))


def _base64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text):
    return int.from_bytes(_base64(text), "big")


def refusal(call):
    """The reason with which `call` is refused; raises when it is not."""
    try:
        call()
    except grpc.RpcError as error:
        return channel.reason(error) or f"{error.code().name} without ErrorInfo: {error.details()}"
    raise AssertionError("was not refused")
