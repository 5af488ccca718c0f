package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

var ports = map[string]int{"verifier": 8441, "claims-mapper": 8442, "credential-authority": 8443, "key-store": 8444}

// Who calls whom, and for which mechanisms: the arrows of the architecture (README, "The picture" and "Which mechanism"). What is not here must not pass.
var table = []struct{ caller, callee, mechanisms string }{
	{"agent", "verifier", "ABCD"},                     // A4 B3 D3; C: the Verifier's encryption key
	{"agent", "credential-authority", "BC"},           // B8 C4
	{"agent", "key-store", "D"},                       // D5
	{"verifier", "claims-mapper", "A"},                // A6
	{"verifier", "credential-authority", "A"},         // A7
	{"credential-authority", "verifier", "ABC"},       // results keys; C5
	{"credential-authority", "claims-mapper", "ABCD"}, // grant keys, policy versions; B9 C9
	{"credential-authority", "key-store", "D"},        // keys of counter-signatures, P6
	{"claims-mapper", "verifier", "ABCD"},             // results keys
	{"key-store", "verifier", "D"},                    // results keys, D6
	{"owner", "claims-mapper", "ABCD"},                // policies; P1
	{"owner", "credential-authority", "ABCD"},         // issuance records; P6
	{"owner", "key-store", "D"},                       // P3
}

// calls: does the table have this arrow for a set of mechanisms?
func calls(caller, callee, mechanisms string) bool {
	for _, row := range table {
		if row.caller == caller && row.callee == callee && strings.ContainsAny(row.mechanisms, mechanisms) {
			return true
		}
	}
	return false
}

// callsAnybody: only who calls a service needs a name of it resolved.
func callsAnybody(caller, mechanisms string) bool {
	for callee := range ports {
		if calls(caller, callee, mechanisms) {
			return true
		}
	}
	return false
}

type endpoint struct {
	name, namespace string
	labels          labels.Set
}

// namespaces and their labels.
var namespaces = map[string]labels.Set{
	"twi":         {"kubernetes.io/metadata.name": "twi"},
	"payroll":     {"kubernetes.io/metadata.name": "payroll", "twi/agents": "true"},
	"ledger":      {"kubernetes.io/metadata.name": "ledger", "twi/agents": "true"},
	"elsewhere":   {"kubernetes.io/metadata.name": "elsewhere"},
	"twi-owners":  {"kubernetes.io/metadata.name": "twi-owners"},
	"kube-system": {"kubernetes.io/metadata.name": "kube-system"},
}

func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

// allowedBy: does a rule's list of peers and ports have this one? The semantics of networking.k8s.io/v1; an ipBlock names no pod.
func allowedBy(peers []networkingv1.NetworkPolicyPeer, rulePorts []networkingv1.NetworkPolicyPort, home string, other endpoint, port int, protocol string) bool {
	if len(rulePorts) > 0 && !slices.ContainsFunc(rulePorts, func(p networkingv1.NetworkPolicyPort) bool {
		return (p.Port == nil || p.Port.IntValue() == port) && (p.Protocol == nil && protocol == "TCP" || p.Protocol != nil && string(*p.Protocol) == protocol)
	}) {
		return false
	}
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return false
		}
		inNamespace := p.NamespaceSelector == nil && other.namespace == home || p.NamespaceSelector != nil && selects(p.NamespaceSelector, namespaces[other.namespace])
		return inNamespace && (p.PodSelector == nil || selects(p.PodSelector, other.labels))
	})
}

