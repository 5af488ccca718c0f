package kubernetes

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"k8s.io/pod-security-admission/api"
)

var update = flag.Bool("update", false, "write deploy/kubernetes/twi.yaml instead of comparing it")

func expectNothing(t *testing.T, what string, wrong []string) {
	t.Helper()
	for _, line := range wrong {
		t.Errorf("%s: %s", what, line)
	}
}

// matrix: values that differ from deploy/kubernetes/values.yaml.
func matrix(t *testing.T) map[string]values {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	certManager := values{"certManager": values{"enabled": true, "issuerRef": values{"name": "twi-ca", "kind": "ClusterIssuer"}}}
	found := map[string]values{
		"base":                base,
		"cert-manager":        set(base, "certificates", certManager),
		"no network policies": set(base, "networkPolicy.enabled", false),
		"digests":             set(base, "image.digests", values{"verifier": "sha256:" + strings.Repeat("0a", 32)}),
		"long drain":          set(set(base, "drain.drainSeconds", 120), "drain.preStopSeconds", 30),
		"placement": set(set(set(base, "nodeSelector", values{"tee": "yes"}), "priorityClassName", "system-cluster-critical"), "tolerations",
			[]any{values{"key": "tee", "operator": "Exists"}}),
		"storage":           set(set(base, "storage", values{"size": "10Gi", "storageClassName": "fast", "accessModes": []any{"ReadWriteOncePod"}}), "keyStore.storage", values{"size": "2Gi"}),
		"resources":         set(base, "verifier.resources", values{"limits": values{"memory": "1Gi", "cpu": "2"}}),
		"config":            set(base, "verifier.config", values{"results_lifetime": "2m", "server": values{"max_concurrent_requests": 512}}),
		"pull secrets":      set(base, "image.pullSecrets", []any{values{"name": "registry"}}),
		"owners by address": set(base, "networkPolicy.owners", []any{values{"ipBlock": values{"cidr": "10.0.0.0/8"}}}),
		"no owners":         set(base, "networkPolicy.owners", []any{}),
		"no owners, D":      set(set(base, "networkPolicy.owners", []any{}), "mechanisms", split("D")),
		"REST":              withRest(base),
	}
	for _, mechanisms := range everySet("ABCD") {
		found["mechanisms "+mechanisms] = set(base, "mechanisms", split(mechanisms))
	}
	return found
}

// withRest: the Verifier's REST front for one relying party, which calls from pods `app: gateway` of the namespace twi-owners.
func withRest(base values) values {
	peer := values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": "twi-owners"}}, "podSelector": values{"matchLabels": values{"app": "gateway"}}}
	v := set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://gateway.example.org", "spiffeId": "spiffe://example.org/gateway"}})
	return set(v, "networkPolicy.relyingParties", []any{peer})
}

func TestChartRendersToWhatKubernetesTakes(t *testing.T) {
	for name, v := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			o := renderObjects(t, loadChart(t, "twi"), "twi", "twi", v)
			services := 3
			if slices.Contains(v["mechanisms"].([]any), any("D")) {
				services = 4
			}
			if len(o.statefulSets) != services || len(o.budgets) != services || len(o.services) != services || len(o.deployments) != 0 {
				t.Errorf("%d StatefulSets, %d budgets, %d Services, expected %d", len(o.statefulSets), len(o.budgets), len(o.services), services)
			}
			expectNothing(t, "Pod Security", podSecurity(o, api.LevelRestricted))
			expectNothing(t, "hardening", hardening(o))
			expectNothing(t, "daemons", daemons(o))
			if strings.Contains(name, "cert-manager") != (len(o.certificates) == services) {
				t.Errorf("%d certificates", len(o.certificates))
			}
			for _, c := range o.certificates {
				service := c.Labels["app.kubernetes.io/name"]
				if !slices.Equal(c.Spec.URIs, []string{"spiffe://example.org/twi/" + service}) || c.Spec.PrivateKey.Encoding != "PKCS8" || len(c.Spec.DNSNames) > 0 || c.Spec.CommonName != "" {
					t.Errorf("certificate of %s: %+v", service, c.Spec)
				}
			}
			if strings.Contains(name, "network") == (len(o.policies) > 0) {
				t.Errorf("%d network policies", len(o.policies))
			}
			for _, s := range o.services {
				if rest := s.Labels["app.kubernetes.io/name"] == "verifier" && name == "REST"; rest != (len(s.Spec.Ports) == 2) {
					t.Errorf("Service %s has %d ports", s.Name, len(s.Spec.Ports))
				}
			}
			for _, said := range []string{"twictl trust-bundle", "kubectl label namespace", "root"} {
				if !strings.Contains(o.notes, said) {
					t.Errorf("NOTES.txt does not say %q", said)
				}
			}
		})
	}
}

