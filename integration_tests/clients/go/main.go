// A TWI client in Go: obtains a Workload Credential by mechanism B, and is refused where it should be. Written from proto/ and the README alone; ../run.sh makes its stubs.
package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"

	"google.golang.org/grpc"

	"twi/integration_tests/clients/go/twiv1"
)

type client struct {
	verifier, authority, trustDomain string
	services, credentials            *x509.CertPool
	chip                             *developmentChip
	image                            []byte
	terms                            terms
}

func (c *client) service(name string) string { return "spiffe://" + c.trustDomain + "/twi/" + name }

func (c *client) dialVerifier(identity *tls.Certificate, expected string) (*grpc.ClientConn, error) {
	return dial(c.verifier, c.service(expected), c.services, identity)
}

func (c *client) attempt(image []byte) (*acquisition, error) {
	identity, err := attestedKey()
	if err != nil {
		return nil, err
	}
	return newAcquisition(c, identity, image)
}

func (c *client) obtain() (string, error) {
	a, err := c.attempt(c.image)
	if err != nil {
		return "", err
	}
	binding, results, err := a.results()
	if err != nil {
		return "", err
	}
	credential, err := a.issue(results, binding)
	if err != nil {
		return "", err
	}
	leaf, err := checkCredential(credential, &a.key.PublicKey, c.terms, c.credentials)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, serial %s, until %s", c.terms.workloadIdentifier, credential.GetSerial(), leaf.NotAfter), nil
}

func (a *acquisition) results() (*twiv1.Binding, string, error) {
	nonce, err := a.challenge()
	if err != nil {
		return nil, "", err
	}
	binding := a.binding(nonce)
	results, err := a.appraise(binding, binding)
	return binding, results, err
}

// refusals: what must not work, each with the reason that the peer is told, or the gRPC code where there is no answer.
func (c *client) refusals(a, thief *acquisition) []refusal {
	return []refusal{
		{"Evidence over another nonce", "BINDING_MISMATCH", func() error {
			first, err := a.challenge()
			second, err2 := a.challenge()
			if err = errors.Join(err, err2); err == nil {
				_, err = a.appraise(a.binding(first), a.binding(second))
			}
			return err
		}},
		{"a nonce that nobody issued", "CHALLENGE_UNKNOWN", func() error {
			nonce, err := a.challenge()
			if err == nil {
				rand.Read(nonce)
				_, err = a.appraise(a.binding(nonce), a.binding(nonce))
			}
			return err
		}},
		{"a nonce of another channel", "CHALLENGE_WRONG_CHANNEL", func() error {
			nonce, err := a.challenge()
			if err == nil {
				_, err = thief.appraise(thief.binding(nonce), thief.binding(nonce))
			}
			return err
		}},
		{"Attestation Results used twice", "RESULTS_REPLAYED", func() error {
			binding, results, err := a.results()
			if err == nil {
				_, err = a.issue(results, binding)
			}
			if err != nil {
				return fmt.Errorf("the first time: %w", err)
			}
			_, err = a.issue(results, binding)
			return err
		}},
		{"Attestation Results of another channel", "RESULTS_WRONG_CHANNEL", func() error {
			binding, results, err := a.results()
			if err == nil {
				_, err = thief.issue(results, binding)
			}
			return err
		}},
		{"an RPC that is not for workloads", "PEER_NOT_ALLOWED", func() error {
			ctx, cancel := within()
			defer cancel()
			_, err := a.authority.GetIssuance(ctx, &twiv1.GetIssuanceRequest{Id: &twiv1.GetIssuanceRequest_Serial{Serial: "00"}})
			return err
		}},
		{"no certificate of ours", "Unavailable", func() error { return c.challengeBy(nil, "verifier") }},
		{"a server with another identity", "Unavailable", func() error {
			identity, err := attestedKey()
			if err == nil {
				err = c.challengeBy(identity, "key-store")
			}
			return err
		}},
	}
}

type refusal struct {
	name, reason string
	attempt      func() error
}

func (c *client) challengeBy(identity *tls.Certificate, expected string) error {
	connection, err := c.dialVerifier(identity, expected)
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := within()
	defer cancel()
	_, err = twiv1.NewVerifierClient(connection).NewChallenge(ctx, &twiv1.NewChallengeRequest{})
	return err
}

func run() error {
	c := &client{}
	var servicesFile, credentialsFile, chipDirectory, imageFile string
	flag.StringVar(&c.verifier, "verifier", "", "host:port")
	flag.StringVar(&c.authority, "credential-authority", "", "host:port")
	flag.StringVar(&servicesFile, "trust-bundle", "", "PEM anchors of the services' certificates")
	flag.StringVar(&credentialsFile, "credential-bundle", "", "PEM anchors of Workload Credentials")
	flag.StringVar(&chipDirectory, "dev-snp", "", "folder of the development chip")
	flag.StringVar(&imageFile, "image", "", "file that the development chip measures")
	flag.StringVar(&c.trustDomain, "trust-domain", "example.org", "")
	flag.StringVar(&c.terms.rpID, "rp-id", "https://credential-authority.example.org", "")
	flag.StringVar(&c.terms.target, "target", "https://db.example.org", "")
	flag.StringVar(&c.terms.workloadIdentifier, "workload-identifier", "spiffe://example.org/payroll/worker", "")
	flag.Parse()
	var err error
	if c.services, err = readAnchors(servicesFile); err != nil {
		return err
	}
	if c.credentials, err = readAnchors(credentialsFile); err != nil {
		return err
	}
	if c.chip, err = readChip(chipDirectory); err != nil {
		return err
	}
	if c.image, err = os.ReadFile(imageFile); err != nil {
		return err
	}
	obtained, err := c.obtain()
	if err != nil {
		return fmt.Errorf("no credential: %w", err)
	}
	fmt.Println("go: credential:", obtained)
	a, errA := c.attempt(c.image)
	thief, errB := c.attempt(c.image)
	changed, errC := c.attempt(append([]byte("changed "), c.image...))
	if err := errors.Join(errA, errB, errC); err != nil {
		return err
	}
	steps := append(c.refusals(a, thief), refusal{"unauthorized software", "MEASUREMENT_UNKNOWN", func() error {
		_, _, err := changed.results()
		return err
	}})
	failed := 0
	for _, step := range steps {
		err := step.attempt()
		if err == nil {
			failed++
			fmt.Printf("go: %s: was not refused\n", step.name)
		} else if seen := reasonOf(err); seen != step.reason {
			failed++
			fmt.Printf("go: %s: %s (%v), expected %s\n", step.name, seen, err, step.reason)
		} else {
			fmt.Printf("go: %s: %s\n", step.name, seen)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d refusals are not as expected", failed, len(steps))
	}
	return nil
}

func readAnchors(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return pool, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}
