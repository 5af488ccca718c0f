package kubernetes

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaries is the folder services/ of a build (TWI_BIN); without it this test cannot ask the daemons.
func binaries(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("TWI_BIN")
	if folder == "" {
		t.Skip("TWI_BIN names no built daemons")
	}
	return folder
}

func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// node lays out what the pod would see: the ConfigMap's files, a Secret with certificate and key, a root key, a store; paths in the config are moved there.
func node(t *testing.T, pki, service string, data map[string]string) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "twi-node.") // t.TempDir is too long for the path of a Unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	for _, file := range []string{"config", "tls", "metrics", "issuing", "keys", "lib", "trust", "run", "provisioned"} {
		if err := os.MkdirAll(filepath.Join(folder, file), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range map[string]string{"tls.crt": service + ".pem", "tls.key": service + ".key.pem", "ca.crt": "ca.pem"} {
		if service != "workload-agent" {
			write(t, filepath.Join(folder, "tls", to), []byte(read(t, filepath.Join(pki, "tls", from))))
		}
		write(t, filepath.Join(folder, "metrics", to), []byte(read(t, filepath.Join(pki, "tls", strings.Replace(from, service, "verifier", 1)))))
	}
	for to, from := range map[string]string{"tls.key": "ca.key.pem", "tls.crt": "ca.pem"} { // as an issuing key: any P-256 key of an authority
		write(t, filepath.Join(folder, "issuing", to), []byte(read(t, filepath.Join(pki, "tls", from))))
	}
	key := make([]byte, 32)
	rand.Read(key)
	write(t, filepath.Join(folder, "keys/root.key"), key)
	for _, file := range []string{"ca.crt", "credential-bundle.pem"} {
		write(t, filepath.Join(folder, "trust", file), []byte(read(t, filepath.Join(pki, "tls/ca.pem"))))
	}
	for name, text := range data {
		for from, to := range map[string]string{"/etc/twi/config": "config", "/etc/twi/tls": "tls", "/etc/twi/metrics": "metrics", "/etc/twi/issuing": "issuing", "/etc/twi/keys": "keys", "/var/lib/twi": "lib", "/etc/twi/trust": "trust", "/run/twi": "run", "/etc/twi/provisioned": "provisioned"} {
			text = strings.ReplaceAll(text, from, filepath.Join(folder, to))
		}
		write(t, filepath.Join(folder, "config", name), []byte(text))
	}
	return filepath.Join(folder, "config", strings.ReplaceAll(service, "-", "_")+".yaml")
}

// TestDaemonsTakeTheirConfigs: what stands in the ConfigMaps passes the real programs' --check-config, for every set of mechanisms; and a broken one does not.
func TestDaemonsTakeTheirConfigs(t *testing.T) {
	bin := binaries(t)
	pki := filepath.Join(t.TempDir(), "pki")
	twictl := filepath.Join(bin, "twictl/twictl")
	if out, err := run(t, twictl, "dev-pki", "--out", pki, "--owner", "payroll"); err != nil {
		t.Fatal(out)
	}
	signed := filepath.Join(t.TempDir(), "payroll.jws")
	policy := filepath.Join(root(t), "config/policies/payroll.yaml")
	if out, err := run(t, twictl, "policy", "sign", "--policy", policy, "--key", filepath.Join(pki, "owners/payroll.key.pem"), "--out", signed); err != nil {
		t.Fatal(out)
	}
	base := readValues(t, "deploy/kubernetes/values.yaml")
	owner := base["claimsMapper"].(values)["owners"].([]any)[0].(values)
	base = set(base, "claimsMapper.owners", []any{set(owner, "publicKey", read(t, filepath.Join(pki, "owners/payroll.pub.pem")))})
	base = set(base, "claimsMapper.policies", values{"payroll.jws": read(t, signed)})
	base = set(base, "verifier.attestationKeys", values{"node-1": read(t, filepath.Join(pki, "owners/payroll.pub.pem"))})
	base = set(base, "verifier.config", values{"results_lifetime": "2m", "server": values{"max_concurrent_requests": 512}})
	base = withMetrics(withRest(base, true))
	check := func(what, service string, data map[string]string, good bool) {
		t.Helper()
		program := strings.ReplaceAll(service, "-", "_")
		out, err := run(t, filepath.Join(bin, program, program), "--config", node(t, pki, service, data), "--check-config")
		if (err == nil) != good {
			t.Errorf("%s: --check-config of %s: %v: %s", what, service, err, out)
		}
	}
	for _, mechanisms := range everySet("ABCD") {
		o := renderObjects(t, loadChart(t, "twi"), "twi", "twi", set(base, "mechanisms", split(mechanisms)))
		for _, m := range o.configMaps {
			service := m.Labels["app.kubernetes.io/name"]
			check(mechanisms, service, m.Data, true)
			if mechanisms == "ABCD" {
				broken := map[string]string{}
				for name, text := range m.Data {
					broken[name] = text
				}
				program := strings.ReplaceAll(service, "-", "_") + ".yaml"
				broken[program] = strings.Replace(broken[program], "issuer:", "isuer:", 1)
				broken[program] = strings.Replace(broken[program], "rp_id:", "rpid:", 1)
				check("broken", service, broken, false)
			}
		}
	}
	for name, v := range map[string]values{
		"an issuing key": set(base, "credentialAuthority.issuingKeySecret", "twi-issuing"),
		"IPv6":           set(base, "listenAddress", "[::]"),
		"REST, unmapped": withRest(base, false),
	} {
		for _, m := range renderObjects(t, loadChart(t, "twi"), "twi", "twi", v).configMaps {
			check(name, m.Labels["app.kubernetes.io/name"], m.Data, true)
		}
	}
	for _, mechanism := range []string{"A", "B", "C", "D"} {
		o := renderObjects(t, loadTeam(t), "payroll", "payroll", agentValues(mechanism))
		check("agent "+mechanism, "workload-agent", o.configMaps[0].Data, true)
		o = renderObjects(t, loadTeam(t), "payroll", "payroll", agentMetrics(agentValues(mechanism)))
		check("agent with metrics "+mechanism, "workload-agent", o.configMaps[0].Data, true)
	}
	for _, example := range []string{"vtpm", "sev-snp-node", "confidential-pod"} {
		o := renderObjects(t, loadTeam(t), "payroll", "payroll", readValues(t, "deploy/helm/examples/payroll/"+example+".yaml"))
		check(example, "workload-agent", o.configMaps[0].Data, true)
	}
}