func TestAChangedConfigRollsThePods(t *testing.T) {
	var all []*objects
	for _, v := range matrix(t) {
		all = append(all, renderObjects(t, loadChart(t, "twi"), "twi", "twi", v))
	}
	for i, one := range all {
		for _, other := range all[i:] {
			expectNothing(t, "roll-out", rolls(one, other))
		}
	}
}

func TestRefusesValuesThatMakeNoWorkingSystem(t *testing.T) {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	for _, c := range []struct {
		name, says string
		v          values
	}{
		{"nothing set", "trustDomain", values{}},
		{"an unknown key", "replicas", set(base, "replicas", 3)},
		{"a misspelt key inside", "additional", set(base, "verifier.evidencepolicy", values{"id": "x"})},
		{"an unknown mechanism", "mechanisms", set(base, "mechanisms", []any{"E"})},
		{"no mechanism", "mechanisms", set(base, "mechanisms", []any{})},
		{"D without the Key Store's rp_id", "rpIds.keyStore is required", set(base, "rpIds.keyStore", "")},
		{"no root key", "rootKeys.verifier is required", set(base, "rootKeys.verifier", "")},
		{"no certificate", "certificates.secrets.keyStore is required", set(base, "certificates.secrets.keyStore", "")},
		{"cert-manager without issuer", "issuerRef.name is required", set(base, "certificates", values{"certManager": values{"enabled": true}})},
		{"no owner", "owners", set(base, "claimsMapper.owners", []any{})},
		{"no evidence policy", "id", set(base, "verifier.evidencePolicy", values{})},
		{"a digest that is none", "digests", set(base, "image.digests", values{"verifier": "latest"})},
		{"an owner of another trust domain", "outside the trust domain", set(base, "claimsMapper.owners", []any{values{"name": "x", "publicKey": "-----BEGIN PUBLIC KEY-----", "identifierPrefixes": []any{"spiffe://other.org/x/"}}})},
		{"a private key as an owner's", "publicKey", set(base, "claimsMapper.owners", []any{values{"name": "x", "publicKey": "-----BEGIN PRIVATE KEY-----", "identifierPrefixes": []any{"spiffe://example.org/x/"}}})},
		{"a store that two nodes may write", "accessModes", set(base, "storage.accessModes", []any{"ReadWriteMany"})},
		{"a relying party without a SPIFFE ID", "spiffeId", set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://gateway.example.org"}})},
		{"a peer that is everybody", "relyingParties", set(base, "networkPolicy.relyingParties", []any{values{}})},
	} {
		_, err := render(loadChart(t, "twi"), "twi", "twi", c.v)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected an error that says %q", c.name, err, c.says)
		}
	}
}

