"""DEVELOPMENT ONLY: SEV-SNP attestation reports made in software, by AMD's document 56860 (table ATTESTATION_REPORT).

The folder of `twictl dev-pki --out DIR`, DIR/dev-snp, is the chip: vcek.key.pem signs, vcek.pem, ask.pem and ark.pem are
its Endorsements. A Verifier accepts it only where its config names that ARK under insecure_dev_snp_anchor_files.
"""
import hashlib
import pathlib
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

# AMD 57230, table 8: the VCEK certificate carries the chip's id and the firmware levels that the report must repeat.
_SPL = "1.3.6.1.4.1.3704.1.3."
_HWID = "1.3.6.1.4.1.3704.1.4"


class DevelopmentChip:
    def __init__(self, directory):
        folder = pathlib.Path(directory)
        self.certificates = [(folder / name).read_bytes() for name in ("vcek.pem", "ask.pem", "ark.pem")]
        self._key = serialization.load_pem_private_key((folder / "vcek.key.pem").read_bytes(), None)
        vcek = x509.load_pem_x509_certificate(self.certificates[0])
        values = {e.oid.dotted_string: e.value.value for e in vcek.extensions if e.oid.dotted_string.startswith(_SPL[:-3])}
        self._chip_id = values[_HWID]
        level = lambda number: values[_SPL + str(number)][-1]  # a DER INTEGER 0..255: its last byte
        self._tcb = struct.pack("<BB4xBB", level(1), level(2), level(3), level(8))  # bl, tee, snp, ucode

    def report(self, report_data, image):
        """The 1184 bytes of a report of version 3: report_data 64 bytes; the SHA-384 of `image` is the measurement."""
        report = bytearray(1184)

        def put(offset, value):
            report[offset:offset + len(value)] = value

        put(0x00, struct.pack("<I", 3))
        put(0x08, struct.pack("<Q", 1 << 17 | 1 << 16))  # guest policy: reserved bit that is one, SMT allowed
        put(0x34, struct.pack("<I", 1))                  # ECDSA P-384 with SHA-384
        put(0x38, self._tcb)                             # current
        put(0x40, struct.pack("<Q", 1))                  # platform: SMT
        put(0x50, report_data)
        put(0x90, hashlib.sha384(image).digest())
        put(0x160, b"\xff" * 32)                         # no migration agent
        put(0x180, self._tcb)                            # reported
        put(0x188, bytes([0x19, 0x01, 0x00]))            # CPUID of Milan
        put(0x1A0, self._chip_id)
        put(0x1E0, self._tcb)                            # committed
        put(0x1E8, bytes([21, 55, 1, 0, 21, 55, 1]))     # firmware 1.55.21, current and committed
        put(0x1F0, self._tcb)                            # launch
        r, s = utils.decode_dss_signature(self._key.sign(bytes(report[:0x2A0]), ec.ECDSA(hashes.SHA384())))
        put(0x2A0, r.to_bytes(72, "little"))
        put(0x2A0 + 72, s.to_bytes(72, "little"))
        return bytes(report)