// passes: may `from` open a connection to `to`? Both sides must allow it; a side that no policy isolates allows everything.
func passes(policies []*networkingv1.NetworkPolicy, from, to endpoint, port int, protocol string) bool {
	side := func(subject, other endpoint, direction networkingv1.PolicyType) bool {
		isolated := false
		for _, p := range policies {
			if p.Namespace != subject.namespace || !selects(&p.Spec.PodSelector, subject.labels) || !slices.Contains(p.Spec.PolicyTypes, direction) {
				continue
			}
			isolated = true
			if direction == networkingv1.PolicyTypeIngress {
				for _, rule := range p.Spec.Ingress {
					if allowedBy(rule.From, rule.Ports, p.Namespace, other, port, protocol) {
						return true
					}
				}
			} else {
				for _, rule := range p.Spec.Egress {
					if allowedBy(rule.To, rule.Ports, p.Namespace, other, port, protocol) {
						return true
					}
				}
			}
		}
		return !isolated
	}
	return side(from, to, networkingv1.PolicyTypeEgress) && side(to, from, networkingv1.PolicyTypeIngress)
}

// arrows: what a rendering is for.
type arrows struct {
	mechanisms, agent string // of the services; of the team's agents
	owners, rest      bool   // networkPolicy.owners names the pods `twictl`; withRest
}

const restPort = 8451

// networkWrongs compares every pair of pods, on every service's port, with the table.
func networkWrongs(services, team *objects, a arrows) []string {
	policies := append(slices.Clone(services.policies), team.policies...)
	everybody := []endpoint{
		{"owner", "twi-owners", labels.Set{"app": "twictl"}},
		{"another pod of the owners", "twi-owners", labels.Set{"app": "web"}},
		{"relying party", "twi-owners", labels.Set{"app": "gateway"}},
		{"a stranger beside the services", "twi", labels.Set{"app": "web"}},
		{"a workload without an agent", "payroll", labels.Set{"app": "web"}},
		{"an agent in a namespace that is not let in", "elsewhere", labels.Set{"twi/agent": "true"}},
		{"an agent without a policy of its own", "ledger", labels.Set{"twi/agent": "true"}},
		{"dns", "kube-system", labels.Set{"k8s-app": "kube-dns"}},
		{"another pod of kube-system", "kube-system", labels.Set{"k8s-app": "metrics"}},
	}
	for _, p := range services.pods() {
		everybody = append(everybody, endpoint{p.meta.Labels["app.kubernetes.io/name"], "twi", p.meta.Labels})
	}
	for _, p := range team.pods() {
		everybody = append(everybody, endpoint{"agent", "payroll", p.meta.Labels})
	}
	var wrong []string
	for _, from := range everybody {
		for _, to := range everybody {
			_, isService := ports[to.name]
			_, fromService := ports[from.name]
			if from.name == to.name || !(isService || fromService || from.name == "agent") {
				continue // neither end is ours
			}
			for _, port := range []int{53, 80, 443, 8441, 8442, 8443, 8444, restPort} {
				caller, mechanismsOf := from.name, a.mechanisms
				if from.name == "agent" {
					mechanismsOf = a.agent
				} else if from.namespace == "ledger" { // the services' side alone
					caller = "agent"
				} else if from.name == "owner" && !a.owners {
					caller = "nobody"
				}
				expected := isService && port == ports[to.name] && calls(caller, to.name, mechanismsOf) || to.name == "dns" && port == 53 && callsAnybody(from.name, mechanismsOf) ||
					a.rest && from.name == "relying party" && to.name == "verifier" && port == restPort
				if seen := passes(policies, from, to, port, "TCP"); seen != expected {
					wrong = append(wrong, fmt.Sprintf("%s -> %s:%d passes: %v, expected %v", from.name, to.name, port, seen, expected))
				}
			}
		}
	}
	return wrong
}

