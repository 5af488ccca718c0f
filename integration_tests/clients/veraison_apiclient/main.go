// Drives a Verifier's challenge-response API with Veraison's own client, unmodified: session, Evidence plain and wrapped as CMW,
// Attestation Results, refusals.
//
//	veraison_apiclient NEW_SESSION_URL CA_FILE CLIENT_CERTIFICATE_FILE CLIENT_KEY_FILE SPIFFE_ID NONCE_HEX EVIDENCE_FILE
//
// EVIDENCE_FILE: a configfs-tsm report (JSON) over the nonce. Prints one line for each step; exit code 0 when all of them went as they
// should.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/veraison/apiclient/common"
	"github.com/veraison/apiclient/verification"
)

const tsmReport = "application/vnd.veraison.tsm-report+json"

// builder hands out the Evidence of one file, the session must have the nonce `asked`.
type builder struct {
	file  string
	asked []byte
}

func (b builder) BuildEvidence(nonce []byte, accept []string) ([]byte, string, error) {
	if !strings.Contains(strings.Join(accept, " "), tsmReport) {
		return nil, "", fmt.Errorf("the Verifier does not take %s: %v", tsmReport, accept)
	}
	if !bytes.Equal(nonce, b.asked) {
		return nil, "", fmt.Errorf("the session has the nonce %x", nonce)
	}
	evidence, err := os.ReadFile(b.file)
	return evidence, tsmReport, err
}

// Names of servers are SPIFFE IDs here: the chain is verified to the CA given, and the leaf must carry exactly this URI.
func clientFor(caFile, certificateFile, keyFile, spiffeID string) (*common.Client, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no CA in " + caFile)
	}
	own, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return nil, err
	}
	verify := func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		leaf := state.PeerCertificates[0]
		if _, err := leaf.Verify(options); err != nil {
			return err
		}
		if len(leaf.URIs) != 1 || leaf.URIs[0].String() != spiffeID {
			return fmt.Errorf("the server is %v", leaf.URIs)
		}
		return nil
	}
	client := common.NewClient(nil)
	client.HTTPClient.Timeout = 30 * time.Second
	client.HTTPClient.Transport = &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, VerifyConnection: verify,
	}}
	return client, nil
}

func run(args []string) error {
	if len(args) != 7 {
		return errors.New("seven arguments are expected")
	}
	client, err := clientFor(args[1], args[2], args[3], args[4])
	if err != nil {
		return err
	}
	nonce, err := hex.DecodeString(args[5])
	if err != nil {
		return err
	}
	config := func(asked []byte, wrap verification.CmwWrap) verification.ChallengeResponseConfig {
		return verification.ChallengeResponseConfig{
			Nonce: asked, EvidenceBuilder: builder{args[6], asked}, NewSessionURI: args[0], Client: client, DeleteSession: true, Wrap: wrap,
		}
	}
	for _, wrap := range []verification.CmwWrap{verification.NoWrap, verification.WrapJSON, verification.WrapCBOR} {
		result, err := config(nonce, wrap).Run()
		if err != nil {
			return fmt.Errorf("wrap %d: %w", wrap, err)
		}
		var jws string
		if err := json.Unmarshal(result, &jws); err != nil || strings.Count(jws, ".") != 2 {
			return fmt.Errorf("wrap %d: the result is no JWS: %s", wrap, result)
		}
		fmt.Println("results", jws)
	}
	other := append([]byte{^nonce[0]}, nonce[1:]...)
	if _, err := config(other, verification.NoWrap).Run(); err == nil || !strings.Contains(err.Error(), "403") {
		return fmt.Errorf("Evidence over another nonce was not refused: %v", err)
	}
	fmt.Println("refused Evidence over another nonce")
	if _, err := config([]byte{1, 2, 3}, verification.NoWrap).Run(); err == nil || !strings.Contains(err.Error(), "400") {
		return fmt.Errorf("a nonce of three bytes was not refused: %v", err)
	}
	fmt.Println("refused a short nonce")
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "veraison_apiclient:", err)
		os.Exit(1)
	}
}
