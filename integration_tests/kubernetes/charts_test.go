package kubernetes

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
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
		"storage":               set(set(base, "storage", values{"size": "10Gi", "storageClassName": "fast", "accessModes": []any{"ReadWriteOncePod"}}), "keyStore.storage", values{"size": "2Gi"}),
		"resources":             set(base, "verifier.resources", values{"limits": values{"memory": "1Gi", "cpu": "2"}}),
		"config":                set(base, "verifier.config", values{"results_lifetime": "2m", "server": values{"max_concurrent_requests": 512}}),
		"pull secrets":          set(base, "image.pullSecrets", []any{values{"name": "registry"}}),
		"owners by address":     set(base, "networkPolicy.owners", []any{values{"ipBlock": values{"cidr": "10.0.0.0/8"}}}),
		"no owners":             set(base, "networkPolicy.owners", []any{}),
		"no owners, D":          set(set(base, "networkPolicy.owners", []any{}), "mechanisms", split("D")),
		"no owners, D, metrics": withMetrics(set(set(base, "networkPolicy.owners", []any{}), "mechanisms", split("D"))),
		"REST":                  withRest(base, false),
		"REST, mapped":          withRest(base, true),
		"metrics":               withMetrics(base),
		"metrics, cert-manager": withMetrics(set(base, "certificates", certManager)),
		"another issuer":        set(base, "certificates", values{"certManager": values{"enabled": true, "issuerRef": values{"name": "x", "kind": "AWSPCAClusterIssuer", "group": "awspca.cert-manager.io"}}}),
		"an issuing key":        set(base, "credentialAuthority.issuingKeySecret", "twi-issuing"),
		"no check":              set(base, "checkBeforeUpgrade", false),
		"IPv6":                  set(withRest(withMetrics(base), true), "listenAddress", "[::]"),
		"no storage class":      set(base, "storage", values{"storageClassName": ""}),
		"default storage class": set(base, "storage", values{"storageClassName": nil}),
		"imported onto nodes":   set(base, "image", values{"registry": "docker.io", "pullPolicy": "Never"}),
		"localhost":             set(base, "image.registry", "localhost:5000/mirror/a-b"),
		"a numeric domain":      set(set(base, "trustDomain", "1.50"), "claimsMapper.owners", []any{set(base["claimsMapper"].(values)["owners"].([]any)[0].(values), "identifierPrefixes", []any{"spiffe://1.50/payroll/"})}),
	}
	for _, mechanisms := range everySet("ABCD") {
		found["mechanisms "+mechanisms] = set(base, "mechanisms", split(mechanisms))
	}
	return found
}

