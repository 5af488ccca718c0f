package kubernetes

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/pod-security-admission/api"
)

// mutate replaces `from` in the chart's template that has it; the chart was loaded for this test alone.
func mutate(t *testing.T, c *chart.Chart, from, to string) {
	t.Helper()
	for _, owner := range append([]*chart.Chart{c}, c.Dependencies()...) {
		for _, file := range owner.Templates {
			if bytes.Contains(file.Data, []byte(from)) {
				file.Data = bytes.ReplaceAll(file.Data, []byte(from), []byte(to))
				return
			}
		}
	}
	t.Fatalf("no template has %q", from)
}

// wrongs: everything that the tests check, of one rendering of the services beside one of a team.
func wrongs(t *testing.T, services, team *chart.Chart, v values) []string {
	var found []string
	var decoded []*objects
	second := set(v, "logLevel", "debug")
	for _, r := range []struct {
		c                  *chart.Chart
		release, namespace string
		v                  values
	}{{services, "twi", "twi", v}, {services, "twi", "twi", second}, {team, "payroll", "payroll", agentValues("B")}} {
		rendered, err := render(r.c, r.release, r.namespace, r.v)
		if err != nil {
			return []string{err.Error()}
		}
		o, err := decode(rendered)
		if err != nil {
			return []string{err.Error()}
		}
		found = slices.Concat(found, podSecurity(o, api.LevelRestricted), hardening(o), daemons(o))
		decoded = append(decoded, o)
	}
	return slices.Concat(found, rolls(decoded[0], decoded[1]), sidecar(decoded[2].pods()[0], "/run/twi"), configWrongs(decoded[0], "ABCD"), networkWrongs(decoded[0], decoded[2], arrows{mechanisms: "ABCD", agent: "B", owners: true}))
}

