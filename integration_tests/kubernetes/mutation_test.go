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
	}{{services, "twi", "twi", v}, {services, "twi", "twi", second}, {team, "payroll", "payroll", agentMetrics(agentValues("B"))}, {services, strings.Repeat("x", 53), "twi", v}} {
		rendered, err := render(r.c, r.release, r.namespace, r.v)
		if err != nil {
			return []string{err.Error()}
		}
		o, err := decode(rendered)
		if err != nil {
			return []string{err.Error()}
		}
		if decoded = append(decoded, o); len(r.release) > 50 {
			found = append(found, names(o)...)
			continue
		}
		found = slices.Concat(found, podSecurity(o, api.LevelRestricted), hardening(o), daemons(o))
	}
	return slices.Concat(found, rolls(decoded[0], decoded[1]), sidecar(decoded[2], "/run/twi"), configWrongs(decoded[0], "ABCD"), networkWrongs(decoded[0], decoded[2], arrows{mechanisms: "ABCD", agent: "B", owners: true, rest: true, maps: true, metrics: true}))
}

// A broken template is noticed, each by the check that is there for it.
func TestMutantsAreNoticed(t *testing.T) {
	v := set(withMetrics(withRest(readValues(t, "deploy/kubernetes/values.yaml"), true)), "credentialAuthority.issuingKeySecret", "twi-issuing")
	if found := wrongs(t, loadChart(t, "twi"), loadTeam(t), v); len(found) > 0 {
		t.Fatalf("unchanged: %v", found)
	}
	const dns = "[{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]"
	const noPeers = "  {{- /* A rule without peers"
	for _, m := range []struct{ from, to, says string }{
		// decoded strictly
		{"enableServiceLinks: false", "enableServiceLink: false", "unknown field"},
		{"replicas: 1\n", "replicas: 1\n  replicas: 1\n", "replicas"},
		{"kind: PodDisruptionBudget", "kind: Secret", "no kind"},
		// Pod Security
		{"runAsNonRoot: true\nrunAsUser: 65532", "runAsUser: 65532", "runAsNonRoot"},
		{"\nseccompProfile: {type: RuntimeDefault}", "", "seccompProfile"},
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
		{"configMap: {name: {{ .configMap }}, defaultMode: 0444}", "configMap: {name: twi, defaultMode: 0444}", "no ConfigMap"},
		{"defaultMode: 0440\n    items", "items", "may be read by others"},
		{"add $root.Values.drain.preStopSeconds $root.Values.drain.drainSeconds 5", "add $root.Values.drain.drainSeconds 5", "of grace"},
		{"  drain_timeout: {{ .root.Values.drain.drainSeconds }}s", "  drain_timeout: 60s", "of grace"},
		// the agent
		{"  restartPolicy: Always\n", "", "native sidecar"},
		{`"--probe", "started"]`, `"--probe", "live"]`, "its started probe"},
		{`twi/agent: "true"` + "\n# A", `twi/agents: "true"` + "\n# A", "label"},
		{"mountPath: {{ (include \"twi.agentValues\" . | fromYaml).mountPath }}, readOnly: true", "mountPath: {{ (include \"twi.agentValues\" . | fromYaml).mountPath }}", "read-only"},
		// the arrows
		{`(list "claims-mapper") (ternary (list "verifier") list $results)`, `(list "claims-mapper")`, "credential-authority -> verifier"},
		{`"key-store" (list "verifier")`, `"key-store" (list "verifier" "claims-mapper")`, "key-store -> claims-mapper"},
		{`"claims-mapper" (list "verifier")` + "\n", `"claims-mapper" list` + "\n", "claims-mapper -> verifier"},
		{`(concat (list "verifier") (ternary (list "credential-authority")`, `(concat (list "verifier" "claims-mapper") (ternary (list "credential-authority")`, "-> claims-mapper:8442 over TCP passes: true"},
		{"policyTypes: [Ingress, Egress]\n  ingress", "policyTypes: [Ingress]\n  ingress", "passes: false, expected true"},
		{"  - ports: [{port: {{ include \"twi.port\" $service }}, protocol: TCP}]\n    from:", "  - from:", "passes: true, expected false"},
		{"    {{- . | toYaml | nindent 4 }}\n    {{- end }}\n  {{- else if", "    - namespaceSelector: {}\n    {{- end }}\n  {{- else if", "passes: true, expected false"},
		{"(list \"verifier\" \"credential-authority\") (eq .Values.mechanism \"A\")", "(list \"verifier\" \"credential-authority\" \"key-store\") (eq .Values.mechanism \"A\")", "agent -> key-store"},
		{"{{- if has \"A\" $m }}\nclaims_mapper:", "{{- if has \"Z\" $m }}\nclaims_mapper:", "config of verifier"},
		{dns, "[{port: 53, protocol: TCP}]", "over UDP passes: false, expected true"},
		{dns, "[{port: 53, protocol: UDP}]", "over TCP passes: false, expected true"},
		{"  - ports: " + dns, "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n  - ports: " + dns, "-> the Internet:443 over TCP passes: true"},
		{"  - ports: " + dns, "  - to: [{ipBlock: {cidr: \"::/0\"}}]\n  - ports: " + dns, "-> the Internet, IPv6:443 over TCP passes: true"},
		{noPeers, "  - ports: [{port: 9464, protocol: TCP}]\n" + noPeers, "a stranger beside the services -> verifier:9464 over TCP passes: true"},
		{noPeers, "  - ports: [{port: 1, endPort: 8440, protocol: TCP}]\n" + noPeers, "-> verifier:8440 over TCP passes: true"},
		{noPeers, "  - ports: [{port: 8441, protocol: UDP}]\n" + noPeers, "-> verifier:8441 over UDP passes: true"},
		{noPeers, "  - ports: [{port: 8441, protocol: TCP}]\n    from: [{ipBlock: {cidr: 203.0.113.0/24}}]\n" + noPeers, "the Internet -> verifier:8441 over TCP passes: true"},
		{"      app.kubernetes.io/part-of: twi\n  policyTypes", "      app.kubernetes.io/part-of: other\n  policyTypes", "verifier-check -> the Internet"},
		{"list (and (eq $service \"claims-mapper\") (ne (include \"twi.mappedIds\" $root) \"[]\"))", "list false", "relying party -> claims-mapper:8442 over TCP passes: false"},
		{"list (and (eq $service \"claims-mapper\") (ne (include \"twi.mappedIds\" $root) \"[]\"))", "list true", "relying party -> key-store:8444 over TCP passes: true"},
		{"ternary $root.Values.networkPolicy.scrapers list $root.Values.metrics.enabled", "ternary $root.Values.networkPolicy.scrapers list false", "scraper -> verifier:9464 over TCP passes: false"},
		{"{{- $addresses := dict \"verifier\" .Values.services.verifier", "{{- $addresses := dict \"verifier\" \":8442\"", "agent -> verifier:8441 over TCP passes: false"},
		{"Egress{{ if $scrapers }}, Ingress{{ end }}", "Egress", "-> agent:9464 over TCP passes: true"},
		// what a config names and where it is mounted from
		{"mountPath: /etc/twi/tls,", "mountPath: /etc/twi/tlsx,", "server.tls.key_file is /etc/twi/tls/tls.key from nothing"},
		{"mountPath: /etc/twi/metrics, readOnly: true}\n{{- end }}\n- {name: store", "mountPath: /etc/twi/other, readOnly: true}\n{{- end }}\n- {name: store", "server.metrics.tls.key_file"},
		{"mountPath: /etc/twi/issuing,", "mountPath: /etc/twi/issue,", "issuing.supplied_key_file"},
		{"{{- if and (eq .service \"credential-authority\") .root.Values.credentialAuthority.issuingKeySecret }}", "{{- if .root.Values.credentialAuthority.issuingKeySecret }}", "/etc/twi/issuing is mounted for nothing"},
		{"mountPath: /var/lib/twi}", "mountPath: /var/lib/other}", "storage.database_file"},
		{"mountPath: /etc/twi/config,", "mountPath: /etc/twi/conf,", "no ConfigMap with its config"},
		{", subPath: root.key", "", "expected Secret twi-verifier-root: root.key by subPath"},
		{"secretName: {{ get .root.Values.rootKeys (include \"twi.valuesKey\" .service) }}", "secretName: {{ include \"twi.tlsSecret\" . }}", "expected Secret twi-verifier-root"},
		{"secretName: {{ get .root.Values.rootKeys (include \"twi.valuesKey\" .service) }}", "secretName: {{ .root.Values.rootKeys.verifier }}", "expected Secret twi-key-store-root"},
		{"secretName: {{ include \"twi.tlsSecret\" . }}", "secretName: {{ .root.Values.certificates.secrets.credentialAuthority }}", "expected Secret twi-verifier-tls"},
		{"secretName: {{ .root.Values.metrics.secretName }}", "secretName: {{ include \"twi.tlsSecret\" . }}", "expected Secret twi-metrics"},
		{"evidence_policy.yaml\" ($values", "evidence.yaml\" ($values", "expected a file of its ConfigMap"},
		// ports
		{"type: ClusterIP", "type: LoadBalancer", "open to the outside"},
		{"    port: {{ include \"twi.port\" $service }}\n    targetPort", "    port: 9999\n    targetPort", "ports of its Service"},
		{"    targetPort: tls-metrics", "    targetPort: tls-grpc", "ports of its Service"},
		{"containerPort: {{ include \"twi.port\" $service }}", "containerPort: 9999", "container ports"},
		{"containerPort: 8451", "containerPort: 8451, hostPort: 8451", "container ports"},
		{`printf "%s:%s" .root.Values.listenAddress (include "twi.port" .service)`, `printf "%s:9999" .root.Values.listenAddress`, "listens at 0.0.0.0:9999"},
		{`{{ printf "%s:8451" $.Values.listenAddress | quote }}`, `"0.0.0.0:8452"`, "listens at 0.0.0.0:8452"},
		// the pod
		{"enableServiceLinks: false\n      terminationGrace", "enableServiceLinks: true\n      terminationGrace", "other Services in its environment"},
		{"podManagementPolicy: Parallel", "podManagementPolicy: OrderedReady", "never replaced"},
		{`append $probe "live"`, `append $probe "ready"`, "its live probe"},
		{"trunc 31", "trunc 40", "name xxx"},
		// the check before an upgrade
		{`, "--check-config"]`, `]`, "its check runs"},
		{"backoffLimit: 0", "backoffLimit: 6", "its check runs"},
		{`(printf "%s-check" $service)`, "$service", "its Service would send requests to its check"},
		{`(dict "configMap" (printf "%s-check" $name))`, `(dict "configMap" $name)`, "-check: "},
		{"pre-upgrade, helm.sh/hook-weight", "post-upgrade, helm.sh/hook-weight", "a hook of post-upgrade"},
		// the agent's files and probes
		{`"--probe", "live"]}`, `"--probe", "ready"]}`, "its live probe"},
		{"failureThreshold: 1800", "failureThreshold: 60", "is ended while it tries"},
		{"twi-trust, mountPath: /etc/twi/trust", "twi-trust, mountPath: /etc/twi/trustx", "the agent's trust_bundle_file"},
		{"twi-agent, mountPath: /etc/twi/agent", "twi-agent, mountPath: /etc/twi/agentx", "the agent's config is from nothing"},
		{"configMap: {name: {{ $v.trustBundle.configMap }}", "configMap: {name: {{ .Release.Name }}-twi-agent", "the agent's trust_bundle_file"},
		{"twi-metrics, mountPath: /etc/twi/metrics", "twi-metrics, mountPath: /etc/twi/metricsx", "the agent's metrics.tls.key_file"},
		{"{name: twi-credential, mountPath: {{ (include", "{name: twi-metrics, mountPath: /etc/twi/metrics}\n- {name: twi-credential, mountPath: {{ (include", "has the agent's key for metrics"},
		{"secret: {secretName: {{ $v.metrics.secretName }}, defaultMode: 0440}", "secret: {secretName: {{ $v.metrics.secretName }}, defaultMode: 0444}", "a Secret"},
		{"    to: {{- .Values.networkPolicy.dns", "    to: [{ipBlock: {cidr: 0.0.0.0/0}}]\n  - ports: [{port: 53, protocol: TCP}]\n    to: {{- .Values.networkPolicy.dns", "agent -> the Internet:53"},
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

// Each mutant here breaks one side of an arrow and leaves the other: it must be noticed, by that side alone. A comparison of what passes in the end would miss every excess among them.
func TestOneSidedMutantsAreNoticed(t *testing.T) {
	const calledBy = "{{- if has $service (get $calls $caller) }}"
	const calledByAgents = `list (has $service (get $calls "agents"))`
	const agentCalls = `(list "verifier" "credential-authority") (eq .Values.mechanism "A")`
	const agentAddresses = "{{- $addresses := dict"
	const servicesEgress = "  egress:\n  {{- range . }}"
	const scraped = "  - ports: [{port: 9464, protocol: TCP}]\n    from:"
	for _, m := range []struct{ from, to, arrow, side string }{
		// between services
		{servicesEgress, "  egress:\n  {{- range append . \"key-store\" }}", "verifier -> key-store:8444 over TCP passes: true, expected false", "egress"},
		{servicesEgress, "  egress:\n  {{- range append . \"claims-mapper\" }}", "key-store -> claims-mapper:8442 over TCP passes: true, expected false", "egress"},
		{servicesEgress, "  egress:\n  {{- range rest . }}", "verifier -> claims-mapper:8442 over TCP passes: false, expected true", "egress"},
		{calledBy, `{{- if or (eq $service "key-store") (has $service (get $calls $caller)) }}`, "verifier -> key-store:8444 over TCP passes: true, expected false", "ingress"},
		{calledBy, `{{- if or (eq $service "claims-mapper") (has $service (get $calls $caller)) }}`, "key-store -> claims-mapper:8442 over TCP passes: true, expected false", "ingress"},
		{calledBy, `{{- if and (ne $caller "verifier") (has $service (get $calls $caller)) }}`, "verifier -> claims-mapper:8442 over TCP passes: false, expected true", "ingress"},
		// agents
		{agentAddresses, `{{- $services = append $services "claims-mapper" }}{{- $addresses := dict "claims-mapper" "x:8442"`, "agent -> claims-mapper:8442 over TCP passes: true, expected false", "egress"},
		{agentCalls, `(list "verifier" "credential-authority" "key-store") (eq .Values.mechanism "A")`, "agent -> key-store:8444 over TCP passes: true, expected false", "egress"},
		{agentCalls, `(list "verifier") (eq .Values.mechanism "A")`, "agent -> credential-authority:8443 over TCP passes: false, expected true", "egress"},
		{calledByAgents, `list (or (eq $service "claims-mapper") (has $service (get $calls "agents")))`, "agent -> claims-mapper:8442 over TCP passes: true, expected false", "ingress"},
		{calledByAgents, `list (and (ne $service "credential-authority") (has $service (get $calls "agents")))`, "agent -> credential-authority:8443 over TCP passes: false, expected true", "ingress"},
		{scraped, "  - ports: [{port: 9464, protocol: TCP}, {port: 8440, protocol: TCP}]\n    from:", "scraper -> agent:8440 over TCP passes: true, expected false", "ingress"},
		{scraped, "  - ports: [{port: 8440, protocol: TCP}]\n    from:", "scraper -> agent:9464 over TCP passes: false, expected true", "ingress"},
	} {
		found := networkWrongsOfMutant(t, m.from, m.to)
		if !slices.ContainsFunc(found, func(line string) bool { return strings.HasPrefix(line, m.arrow+", by the "+m.side+" of ") }) {
			t.Errorf("%q -> %q: not noticed as %q by the %s, only: %q", m.from, m.to, m.arrow, m.side, found)
		}
		for _, line := range found {
			if !strings.Contains(line, ", by the "+m.side+" of ") {
				t.Errorf("%q -> %q is no mutant of the %s alone: %s", m.from, m.to, m.side, line)
			}
		}
	}
}

// networkWrongsOfMutant: what the arrows' check says when this text of a template, of the services or of the agent, is replaced.
func networkWrongsOfMutant(t *testing.T, from, to string) []string {
	t.Helper()
	services, team := loadChart(t, "twi"), loadTeam(t)
	target := services
	if !strings.Contains(allTemplates(services), from) {
		target = team
	}
	mutate(t, target, from, to)
	v := set(withMetrics(readValues(t, "deploy/kubernetes/values.yaml")), "networkPolicy.owners", []any{})
	rendered, rendering := renderObjects(t, services, "twi", "twi", v), renderObjects(t, team, "payroll", "payroll", agentMetrics(agentValues("B")))
	return networkWrongs(rendered, rendering, arrows{mechanisms: "ABCD", agent: "B", metrics: true})
}

// A rule without peers lets everybody in: D alone, without owners, is the case in which nobody calls the Credential Authority.
func TestAnOpenRuleIsNoticed(t *testing.T) {
	services := loadChart(t, "twi")
	mutate(t, services, "{{- if or $callers $peers }}", "{{- if true }}")
	v := set(set(readValues(t, "deploy/kubernetes/values.yaml"), "mechanisms", split("D")), "networkPolicy.owners", []any{})
	rendered, team := renderObjects(t, services, "twi", "twi", v), renderObjects(t, loadTeam(t), "payroll", "payroll", agentValues("D"))
	found := strings.Join(networkWrongs(rendered, team, arrows{mechanisms: "D", agent: "D"}), "\n")
	if !strings.Contains(found, "a stranger beside the services -> credential-authority:8443 over TCP passes: true, expected false") {
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