// configWrongs: the peers in each daemon's config are the callees of the table, at the addresses of the Services.
func configWrongs(o *objects, mechanisms string) []string {
	var wrong []string
	for _, m := range o.configMaps {
		caller := m.Labels["app.kubernetes.io/name"]
		seen := map[string]bool{}
		var config any
		if err := yaml.Unmarshal([]byte(m.Data[strings.ReplaceAll(caller, "-", "_")+".yaml"]), &config); err != nil {
			return []string{err.Error()}
		}
		addresses(config, seen)
		for callee, port := range ports {
			address := fmt.Sprintf("twi-%s.twi.svc:%d spiffe://example.org/twi/%s", callee, port, callee)
			if seen[address] != calls(caller, callee, mechanisms) {
				wrong = append(wrong, fmt.Sprintf("config of %s: has %s: %v, expected %v", caller, callee, seen[address], !seen[address]))
			}
			delete(seen, address)
		}
		for left := range seen {
			wrong = append(wrong, fmt.Sprintf("config of %s: unknown peer %s", caller, left))
		}
	}
	return wrong
}

func addresses(node any, found map[string]bool) {
	switch typed := node.(type) {
	case map[string]any:
		if address, is := typed["address"].(string); is {
			found[fmt.Sprintf("%s %v", address, typed["spiffe_id"])] = true
		}
		for _, inner := range typed {
			addresses(inner, found)
		}
	case []any:
		for _, inner := range typed {
			addresses(inner, found)
		}
	}
}

func TestNetworkPoliciesAreTheArrowsOfTheArchitecture(t *testing.T) {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	for name, c := range map[string]struct {
		v            values
		owners, rest bool
	}{
		"with owners":    {base, true, false},
		"without owners": {set(base, "networkPolicy.owners", []any{}), false, false},
		"with REST":      {withRest(base), true, true},
	} {
		for _, mechanisms := range everySet("ABCD") {
			services := renderObjects(t, loadChart(t, "twi"), "twi", "twi", set(c.v, "mechanisms", split(mechanisms)))
			for _, wrong := range configWrongs(services, mechanisms) {
				t.Errorf("%s, %s: %s", name, mechanisms, wrong)
			}
			for _, mechanism := range strings.Split(mechanisms, "") {
				team := renderObjects(t, loadTeam(t), "payroll", "payroll", agentValues(mechanism))
				for _, wrong := range networkWrongs(services, team, arrows{mechanisms, mechanism, c.owners, c.rest}) {
					t.Errorf("%s, %s, agent %s: %s", name, mechanisms, mechanism, wrong)
				}
			}
		}
	}
}

// Two releases of a team in one namespace: the policy of one opens nothing for the agents of the other.
func TestAReleasesPolicyIsForItsOwnAgents(t *testing.T) {
	services := renderObjects(t, loadChart(t, "twi"), "twi", "twi", readValues(t, "deploy/kubernetes/values.yaml"))
	worker := renderObjects(t, loadTeam(t), "worker", "payroll", agentValues("B"))
	batch := renderObjects(t, loadTeam(t), "batch", "payroll", agentValues("D"))
	policies := slices.Concat(services.policies, worker.policies, batch.policies)
	for _, c := range []struct {
		team   *objects
		callee string
		passes bool
	}{
		{worker, "credential-authority", true},
		{worker, "key-store", false},
		{batch, "key-store", true},
		{batch, "credential-authority", false},
	} {
		from := endpoint{"agent", "payroll", c.team.pods()[0].meta.Labels}
		at := slices.IndexFunc(services.pods(), func(p pod) bool { return p.meta.Labels["app.kubernetes.io/name"] == c.callee })
		to := endpoint{c.callee, "twi", services.pods()[at].meta.Labels}
		if seen := passes(policies, from, to, ports[c.callee], "TCP"); seen != c.passes {
			t.Errorf("the agent of %s reaches %s: %v, expected %v", c.team.pods()[0].name, c.callee, seen, c.passes)
		}
	}
}

// everySet: all subsets but the empty one.
func everySet(letters string) []string {
	var sets []string
	for bits := 1; bits < 1<<len(letters); bits++ {
		subset := ""
		for i, letter := range letters {
			if bits>>i&1 == 1 {
				subset += string(letter)
			}
		}
		sets = append(sets, subset)
	}
	return sets
}

func split(letters string) []any {
	var list []any
	for _, letter := range letters {
		list = append(list, string(letter))
	}
	return list
}
