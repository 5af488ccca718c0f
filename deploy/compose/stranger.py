#!/usr/bin/python3
"""A client that TWI must refuse, for record_alerts.py: the one of integration_tests/clients/python, which uses Attestation Results twice, changes a bit of an Attestation Report's signature, or calls
what is not for workloads. Its folder and that of the stubs (made as ../../integration_tests/clients/run.sh does it) must be on PYTHONPATH, and the interpreter Debian's, which sees Debian's grpcio.

    stranger.py replay|forge|trespass [--every SECONDS] FLAGS OF client.py

Ends with 0 when it was refused for the reason that it should be; with --every it goes on until it is ended.
"""
import argparse
import sys
import time

import acquire
import client


class Forger:
    """A chip whose reports have one bit of the signature changed."""

    def __init__(self, chip):
        self.chip, self.certificates = chip, chip.certificates

    def report(self, report_data, image):
        report = bytearray(self.chip.report(report_data, image))
        report[0x2A0] ^= 1
        return bytes(report)


def replay(who):
    return who.results_used_twice()


def forge(who):
    attempt = who.attempt()
    attempt.chip = Forger(attempt.chip)
    return acquire.refusal(lambda: attempt.appraise(attempt.binding(attempt.challenge()))), "EVIDENCE_SIGNATURE_INVALID"


def trespass(who):
    return who.an_rpc_that_is_not_for_workloads()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("deed", choices=["replay", "forge", "trespass"])
    parser.add_argument("--every", type=float)
    for name in ("verifier", "credential-authority", "trust-bundle", "credential-bundle", "dev-snp", "image"):
        parser.add_argument("--" + name, required=True)
    parser.set_defaults(trust_domain="example.org", rp_id="https://credential-authority.example.org", target="https://db.example.org", workload_identifier="spiffe://example.org/payroll/worker")
    flags = parser.parse_args()
    while True:
        seen, expected = globals()[flags.deed](client.Client(flags))
        print(f"{flags.deed}: {seen}", flush=True)
        if seen != expected:
            return 1
        if flags.every is None:
            return 0
        time.sleep(flags.every)


if __name__ == "__main__":
    sys.exit(main())
