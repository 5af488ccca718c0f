package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// attestedKey makes a TLS identity for one acquisition: a fresh key in a self-signed certificate, nothing else.
func attestedKey() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// dial opens a channel to the service whose certificate chains to anchors and carries exactly the SPIFFE ID; identity nil: without a certificate of ours.
func dial(address, spiffeID string, anchors *x509.CertPool, identity *tls.Certificate) (*grpc.ClientConn, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		// crypto/tls checks DNS names and addresses only; the chain and the SPIFFE ID are checked below instead.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			intermediates := x509.NewCertPool()
			for _, certificate := range state.PeerCertificates[1:] {
				intermediates.AddCert(certificate)
			}
			leaf := state.PeerCertificates[0]
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: anchors, Intermediates: intermediates}); err != nil {
				return err
			}
			if len(leaf.URIs) != 1 || leaf.URIs[0].String() != spiffeID {
				return fmt.Errorf("the server is %v, expected %s", leaf.URIs, spiffeID)
			}
			return nil
		},
	}
	if identity != nil {
		config.Certificates = []tls.Certificate{*identity}
	}
	return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

// reasonOf returns the reason of a refusal (google.rpc.ErrorInfo), or the gRPC code where there is none.
func reasonOf(err error) string {
	answer := status.Convert(err)
	for _, detail := range answer.Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is && info.GetDomain() == "twi" {
			return info.GetReason()
		}
	}
	return answer.Code().String()
}