func fromPods(namespace, app string) []any {
	return []any{values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": namespace}}, "podSelector": values{"matchLabels": values{"app": app}}}}
}

// withRest: the Verifier's REST front for one relying party, which calls from pods `app: gateway` of the namespace twi-owners; and the Claims Mapper too, or not.
func withRest(base values, mapsClaims bool) values {
	v := set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://gateway.example.org", "spiffeId": "spiffe://example.org/gateway", "mapsClaims": mapsClaims}})
	return set(v, "networkPolicy.relyingParties", fromPods("twi-owners", "gateway"))
}

// withMetrics: metrics for a scraper in pods `app: prometheus` of the namespace monitoring.
func withMetrics(base values) values {
	v := set(base, "metrics", values{"enabled": true, "secretName": "twi-metrics", "peers": []any{"spiffe://example.org/prometheus"}})
	return set(v, "networkPolicy.scrapers", fromPods("monitoring", "prometheus"))
}

func agentMetrics(base values) values {
	v := set(base, "twi-agent.metrics", values{"enabled": true, "secretName": "twi-agent-metrics", "peers": []any{"spiffe://example.org/prometheus"}})
	return set(v, "twi-agent.networkPolicy.scrapers", fromPods("monitoring", "prometheus"))
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
			for _, p := range o.pods() { // services and their checks alike
				if placed := p.spec.NodeSelector["tee"] == "yes" && p.spec.PriorityClassName == "system-cluster-critical" && len(p.spec.Tolerations) == 1; placed != (name == "placement") {
					t.Errorf("%s: placed: %v", p.name, placed)
				}
				if secrets := p.spec.ImagePullSecrets; (len(secrets) == 1 && secrets[0].Name == "registry") != (name == "pull secrets") {
					t.Errorf("%s: pull secrets %v", p.name, secrets)
				}
			}
			if name == "no check" {
				if len(o.hooks.jobs)+len(o.hooks.configMaps) > 0 {
					t.Error("there is a check all the same")
				}
				return
			}
			expectNothing(t, "daemons", daemons(o))
			if (v["certificates"].(values)["certManager"] != nil) != (len(o.certificates) == services) {
				t.Errorf("%d certificates", len(o.certificates))
			}
			for _, c := range o.certificates {
				service := c.Labels["app.kubernetes.io/name"]
				if issuer := c.Spec.IssuerRef; (name == "another issuer") != (issuer.Group == "awspca.cert-manager.io") || issuer.Group == "" {
					t.Errorf("issuer of %s: %+v", service, issuer)
				}
				if !slices.Equal(c.Spec.URIs, []string{"spiffe://example.org/twi/" + service}) || c.Spec.PrivateKey.Encoding != "PKCS8" || len(c.Spec.DNSNames) > 0 || c.Spec.CommonName != "" {
					t.Errorf("certificate of %s: %+v", service, c.Spec)
				}
			}
			for _, s := range o.statefulSets {
				class := s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName
				if expected := map[string]string{"storage": "fast", "no storage class": ""}[name]; (class != nil) != (name == "storage" || name == "no storage class") || class != nil && *class != expected {
					t.Errorf("%s: storage class %v", s.Name, class)
				}
			}
			if strings.Contains(name, "network") == (len(o.policies) > 0) {
				t.Errorf("%d network policies", len(o.policies))
			}
			for _, s := range o.services {
				expected := 1
				if s.Labels["app.kubernetes.io/name"] == "verifier" && v["verifier"].(values)["rest"] != nil {
					expected++
				}
				if v["metrics"] != nil {
					expected++
				}
				if len(s.Spec.Ports) != expected {
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

// The longest release name that Helm takes: every name and label value is one that Kubernetes takes, and the pieces still find each other.
func TestLongReleaseNames(t *testing.T) {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	for _, release := range []string{"trustworthy-workload-identity-production-eu-central-1", "production-eu-central-1-for-the-payments-department-xx", "twi", "twenty-eight-characters-long-and-a-dash"} {
		o := renderObjects(t, loadChart(t, "twi"), release, "twi", withMetrics(withRest(base, true)))
		var wrong []string
		for _, line := range slices.Concat(names(o), daemons(o)) {
			wrong = append(wrong, line)
		}
		expectNothing(t, release, wrong)
		for _, s := range o.services {
			address := s.Name + ".twi.svc:" + strconv.Itoa(ports[s.Labels["app.kubernetes.io/name"]])
			if named := func(m *corev1.ConfigMap) bool { return strings.Contains(fmt.Sprint(m.Data), address) }; !slices.ContainsFunc(o.configMaps, named) {
				t.Errorf("%s: no config names %s", release, address)
			}
		}
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
	owner := base["claimsMapper"].(values)["owners"].([]any)[0].(values)
	owners := func(all ...any) values { return set(base, "claimsMapper.owners", all) }
	certManager := func(with values) values {
		merged := values{"enabled": true, "issuerRef": values{"name": "x"}}
		maps.Copy(merged, with)
		return values{"certManager": merged}
	}
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
		{"an owner of another trust domain", "outside the trust domain", owners(set(owner, "identifierPrefixes", []any{"spiffe://other.org/x/"}))},
		{"an owner of a whole trust domain", "identifierPrefixes", owners(set(owner, "identifierPrefixes", []any{"spiffe://example.org/"}))},
		{"an owner of TWI's services", "TWI's own services", owners(set(owner, "identifierPrefixes", []any{"spiffe://example.org/twi/x/"}))},
		{"a prefix without its end", "identifierPrefixes", owners(set(owner, "identifierPrefixes", []any{"spiffe://example.org/x"}))},
		{"an owner twice", "each owner once", owners(owner, owner)},
		{"a private key as an owner's", "publicKey", owners(set(owner, "publicKey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))},
		{"half a public key", "publicKey", owners(set(owner, "publicKey", "-----BEGIN PUBLIC KEY-----"))},
		{"a policy that nobody signed", "policies", set(base, "claimsMapper.policies", values{"a.jws": "hello"})},
		{"a store that two nodes may write", "accessModes", set(base, "storage.accessModes", []any{"ReadWriteMany"})},
		{"a store without room", "size", set(base, "storage.size", "0Gi")},
		{"a relying party without a SPIFFE ID", "spiffeId", set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://gateway.example.org"}})},
		{"a relying party with the CA's rp_id", "are the same", set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://credential-authority.example.org", "spiffeId": "spiffe://example.org/g"}})},
		{"a relying party with the Key Store's rp_id", "are the same", set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://key-store.example.org", "spiffeId": "spiffe://example.org/g"}})},
		{"two relying parties with one rp_id", "are the same", set(base, "verifier.rest.relyingParties", []any{values{"rpId": "https://g", "spiffeId": "spiffe://example.org/g"}, values{"rpId": "https://g", "spiffeId": "spiffe://example.org/h"}})},
		{"equal rp_ids", "rpIds.credentialAuthority and rpIds.keyStore are the same", set(base, "rpIds.keyStore", "https://credential-authority.example.org")},
		{"a target twice", "targets", set(base, "targets", []any{"https://a", "https://a"})},
		{"a trust domain that is none", "trustDomain", set(base, "trustDomain", "..")},
		{"no registry", "image.registry is required", set(base, "image.registry", "")},
		{"no registry, but a digest", "image.registry is required", set(set(base, "image.registry", ""), "image.digests", values{"verifier": "sha256:" + strings.Repeat("0a", 32)})},
		{"a registry that Docker takes for a user of docker.io", "registry", set(base, "image.registry", "mirror")},
		{"docker.io, which is not ours", "pullPolicy Never", set(base, "image.registry", "docker.io")},
		{"a registry with blanks", "registry", set(base, "image.registry", "https://a b/")},
		{"a tag with blanks", "tag", set(base, "image.tag", "a b")},
		{"the tag latest", "tag", set(base, "image.tag", "latest")},
		{"an address that is none", "listenAddress", set(base, "listenAddress", "everywhere")},
		{"an address that no other pod reaches", "listenAddress", set(base, "listenAddress", "127.0.0.1")},
		{"IPv6 without brackets", "listenAddress", set(base, "listenAddress", "::")},
		{"credentials that live no time", "maxLifetime", set(base, "credentialAuthority.maxLifetime", "0s")},
		{"credentials that live too short", "maxLifetime: expected 1m to 24h", set(base, "credentialAuthority.maxLifetime", "59s")},
		{"credentials that live too long", "maxLifetime: expected 1m to 24h", set(base, "credentialAuthority.maxLifetime", "25h")},
		{"renewed before it is made", "renewBefore must be less", set(base, "certificates", certManager(values{"duration": "240h"}))},
		{"a certificate without a life", "duration", set(base, "certificates", certManager(values{"duration": "0h"}))},
		{"a kind that cert-manager has not", "kind", set(base, "certificates", certManager(values{"issuerRef": values{"name": "x", "kind": "Isuer"}}))},
		{"one Secret for all root keys", "rootKeys.verifier and rootKeys.claimsMapper are the same", set(base, "rootKeys", values{"verifier": "one", "claimsMapper": "one", "credentialAuthority": "one", "keyStore": "one"})},
		{"a certificate's Secret as root key's", "are the same", set(base, "rootKeys.verifier", "twi-verifier-tls")},
		{"one certificate for two", "are the same", set(base, "certificates.secrets.verifier", "twi-key-store-tls")},
		{"a root key that issues", "are the same", set(base, "credentialAuthority.issuingKeySecret", "twi-credential-authority-root")},
		{"a Secret's name that is none", "rootKeys", set(base, "rootKeys.verifier", "A B/../")},
		{"metrics without a certificate", "metrics.secretName is required", set(withMetrics(base), "metrics.secretName", "")},
		{"metrics for nobody", "metrics.peers is required", set(withMetrics(base), "metrics.peers", []any{})},
		{"metrics for whom there is no name", "peers", set(withMetrics(base), "metrics.peers", []any{"prometheus"})},
		{"metrics with a service's certificate", "are the same", set(withMetrics(base), "metrics.secretName", "twi-verifier-tls")},
		{"another drain than the pod's", "set drain instead", set(base, "verifier.config", values{"server": values{"drain_timeout": "10m"}})},
		{"another drain than the pod's, REST", "set drain instead", set(withRest(base, false), "verifier.config", values{"rest": values{"http": values{"drain_timeout": "10m"}}})},
		{"another address than the Service's", "set listenAddress instead", set(base, "keyStore.config", values{"server": values{"listen": "0.0.0.0:1"}})},
		{"metrics beside the policies", "set metrics instead", set(base, "keyStore.config", values{"server": values{"metrics": values{"listen": "0.0.0.0:1"}}})},
		{"a store beside the volume", "set storage and rootKeys instead", set(base, "keyStore.config", values{"storage": values{"database_file": "/tmp/x.db"}})},
		{"a node's label that is no text", "nodeSelector", set(base, "nodeSelector", values{"tee": true})},
		{"a toleration that is none", "tolerations", set(base, "tolerations", []any{"x"})},
		{"an affinity that is none", "affinity", set(base, "affinity", values{"x": 1})},
		{"misspelt resources", "resources", set(base, "resources", values{"limit": values{"memory": "1Gi"}})},
		{"a misspelt resource", "mem", set(base, "verifier.resources", values{"limits": values{"mem": "1Gi"}})},
		{"a resource that is no quantity", "resources", set(base, "verifier.resources", values{"limits": values{"memory": "lots"}})},
		{"a priority that is none", "priorityClassName", set(base, "priorityClassName", "A B")},
		{"a peer that is everybody", "relyingParties", set(base, "networkPolicy.relyingParties", []any{values{}})},
		{"every namespace", "owners", set(base, "networkPolicy.owners", []any{values{"namespaceSelector": values{}}})},
		{"every namespace, by empty labels", "owners", set(base, "networkPolicy.owners", []any{values{"namespaceSelector": values{"matchLabels": values{}}, "podSelector": values{}}})},
		{"every address", "owners", set(base, "networkPolicy.owners", []any{values{"ipBlock": values{"cidr": "0.0.0.0/0"}}})},
		{"every address, IPv6", "scrapers", set(base, "networkPolicy.scrapers", []any{values{"ipBlock": values{"cidr": "::/0"}}})},
		{"every agent", "agents", set(base, "networkPolicy.agents", []any{values{"namespaceSelector": values{}, "podSelector": values{}}})},
		{"agents as one peer", "agents", set(base, "networkPolicy.agents", values{"namespaceSelector": values{}})},
		{"a misspelt peer", "owners", set(base, "networkPolicy.owners", []any{values{"namespaceselector": values{"matchLabels": values{"a": "b"}}}})},
		{"a label that is null", "owners", set(base, "networkPolicy.owners", []any{values{"namespaceSelector": values{"matchLabels": values{"a": nil}}}})},
		{"an address and a label", "owners", set(base, "networkPolicy.owners", []any{values{"ipBlock": values{"cidr": "10.0.0.0/8"}, "podSelector": values{"matchLabels": values{"a": "b"}}}})},
		{"no name service, so any", "dns", set(base, "networkPolicy.dns", []any{})},
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
		expectNothing(t, mechanism, sidecar(o, "/run/twi"))
		if len(o.configMaps) != 1 || len(o.policies) != 1 {
			t.Errorf("%s: %d ConfigMaps, %d policies", mechanism, len(o.configMaps), len(o.policies))
		}
		measured := renderObjects(t, loadTeam(t), "payroll", "payroll", agentMetrics(agentValues(mechanism)))
		expectNothing(t, mechanism+" with metrics", slices.Concat(podSecurity(measured, api.LevelRestricted), hardening(measured), sidecar(measured, "/run/twi")))
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
		{"no registry", "image.registry is required", set(agentValues("B"), "twi-agent.image", values{"registry": ""})},
		{"docker.io, which is not ours", "pullPolicy Never", set(agentValues("B"), "twi-agent.image", values{"registry": "docker.io"})},
		{"the tag latest", "tag", set(agentValues("B"), "twi-agent.image", values{"tag": "latest"})},
		{"a port that is none", "services", set(agentValues("B"), "twi-agent.services", values{"verifier": "verifier.twi.svc:99999"})},
		{"two addresses", "services", set(agentValues("B"), "twi-agent.services", values{"verifier": "a,b:8441"})},
		{"the credential in place of the system", "mountPath", set(agentValues("B"), "twi-agent.mountPath", "/")},
		{"the credential in /etc", "mountPath", set(agentValues("B"), "twi-agent.mountPath", "/etc/twi/agent")},
		{"a mount with more in it", "mountPath", set(agentValues("B"), "twi-agent.mountPath", "/a, readOnly: false")},
		{"a path that climbs", "mountPath", set(agentValues("B"), "twi-agent.mountPath", "/run/../etc")},
		{"root without saying how", "runAsUser 0", set(agentValues("B"), "twi-agent.runAsUser", 0)},
		{"a second volume of the credential", "extraVolumes", set(agentValues("B"), "twi-agent.extraVolumes", []any{values{"name": "twi-credential", "secret": values{"secretName": "x"}}})},
		{"a mount over the credential", "the agent's own", set(agentValues("B"), "twi-agent.extraVolumeMounts", []any{values{"name": "x", "mountPath": "/run/twi/credential"}})},
		{"a mount over the trust bundle", "the agent's own", set(agentValues("B"), "twi-agent.extraVolumeMounts", []any{values{"name": "x", "mountPath": "/etc/twi/trust"}})},
		{"a mount of the credential's volume", "extraVolumeMounts", set(agentValues("B"), "twi-agent.extraVolumeMounts", []any{values{"name": "twi-credential", "mountPath": "/x"}})},
		{"an identifier with a comment", "workloadIdentifier", set(agentValues("B"), "twi-agent.workloadIdentifier", "spiffe://example.org/payroll/worker #x")},
		{"an identifier of TWI's services", "TWI's own services", set(agentValues("B"), "twi-agent.workloadIdentifier", "spiffe://example.org/twi/verifier")},
		{"an attester that is none", "attester", set(agentValues("B"), "twi-agent.attester", values{"tpm2": nil, "tpmx": values{}})},
		{"a renewal that is none", "renewal", set(agentValues("B"), "twi-agent.renewal", values{"nonsense": 1})},
		{"misspelt resources", "resources", set(agentValues("B"), "twi-agent.resources", values{"limit": values{}})},
		{"a name service that is everybody", "dns", set(agentValues("B"), "twi-agent.networkPolicy.dns", []any{values{"namespaceSelector": values{}}})},
		{"metrics without a certificate", "metrics.secretName is required", set(agentMetrics(agentValues("B")), "twi-agent.metrics.secretName", "")},
		{"metrics for nobody", "metrics.peers is required", set(agentMetrics(agentValues("B")), "twi-agent.metrics.peers", []any{})},
		{"a private key in a Secret", "additional", set(agentValues("B"), "twi-agent.credentialSecret", "x")},
	} {
		_, err := render(loadTeam(t), "payroll", "payroll", c.v)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says)) {
			t.Errorf("%s: %v, expected an error that says %q", c.name, err, c.says)
		}
	}
}

// Each example says what it costs: which checks of Pod Security refuse it, at `restricted` and at `baseline`, is exactly what its file and the README explain. `privileged` refuses nothing.
func TestExamples(t *testing.T) {
	tsm := map[api.Level][]string{
		api.LevelRestricted: {"restricted volume types", "runAsNonRoot != true", "runAsUser=0", "unrestricted capabilities"}, // hostPath; root; DAC_OVERRIDE
		api.LevelBaseline:   {"hostPath volumes"},
	}
	for name, refused := range map[string]map[api.Level][]string{"vtpm": {}, "sev-snp-node": tsm, "confidential-pod": tsm} {
		path := "deploy/helm/examples/payroll/" + name + ".yaml"
		o := renderObjects(t, loadTeam(t), "payroll", "payroll", readValues(t, path))
		expectNothing(t, name, hardening(o))
		expectNothing(t, name, sidecar(o, "/run/twi"))
		for _, level := range []api.Level{api.LevelRestricted, api.LevelBaseline, api.LevelPrivileged} {
			if said := podSecurityReasons(t, o, level); !slices.Equal(said, refused[level]) {
				t.Errorf("%s: Pod Security %s refuses it for %q, expected %q", name, level, said, refused[level])
			}
		}
		head, _, _ := strings.Cut(read(t, filepath.Join(root(t), path)), "\n")
		if expected := map[bool]string{true: "Pod Security `restricted`", false: "Pod Security `privileged`"}[len(refused) == 0]; !strings.Contains(head, expected) {
			t.Errorf("%s: its first line does not say %s: %s", name, expected, head)
		}
		if class := o.deployments[0].Spec.Template.Spec.RuntimeClassName; (class != nil) != (name == "confidential-pod") {
			t.Errorf("%s: runtime class %v", name, class)
		}
	}
}

// podSecurityReasons: the checks of a level that refuse any of the pods, by the names that Kubernetes gives them.
func podSecurityReasons(t *testing.T, o *objects, level api.Level) []string {
	t.Helper()
	evaluator := must(policy.NewEvaluator(policy.DefaultChecks()))
	var reasons []string
	for _, p := range o.pods() {
		results := policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &p.meta, &p.spec))
		reasons = append(reasons, results.ForbiddenReasons...)
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}

// A team does as the README says: `helm dependency build`, then `helm install`. For a file:// dependency Helm's downloader takes the path in Chart.yaml from the chart's folder and packs what is there
// into charts/; this does the same by Helm's own packer and loader. The downloader itself is not asked: it would bring forty more modules (kubectl, containerd, kustomize).
func TestATeamsChartIsBuiltAsDocumented(t *testing.T) {
	_, section, _ := strings.Cut(read(t, filepath.Join(root(t), "deploy/helm/README.md")), "\n## A team's own chart\n")
	if section, _, _ = strings.Cut(section, "\n## "); !strings.Contains(section, "    helm dependency build") {
		t.Error("deploy/helm/README.md does not tell a team to run helm dependency build")
	}
	work := t.TempDir()
	copyFolder(t, filepath.Join(root(t), "deploy/helm"), work)
	folder := filepath.Join(work, "examples/payroll")
	team := must(loader.LoadDir(folder))
	if missing := missingDependencies(team); !slices.Equal(missing, []string{"twi-agent"}) {
		t.Fatalf("before: %v is missing", missing)
	}
	for _, dependency := range team.Metadata.Dependencies {
		path, local := strings.CutPrefix(dependency.Repository, "file://")
		if !local {
			t.Fatalf("%s is not beside this chart: %s", dependency.Name, dependency.Repository)
		}
		packed, err := loader.LoadDir(filepath.Join(folder, path))
		if err != nil {
			t.Fatal(err)
		}
		if packed.Name() != dependency.Name || packed.Metadata.Version != dependency.Version {
			t.Errorf("at %s is %s %s, expected %s %s", path, packed.Name(), packed.Metadata.Version, dependency.Name, dependency.Version)
		}
		must(chartutil.Save(packed, filepath.Join(folder, "charts")))
	}
	for _, mechanism := range []string{"A", "B", "C", "D"} {
		built := must(loader.LoadDir(folder))
		if missing := missingDependencies(built); len(missing) > 0 {
			t.Fatalf("after: %v is missing", missing)
		}
		if !maps.Equal(must(render(built, "payroll", "payroll", agentValues(mechanism))), must(render(loadTeam(t), "payroll", "payroll", agentValues(mechanism)))) {
			t.Errorf("%s: the built chart renders otherwise than the tests' own", mechanism)
		}
	}
}

// missingDependencies: those for which `helm install` refuses a chart ("found in Chart.yaml, but missing in charts/ directory").
func missingDependencies(c *chart.Chart) []string {
	var missing []string
	for _, dependency := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(have *chart.Chart) bool { return have.Name() == dependency.Name }) {
			missing = append(missing, dependency.Name)
		}
	}
	return missing
}

// copyFolder follows symbolic links: a Bazel test's files are such.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			write(t, filepath.Join(to, strings.TrimPrefix(path, from)), []byte(read(t, path)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An upgrade in stages (README, "Upgrades"): a digest of one service rolls that service's pod and no other; a tag, or another version of the chart, rolls all of them.
func TestAnUpgradeCanGoServiceByService(t *testing.T) {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	rolled := func(c *chart.Chart, v values) []string {
		return changedPods(renderObjects(t, loadChart(t, "twi"), "twi", "twi", base), renderObjects(t, c, "twi", "twi", v))
	}
	for _, service := range sortedKeys(ports) {
		v := set(base, "image.digests", values{service: "sha256:" + strings.Repeat("0a", 32)})
		if seen := rolled(loadChart(t, "twi"), v); !slices.Equal(seen, []string{"twi-" + service}) {
			t.Errorf("a digest of %s rolls %v", service, seen)
		}
	}
	if seen := rolled(loadChart(t, "twi"), set(base, "image.tag", "9.9.9")); len(seen) != len(ports) {
		t.Errorf("a tag rolls %v only", seen)
	}
	newer := loadChart(t, "twi")
	newer.Metadata.Version = "9.9.9"
	if seen := rolled(newer, base); len(seen) != len(ports) {
		t.Errorf("a new version of the chart rolls %v only", seen)
	}
}

// changedPods: the StatefulSets whose pods Kubernetes would replace.
func changedPods(before, after *objects) []string {
	var changed []string
	for i, s := range before.statefulSets {
		if !reflect.DeepEqual(s.Spec.Template, after.statefulSets[i].Spec.Template) {
			changed = append(changed, s.Name)
		}
	}
	slices.Sort(changed)
	return changed
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
		if strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, "/check.yaml") && !onlyComments(rendered[file]) { // hooks are Helm's
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

// deploy/kubernetes/store-pod.yaml, of backup and restore: for each service of twi.yaml it takes the volume that this one's pod has, as the same user, and reaches nothing.
func TestStorePod(t *testing.T) {
	o := renderObjects(t, loadChart(t, "twi"), "twi", "twi", readValues(t, "deploy/kubernetes/values.yaml"))
	template := read(t, filepath.Join(root(t), "deploy/kubernetes/store-pod.yaml"))
	for _, s := range o.statefulSets {
		service := s.Spec.Template.Labels["app.kubernetes.io/name"]
		var store corev1.Pod
		if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(template, "SERVICE", service)), &store); err != nil {
			t.Fatal(err)
		}
		of := &objects{deployments: []*appsv1.Deployment{{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{ObjectMeta: store.ObjectMeta, Spec: store.Spec}}}}}
		expectNothing(t, service, slices.Concat(podSecurity(of, api.LevelRestricted), hardening(of)))
		if claim := store.Spec.Volumes[0].PersistentVolumeClaim.ClaimName; claim != s.Spec.VolumeClaimTemplates[0].Name+"-"+s.Name+"-0" {
			t.Errorf("%s: the claim %s", service, claim)
		}
		if want, have := s.Spec.Template.Spec.SecurityContext, store.Spec.SecurityContext; *want.RunAsUser != *have.RunAsUser || *want.FSGroup != *have.FSGroup || *want.FSGroupChangePolicy != *have.FSGroupChangePolicy {
			t.Errorf("%s: another user: %+v", service, have)
		}
		for _, other := range o.services {
			if selects(&metav1.LabelSelector{MatchLabels: other.Spec.Selector}, store.Labels) {
				t.Errorf("%s would send requests to it", other.Name)
			}
		}
		from := endpoint{name: "store", namespace: "twi", labels: store.Labels}
		for _, to := range []endpoint{{name: "the Internet", address: "203.0.113.9"}, {name: "verifier", namespace: "twi", labels: o.pods()[0].meta.Labels}} {
			if passes(o.policies, from, to, 8441, "TCP") || passes(o.policies, to, from, 8441, "TCP") {
				t.Errorf("it is connected with %s", to.name)
			}
		}
	}
}