// A broken template is noticed, each by the check that is there for it.
func TestMutantsAreNoticed(t *testing.T) {
	v := readValues(t, "deploy/kubernetes/values.yaml")
	if found := wrongs(t, loadChart(t, "twi"), loadTeam(t), v); len(found) > 0 {
		t.Fatalf("unchanged: %v", found)
	}
	for _, m := range []struct{ from, to, says string }{
		// decoded strictly
		{"enableServiceLinks: false", "enableServiceLink: false", "unknown field"},
		{"replicas: 1\n", "replicas: 1\n  replicas: 1\n", "replicas"},
		{"kind: PodDisruptionBudget", "kind: Secret", "no kind"},
		// Pod Security
		{"        runAsNonRoot: true\n        runAsUser: 65532", "        runAsUser: 65532", "runAsNonRoot"},
		{"        seccompProfile: {type: RuntimeDefault}", "", "seccompProfile"},
		{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "allowPrivilegeEscalation"},
		{"capabilities: {drop: [ALL]}", "capabilities: {add: [NET_ADMIN], drop: [ALL]}", "NET_ADMIN"},
		// hardening
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "writable root"},
		{"      automountServiceAccountToken: false", "      automountServiceAccountToken: true", "service account token"},
		{"automountServiceAccountToken: false\n---", "automountServiceAccountToken: true\n---", "hands out tokens"},
		{"emptyDir: {medium: Memory, sizeLimit: 4Mi}", "emptyDir: {}", "not in memory"},
		// daemons
		{"replicas: 1\n", "replicas: 2\n", "replicas of a store"},
		{"whenDeleted: Retain", "whenDeleted: Delete", "outlives"},
		{"maxUnavailable: 1", "minAvailable: 1", "PodDisruptionBudget"},
		{"serviceName: {{ $name }}", "serviceName: {{ $name }}s", "Service does not select"},
		{"fsGroupChangePolicy: OnRootMismatch", "fsGroupChangePolicy: Always", "opened to the group"},
		{`append $probe "ready"`, `append $probe "live"`, "ready probe"},
		{"checksum/config: {{ $files | sha256sum }}", "checksum/config: none", "checksums are not so"},
		{"configMap: {name: {{ $name }}, defaultMode: 0444}", "configMap: {name: twi, defaultMode: 0444}", "no ConfigMap"},
		{"defaultMode: 0440\n          items", "items", "may be read by others"},
		{"add $root.Values.drain.preStopSeconds $root.Values.drain.drainSeconds 5", "add $root.Values.drain.drainSeconds 5", "of grace"},
		{"  drain_timeout: {{ .root.Values.drain.drainSeconds }}s", "  drain_timeout: 60s", "of grace"},
		// the agent
		{"  restartPolicy: Always\n", "", "native sidecar"},
		{`"--probe", "started"]`, `"--probe", "live"]`, "does not wait"},
		{`twi/agent: "true"` + "\n# A", `twi/agents: "true"` + "\n# A", "label"},
		{"mountPath: {{ (include \"twi.agentValues\" . | fromYaml).mountPath }}, readOnly: true", "mountPath: {{ (include \"twi.agentValues\" . | fromYaml).mountPath }}", "read-only"},
		// the arrows
		{`(list "claims-mapper") (ternary (list "verifier") list $results)`, `(list "claims-mapper")`, "credential-authority -> verifier"},
		{`"key-store" (list "verifier")`, `"key-store" (list "verifier" "claims-mapper")`, "key-store -> claims-mapper"},
		{`"claims-mapper" (list "verifier")` + "\n", `"claims-mapper" list` + "\n", "claims-mapper -> verifier"},
		{`(concat (list "verifier") (ternary (list "credential-authority")`, `(concat (list "verifier" "claims-mapper") (ternary (list "credential-authority")`, "-> claims-mapper:8442 passes: true"},
		{"policyTypes: [Ingress, Egress]\n  ingress", "policyTypes: [Ingress]\n  ingress", "passes: false, expected true"},
		{"  - ports: [{port: {{ include \"twi.port\" $service }}, protocol: TCP}]\n    from:", "  - from:", "passes: true, expected false"},
		{"    - {{ $root.Values.networkPolicy.agents | toYaml | nindent 6 | trim }}", "    - namespaceSelector: {}", "passes: true, expected false"},
		{"(list \"verifier\" \"credential-authority\") (eq .Values.mechanism \"A\")", "(list \"verifier\" \"credential-authority\" \"key-store\") (eq .Values.mechanism \"A\")", "agent -> key-store"},
		{"{{- if has \"A\" $m }}\nclaims_mapper:", "{{- if has \"Z\" $m }}\nclaims_mapper:", "config of verifier"},
		{"address: {{ include \"twi.fullname\" .root }}-{{ .service }}", "address: {{ include \"twi.fullname\" .root }}-x-{{ .service }}", "unknown peer"},
	} {
		services, team := loadChart(t, "twi"), loadTeam(t)
		target := services
		if !strings.Contains(allTemplates(services), m.from) {
			target = team
		}
		mutate(t, target, m.from, m.to)
		found := strings.Join(wrongs(t, services, team, v), "\n")
		if !strings.Contains(found, m.says) {
			t.Errorf("%q -> %q: not noticed as %q, only: %q", m.from, m.to, m.says, found)
		}
	}
}

// A rule without peers lets everybody in: D alone, without owners, is the case in which nobody calls the Credential Authority.
func TestAnOpenRuleIsNoticed(t *testing.T) {
	services := loadChart(t, "twi")
	mutate(t, services, "{{- if or $callers $agents $owners }}", "{{- if true }}")
	v := set(set(readValues(t, "deploy/kubernetes/values.yaml"), "mechanisms", split("D")), "networkPolicy.owners", []any{})
	rendered, team := renderObjects(t, services, "twi", "twi", v), renderObjects(t, loadTeam(t), "payroll", "payroll", agentValues("D"))
	found := strings.Join(networkWrongs(rendered, team, arrows{mechanisms: "D", agent: "D"}), "\n")
	if !strings.Contains(found, "a stranger beside the services -> credential-authority:8443 passes: true, expected false") {
		t.Errorf("not noticed: %q", found)
	}
}

func allTemplates(c *chart.Chart) string {
	var all strings.Builder
	for _, file := range c.Templates {
		all.Write(file.Data)
	}
	return all.String()
}
