#!/usr/bin/env python3
"""A TWI client in Python: obtains a Workload Credential by mechanism B, and is refused where it should be.

Written from proto/ and the README alone. The stubs' folder (made by ../run.sh) must be on PYTHONPATH.
"""
import argparse
import os
import pathlib
import sys

import acquire
import channel
import dev_snp


class Client:
    def __init__(self, flags):
        self.flags = flags
        self.trust_bundle = pathlib.Path(flags.trust_bundle).read_bytes()
        self.anchors = pathlib.Path(flags.credential_bundle).read_bytes()
        self.chip = dev_snp.DevelopmentChip(flags.dev_snp)
        self.image = pathlib.Path(flags.image).read_bytes()
        self.terms = acquire.Terms(flags.rp_id, flags.target, flags.workload_identifier)

    def service(self, name):
        return f"spiffe://{self.flags.trust_domain}/twi/{name}"

    def dial_verifier(self, identity, spiffe_id=None):
        return channel.dial(self.flags.verifier, spiffe_id or self.service("verifier"), self.trust_bundle, identity)

    def attempt(self, identity=None, image=None):
        identity = identity or channel.AttestedKey()
        authority = channel.dial(self.flags.credential_authority, self.service("credential-authority"),
                                 self.trust_bundle, identity)
        return acquire.Acquisition(self.dial_verifier(identity), authority, self.terms, self.chip, image or self.image)

    def obtains_a_credential(self):
        a = self.attempt()
        binding = a.binding(a.challenge())
        credential = a.issue(a.appraise(binding), binding)
        leaf = acquire.check_credential(credential, a.key, self.terms, self.anchors)
        return f"{self.terms.workload_identifier}, serial {credential.serial}, until {leaf.not_valid_after} UTC"

    def evidence_over_another_nonce(self):
        a = self.attempt()
        binding, other = a.binding(a.challenge()), a.binding(a.challenge())
        return acquire.refusal(lambda: a.appraise(binding, attested=other)), "BINDING_MISMATCH"

    def a_nonce_that_nobody_issued(self):
        a = self.attempt()
        nonce = os.urandom(len(a.challenge()))
        return acquire.refusal(lambda: a.appraise(a.binding(nonce))), "CHALLENGE_UNKNOWN"

    def a_nonce_of_another_channel(self):
        nonce = self.attempt().challenge()
        a = self.attempt()
        return acquire.refusal(lambda: a.appraise(a.binding(nonce))), "CHALLENGE_WRONG_CHANNEL"

    def unauthorized_software(self):
        a = self.attempt(image=self.image + b" changed")
        return acquire.refusal(lambda: a.appraise(a.binding(a.challenge()))), "MEASUREMENT_UNKNOWN"

    def results_used_twice(self):
        a = self.attempt()
        binding = a.binding(a.challenge())
        results = a.appraise(binding)
        a.issue(results, binding)
        return acquire.refusal(lambda: a.issue(results, binding)), "RESULTS_REPLAYED"

    def results_of_another_channel(self):
        a, thief = self.attempt(), self.attempt()
        binding = a.binding(a.challenge())
        results = a.appraise(binding)
        return acquire.refusal(lambda: thief.issue(results, binding)), "RESULTS_WRONG_CHANNEL"

    def an_rpc_that_is_not_for_workloads(self):
        a = self.attempt()
        call = acquire.credential_authority_pb2.GetIssuanceRequest(serial="00")
        return acquire.refusal(lambda: a.authority.GetIssuance(call, timeout=acquire.TIMEOUT)), "PEER_NOT_ALLOWED"

    def no_certificate_of_ours(self):
        verifier = acquire.verifier_pb2_grpc.VerifierStub(self.dial_verifier(identity=None))
        call = acquire.evidence_pb2.NewChallengeRequest()
        return acquire.refusal(lambda: verifier.NewChallenge(call, timeout=acquire.TIMEOUT))[:11], "UNAVAILABLE"

    def a_server_with_another_identity(self):
        foreign = self.dial_verifier(channel.AttestedKey(), self.service("key-store"))
        verifier = acquire.verifier_pb2_grpc.VerifierStub(foreign)
        call = acquire.evidence_pb2.NewChallengeRequest()
        return acquire.refusal(lambda: verifier.NewChallenge(call, timeout=acquire.TIMEOUT))[:11], "UNAVAILABLE"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("verifier", "credential-authority", "trust-bundle", "credential-bundle", "dev-snp", "image"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--trust-domain", default="example.org")
    parser.add_argument("--rp-id", default="https://credential-authority.example.org")
    parser.add_argument("--target", default="https://db.example.org")
    parser.add_argument("--workload-identifier", default="spiffe://example.org/payroll/worker")
    client = Client(parser.parse_args())
    print("python: credential:", client.obtains_a_credential())
    failed = 0
    for step in (client.evidence_over_another_nonce, client.a_nonce_that_nobody_issued,
                 client.a_nonce_of_another_channel, client.unauthorized_software, client.results_used_twice,
                 client.results_of_another_channel, client.an_rpc_that_is_not_for_workloads,
                 client.no_certificate_of_ours, client.a_server_with_another_identity):
        seen, expected = step()
        failed += seen != expected
        print(f"python: {step.__name__}: {seen}" + ("" if seen == expected else f", expected {expected}"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