func TestAgentInATeamsOwnChart(t *testing.T) {
	for _, mechanism := range []string{"A", "B", "C", "D"} {
		o := renderObjects(t, loadTeam(t), "payroll", "payroll", agentValues(mechanism))
		expectNothing(t, mechanism, podSecurity(o, api.LevelRestricted))
		expectNothing(t, mechanism, hardening(o))
		expectNothing(t, mechanism, sidecar(o.pods()[0], "/run/twi"))
		if len(o.configMaps) != 1 || len(o.policies) != 1 {
			t.Errorf("%s: %d ConfigMaps, %d policies", mechanism, len(o.configMaps), len(o.policies))
		}
	}
	template, err := os.ReadFile(filepath.Join(root(t), "deploy/helm/examples/payroll/templates/deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(template), `include "twi.`); lines != 3 {
		t.Errorf("the team's template has %d lines of ours, promised are three", lines)
	}
}

func TestRefusesAgentValues(t *testing.T) {
	for _, c := range []struct {
		name, says string
		v          values
	}{
		{"no attester", "attester", values{}},
		{"two attesters", "attester", set(agentValues("B"), "twi-agent.attester.sev_snp", values{})},
		{"D without a key", "provisioned.keyId", set(agentValues("D"), "twi-agent.provisioned.keyId", "")},
		{"a foreign identifier", "outside the trust domain", set(agentValues("B"), "twi-agent.workloadIdentifier", "spiffe://other.org/x")},
		{"a private key in a Secret", "additional", set(agentValues("B"), "twi-agent.credentialSecret", "x")},
	} {
		_, err := render(loadTeam(t), "payroll", "payroll", c.v)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
			t.Errorf("%s: %v, expected an error that says %q", c.name, err, c.says)
		}
	}
}

// Each example says what it costs: what Pod Security objects to is exactly what its file explains.
func TestExamples(t *testing.T) {
	for name, objections := range map[string][]string{
		"vtpm":             nil,
		"sev-snp-node":     {"hostPath", "DAC_OVERRIDE", "runAsNonRoot", "runAsUser=0"},
		"confidential-pod": {"hostPath", "DAC_OVERRIDE", "runAsNonRoot", "runAsUser=0"},
	} {
		o := renderObjects(t, loadTeam(t), "payroll", "payroll", readValues(t, "deploy/helm/examples/payroll/"+name+".yaml"))
		expectNothing(t, name, hardening(o))
		expectNothing(t, name, sidecar(o.pods()[0], "/run/twi"))
		said := strings.Join(podSecurity(o, api.LevelRestricted), "\n")
		if (said == "") != (objections == nil) {
			t.Errorf("%s: Pod Security says %q", name, said)
		}
		for _, objection := range objections {
			if !strings.Contains(said, objection) {
				t.Errorf("%s: Pod Security does not object to %s: %s", name, objection, said)
			}
		}
		for _, other := range []string{"allowPrivilegeEscalation", "seccompProfile", "hostNetwork", "privileged (", "hostPort"} {
			if strings.Contains(said, other) {
				t.Errorf("%s: Pod Security objects to %s too: %s", name, other, said)
			}
		}
		if class := o.deployments[0].Spec.Template.Spec.RuntimeClassName; (class != nil) != (name == "confidential-pod") {
			t.Errorf("%s: runtime class %v", name, class)
		}
	}
}

// deploy/kubernetes/twi.yaml is for those without Helm: the rendering of the values beside it.
func TestPlainManifestsAreTheRendering(t *testing.T) {
	rendered, err := render(loadChart(t, "twi"), "twi", "twi", readValues(t, "deploy/kubernetes/values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	out.WriteString("# Rendered from deploy/helm/twi with values.yaml beside this file; do not edit (README.md).\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: twi\n  labels:\n" +
		"    pod-security.kubernetes.io/enforce: restricted\n")
	for _, file := range sortedKeys(rendered) {
		if strings.HasSuffix(file, ".yaml") && !onlyComments(rendered[file]) {
			out.WriteString("---\n" + strings.TrimPrefix(strings.TrimSpace(rendered[file]), "---\n") + "\n")
		}
	}
	path := filepath.Join(root(t), "deploy/kubernetes/twi.yaml")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, out.Bytes()) {
		t.Error("deploy/kubernetes/twi.yaml is not what the chart renders: run deploy/kubernetes/test.sh --update")
	}
}

// `helm lint --strict`, by Helm's own linter.
func TestHelmLint(t *testing.T) {
	for chart, v := range map[string]values{
		"twi":       readValues(t, "deploy/kubernetes/values.yaml"),
		"twi-agent": mergedAgentValues(t),
	} {
		linted := lint.AllWithKubeVersion(filepath.Join(root(t), "deploy/helm", chart), v, "twi", &chartutil.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"})
		for _, m := range linted.Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", chart, m)
			}
		}
	}
}

// mergedAgentValues: the example's values and the attester, as the chart twi-agent alone would get them.
func mergedAgentValues(t *testing.T) values {
	v := maps.Clone(readValues(t, "deploy/helm/examples/payroll/values.yaml")["twi-agent"].(values))
	maps.Copy(v, agentValues("B")["twi-agent"].(values))
	return v
}
