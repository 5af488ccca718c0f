package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// DEVELOPMENT ONLY: SEV-SNP attestation reports made in software, by AMD's document 56860 (table ATTESTATION_REPORT). The folder of `twictl dev-pki --out DIR`, DIR/dev-snp, is
// the chip: vcek.key.pem signs, vcek.pem, ask.pem and ark.pem are its Endorsements. A Verifier accepts it only where its config names that ARK under insecure_dev_snp_anchor_files.
type developmentChip struct {
	key          *ecdsa.PrivateKey
	certificates [][]byte
	chipID       []byte
	tcb          [8]byte // TCB_VERSION of Milan: boot loader, TEE, four reserved, SNP, microcode
}

func readChip(directory string) (*developmentChip, error) {
	chip := &developmentChip{}
	for _, name := range []string{"vcek.pem", "ask.pem", "ark.pem"} {
		text, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return nil, err
		}
		chip.certificates = append(chip.certificates, text)
	}
	block, _ := pem.Decode(chip.certificates[0])
	if block == nil {
		return nil, fmt.Errorf("vcek.pem: no PEM")
	}
	vcek, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	// AMD 57230, table 8: the certificate carries the chip's id and the firmware levels that the report must repeat.
	for _, e := range vcek.Extensions {
		last := e.Value[len(e.Value)-1] // of a DER INTEGER 0..255
		switch e.Id.String() {
		case "1.3.6.1.4.1.3704.1.3.1":
			chip.tcb[0] = last
		case "1.3.6.1.4.1.3704.1.3.2":
			chip.tcb[1] = last
		case "1.3.6.1.4.1.3704.1.3.3":
			chip.tcb[6] = last
		case "1.3.6.1.4.1.3704.1.3.8":
			chip.tcb[7] = last
		case "1.3.6.1.4.1.3704.1.4":
			chip.chipID = e.Value
		}
	}
	text, err := os.ReadFile(filepath.Join(directory, "vcek.key.pem"))
	if err != nil {
		return nil, err
	}
	if block, _ = pem.Decode(text); block == nil {
		return nil, fmt.Errorf("vcek.key.pem: no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	var good bool
	if chip.key, good = key.(*ecdsa.PrivateKey); !good || len(chip.chipID) != 64 {
		return nil, fmt.Errorf("%s: not a development chip", directory)
	}
	return chip, nil
}

// report returns the 1184 bytes of a report of version 3; the SHA-384 of image is the measurement.
func (c *developmentChip) report(reportData [64]byte, image []byte) ([]byte, error) {
	report := make([]byte, 1184)
	le := binary.LittleEndian
	measurement := sha512.Sum384(image)
	le.PutUint32(report[0x00:], 3)
	le.PutUint64(report[0x08:], 1<<17|1<<16) // guest policy: reserved bit that is one, SMT allowed
	le.PutUint32(report[0x34:], 1)           // ECDSA P-384 with SHA-384
	le.PutUint64(report[0x40:], 1)           // platform: SMT
	copy(report[0x50:], reportData[:])
	copy(report[0x90:], measurement[:])
	for i := range 32 {
		report[0x160+i] = 0xff // no migration agent
	}
	for _, at := range []int{0x38, 0x180, 0x1E0, 0x1F0} { // current, reported, committed, launch
		copy(report[at:], c.tcb[:])
	}
	copy(report[0x188:], []byte{0x19, 0x01, 0x00}) // CPUID of Milan
	copy(report[0x1A0:], c.chipID)
	copy(report[0x1E8:], []byte{21, 55, 1, 0, 21, 55, 1}) // firmware 1.55.21, current and committed
	digest := sha512.Sum384(report[:0x2A0])
	r, s, err := ecdsa.Sign(rand.Reader, c.key, digest[:])
	if err != nil {
		return nil, err
	}
	for i, scalar := range [][]byte{r.FillBytes(make([]byte, 72)), s.FillBytes(make([]byte, 72))} {
		slices.Reverse(scalar)
		copy(report[0x2A0+72*i:], scalar)
	}
	return report, nil
}
