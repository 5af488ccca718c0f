package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"twi/integration_tests/clients/go/twiv1"
)

type terms struct{ rpID, target, workloadIdentifier string }

// acquisition is one attempt by mechanism B: a TLS key, a Credential Key and its request, and the two services seen through that TLS key.
type acquisition struct {
	verifier  twiv1.VerifierClient
	authority twiv1.CredentialAuthorityClient
	terms     terms
	chip      *developmentChip
	image     []byte
	key       *ecdsa.PrivateKey
	csr       []byte
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

func newAcquisition(c *client, identity *tls.Certificate, image []byte) (*acquisition, error) {
	verifier, err := c.dialVerifier(identity, "verifier")
	if err != nil {
		return nil, err
	}
	authority, err := dial(c.authority, c.service("credential-authority"), c.services, identity)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return &acquisition{twiv1.NewVerifierClient(verifier), twiv1.NewCredentialAuthorityClient(authority), c.terms, c.chip, image, key, csr}, nil
}

func (a *acquisition) challenge() ([]byte, error) {
	ctx, cancel := within()
	defer cancel()
	response, err := a.verifier.NewChallenge(ctx, &twiv1.NewChallengeRequest{})
	return response.GetNonce(), err
}

func (a *acquisition) binding(nonce []byte) *twiv1.Binding {
	return &twiv1.Binding{Profile: twiv1.BindingProfile_BINDING_PROFILE_TACRA_2, Nonce: nonce, Target: a.terms.target, RpId: a.terms.rpID, Subject: a.csr}
}

// bindingValue is what Evidence must carry: proto/twi/v1/evidence.proto, BINDING_PROFILE_TACRA_2, the 64 bytes of SNP.
func bindingValue(b *twiv1.Binding) [64]byte {
	var input []byte
	for _, part := range [][]byte{b.GetNonce(), []byte(b.GetTarget()), []byte(b.GetRpId()), b.GetSubject()} {
		input = append(binary.BigEndian.AppendUint32(input, uint32(len(part))), part...)
	}
	return sha512.Sum512(input)
}

// appraise sends Evidence made over attested; it is refused where that is another Binding than the one sent.
func (a *acquisition) appraise(sent, attested *twiv1.Binding) (string, error) {
	report, err := a.chip.report(bindingValue(attested), a.image)
	if err != nil {
		return "", err
	}
	ctx, cancel := within()
	defer cancel()
	evidence := &twiv1.Evidence{Format: &twiv1.Evidence_SevSnp{SevSnp: &twiv1.SnpEvidence{Report: report, Certificates: a.chip.certificates}}}
	response, err := a.verifier.Appraise(ctx, &twiv1.AppraiseRequest{Evidence: evidence, Binding: sent})
	return response.GetAttestationResults(), err
}

func (a *acquisition) issue(results string, binding *twiv1.Binding) (*twiv1.WorkloadCredential, error) {
	ctx, cancel := within()
	defer cancel()
	response, err := a.authority.IssueFromResults(ctx, &twiv1.IssueFromResultsRequest{AttestationResults: results, Binding: binding})
	return response.GetCredential(), err
}

// checkCredential validates the chain against anchors with Go's own X.509, and that both forms carry our key and the Workload Identifier.
func checkCredential(credential *twiv1.WorkloadCredential, key *ecdsa.PublicKey, terms terms, anchors *x509.CertPool) (*x509.Certificate, error) {
	intermediates := x509.NewCertPool()
	var leaf *x509.Certificate
	for i, der := range credential.GetX509Chain() {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			leaf = certificate
		} else {
			intermediates.AddCert(certificate)
		}
	}
	if leaf == nil {
		return nil, errors.New("no certificate")
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: intermediates, KeyUsages: usages}); err != nil {
		return nil, err
	}
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != terms.workloadIdentifier {
		return nil, fmt.Errorf("X.509: %v", leaf.URIs)
	}
	if !key.Equal(leaf.PublicKey) {
		return nil, errors.New("X.509: another key")
	}
	return leaf, checkWIT(credential, key, terms)
}

type jwk struct{ Kid, X, Y string }

func (k jwk) key() (*ecdsa.PublicKey, error) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	return &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}, errors.Join(errX, errY)
}

func checkWIT(credential *twiv1.WorkloadCredential, key *ecdsa.PublicKey, terms terms) error {
	parts := strings.Split(credential.GetWit(), ".")
	if len(parts) != 3 {
		return errors.New("WIT: not a JWS")
	}
	var head struct{ Alg, Kid, Typ string }
	var claims struct {
		Sub string
		Cnf struct{ Jwk jwk }
	}
	var bundle struct{ Keys []jwk }
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err = errors.Join(err, decode(parts[0], &head), decode(parts[1], &claims), json.Unmarshal([]byte(credential.GetWitBundle()), &bundle)); err != nil {
		return err
	}
	if head.Alg != "ES256" || head.Typ != "wit+jwt" || len(signature) != 64 {
		return fmt.Errorf("WIT: header %+v", head)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	verified := false
	for _, candidate := range bundle.Keys {
		signer, err := candidate.key()
		if candidate.Kid == head.Kid && err == nil {
			verified = ecdsa.Verify(signer, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	}
	bound, err := claims.Cnf.Jwk.key()
	if !verified || err != nil || !bound.Equal(key) || claims.Sub != terms.workloadIdentifier {
		return fmt.Errorf("WIT: signature %v, sub %s, or another key", verified, claims.Sub)
	}
	return nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return errors.Join(err, json.Unmarshal(text, into))
}
