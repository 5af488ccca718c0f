package kubernetes

import (
	"fmt"
	"net/netip"
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
// The tables that people read say the same: documented_test.go compares them with this one.
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

// An endpoint is a pod, or, with an address, something that no selector of pods can name.
type endpoint struct {
	name, namespace string
	labels          labels.Set
	address         string
}

// namespaces and their labels.
var namespaces = map[string]labels.Set{
	"twi":         {"kubernetes.io/metadata.name": "twi"},
	"payroll":     {"kubernetes.io/metadata.name": "payroll", "twi/agents": "true"},
	"ledger":      {"kubernetes.io/metadata.name": "ledger", "twi/agents": "true"},
	"elsewhere":   {"kubernetes.io/metadata.name": "elsewhere"},
	"twi-owners":  {"kubernetes.io/metadata.name": "twi-owners"},
	"monitoring":  {"kubernetes.io/metadata.name": "monitoring"},
	"kube-system": {"kubernetes.io/metadata.name": "kube-system"},
}

func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	if len(selector.MatchExpressions) == 0 { // the common case, a hundred times faster
		for key, value := range selector.MatchLabels {
			if seen, is := set[key]; !is || seen != value {
				return false
			}
		}
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

func inBlock(b *networkingv1.IPBlock, address string) bool {
	at, err := netip.ParseAddr(address)
	in := func(cidr string) bool {
		prefix, bad := netip.ParsePrefix(cidr)
		return bad == nil && prefix.Contains(at)
	}
	return err == nil && in(b.CIDR) && !slices.ContainsFunc(b.Except, in)
}

// allowedBy: does a rule's list of peers and ports have this one? The semantics of networking.k8s.io/v1; an ipBlock is for what is no pod (for pods it depends on the network plugin).
func allowedBy(peers []networkingv1.NetworkPolicyPeer, rulePorts []networkingv1.NetworkPolicyPort, home string, other endpoint, port int, protocol string) bool {
	if len(rulePorts) > 0 && !slices.ContainsFunc(rulePorts, func(p networkingv1.NetworkPolicyPort) bool {
		in := p.Port == nil || p.Port.IntValue() == port || p.EndPort != nil && p.Port.IntValue() <= port && port <= int(*p.EndPort)
		return in && (p.Protocol == nil && protocol == "TCP" || p.Protocol != nil && string(*p.Protocol) == protocol)
	}) {
		return false
	}
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil || other.address != "" {
			return p.IPBlock != nil && inBlock(p.IPBlock, other.address)
		}
		inNamespace := p.NamespaceSelector == nil && other.namespace == home || p.NamespaceSelector != nil && selects(p.NamespaceSelector, namespaces[other.namespace])
		return inNamespace && (p.PodSelector == nil || selects(p.PodSelector, other.labels))
	})
}

const (
	egress  = networkingv1.PolicyTypeEgress  // the caller's side
	ingress = networkingv1.PolicyTypeIngress // the side of who is called
)

// isolating: the policies that are for this endpoint in this direction. Where there is none, everything is allowed.
func isolating(policies []*networkingv1.NetworkPolicy, subject endpoint, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for _, p := range policies {
		if p.Namespace == subject.namespace && slices.Contains(p.Spec.PolicyTypes, direction) && selects(&p.Spec.PodSelector, subject.labels) {
			found = append(found, p)
		}
	}
	return found
}

// allows: does one side, with the policies that isolate it, allow the connection with `other`? What the other side says is not asked.
func allows(isolating []*networkingv1.NetworkPolicy, direction networkingv1.PolicyType, other endpoint, port int, protocol string) bool {
	for _, p := range isolating {
		if direction == ingress {
			for _, rule := range p.Spec.Ingress {
				if allowedBy(rule.From, rule.Ports, p.Namespace, other, port, protocol) {
					return true
				}
			}
			continue
		}
		for _, rule := range p.Spec.Egress {
			if allowedBy(rule.To, rule.Ports, p.Namespace, other, port, protocol) {
				return true
			}
		}
	}
	return len(isolating) == 0
}

// passes: may `from` open a connection to `to`? Both sides must allow it.
func passes(policies []*networkingv1.NetworkPolicy, from, to endpoint, port int, protocol string) bool {
	return allows(isolating(policies, from, egress), egress, to, port, protocol) && allows(isolating(policies, to, ingress), ingress, from, port, protocol)
}

// arrows: what a rendering is for.
type arrows struct {
	mechanisms, agent string // of the services; of the team's agents
	owners, byAddress bool   // networkPolicy.owners names the pods `twictl`; or 10.0.0.0/8 without 10.9.0.0/16
	rest, maps        bool   // withRest: verifier.rest, networkPolicy.relyingParties; mapsClaims
	metrics           bool   // withMetrics, agentMetrics
	nodeDNS           bool   // networkPolicy.dns names 169.254.20.10 too
}

const (
	restPort    = 8451
	metricsPort = 9464
)

func isService(e endpoint) bool { _, is := ports[e.name]; return is }

// ours: a service, or the check of its config before an upgrade.
func ours(e endpoint) bool { _, is := ports[strings.TrimSuffix(e.name, "-check")]; return is }

// expectsEgress: what the tables say about the caller's side alone. Who is neither a service nor an agent is nothing of ours: no policy may be for it.
func (a arrows) expectsEgress(from, to endpoint, port int, protocol string) bool {
	if !ours(from) && from.name != "agent" {
		return true
	}
	mechanisms := a.mechanisms
	if from.name == "agent" {
		mechanisms = a.agent
	}
	if to.name == "dns" || to.name == "node-local dns" && a.nodeDNS {
		return port == 53 && callsAnybody(from.name, mechanisms)
	}
	return protocol == "TCP" && port == ports[to.name] && calls(from.name, to.name, mechanisms)
}

// expectsIngress: what they say about the side of who is called. The services let in the agents of every mechanism that they serve. An agent's own policy is about its callers only where there are metrics.
func (a arrows) expectsIngress(from, to endpoint, port int, protocol string) bool {
	if !ours(to) && !(to.name == "agent" && a.metrics) {
		return true
	}
	caller := from.name
	switch {
	case from.namespace == "ledger":
		caller = "agent"
	case from.name == "owner" && !a.owners, from.name == "owner by address" && !a.byAddress:
		caller = "nobody"
	case from.name == "owner by address":
		caller = "owner"
	}
	return protocol == "TCP" && (port == ports[to.name] && calls(caller, to.name, a.mechanisms) ||
		a.rest && from.name == "relying party" && to.name == "verifier" && port == restPort ||
		a.maps && from.name == "relying party" && to.name == "claims-mapper" && port == ports["claims-mapper"] ||
		a.metrics && from.name == "scraper" && (isService(to) || to.name == "agent") && port == metricsPort)
}

// networkWrongs compares every pair of endpoints, on every port that counts, with the tables: the caller's side and the side of who is called each by itself. Of both together an excess on one
// side would not be seen as long as the other refuses, and the next change of that other one would open the arrow.
func networkWrongs(services, team *objects, a arrows) []string {
	policies := append(slices.Clone(services.policies), team.policies...)
	everybody := []endpoint{
		{name: "owner", namespace: "twi-owners", labels: labels.Set{"app": "twictl"}},
		{name: "another pod of the owners", namespace: "twi-owners", labels: labels.Set{"app": "web"}},
		{name: "relying party", namespace: "twi-owners", labels: labels.Set{"app": "gateway"}},
		{name: "scraper", namespace: "monitoring", labels: labels.Set{"app": "prometheus"}},
		{name: "a stranger beside the services", namespace: "twi", labels: labels.Set{"app": "web"}},
		{name: "a workload without an agent", namespace: "payroll", labels: labels.Set{"app": "web"}},
		{name: "an agent in a namespace that is not let in", namespace: "elsewhere", labels: labels.Set{"twi/agent": "true"}},
		{name: "an agent without a policy of its own", namespace: "ledger", labels: labels.Set{"twi/agent": "true"}},
		{name: "dns", namespace: "kube-system", labels: labels.Set{"k8s-app": "kube-dns"}},
		{name: "another pod of kube-system", namespace: "kube-system", labels: labels.Set{"k8s-app": "metrics"}},
		{name: "owner by address", address: "10.1.2.3"},
		{name: "an address that is excepted", address: "10.9.2.3"},
		{name: "node-local dns", address: "169.254.20.10"},
		{name: "the Internet", address: "203.0.113.9"},
		{name: "the Internet, IPv6", address: "2001:db8::9"},
	}
	for _, p := range services.pods() {
		everybody = append(everybody, endpoint{name: p.meta.Labels["app.kubernetes.io/name"], namespace: "twi", labels: p.meta.Labels})
	}
	for _, p := range team.pods() {
		everybody = append(everybody, endpoint{name: "agent", namespace: "payroll", labels: p.meta.Labels})
	}
	var wrong []string
	for _, subject := range everybody {
		for _, direction := range []networkingv1.PolicyType{egress, ingress} {
			wrong = append(wrong, a.sideWrongs(isolating(policies, subject, direction), subject, direction, everybody)...)
		}
	}
	return wrong
}

// sideWrongs: one side of one endpoint, with everybody else as the other end.
func (a arrows) sideWrongs(isolating []*networkingv1.NetworkPolicy, subject endpoint, direction networkingv1.PolicyType, everybody []endpoint) []string {
	var wrong []string
	for _, other := range everybody {
		if other.name == subject.name {
			continue
		}
		from, to, expects := subject, other, a.expectsEgress
		if direction == ingress {
			from, to, expects = other, subject, a.expectsIngress
		}
		for _, protocol := range []string{"TCP", "UDP"} {
			for _, port := range []int{1, 53, 443, 8440, 8441, 8442, 8443, 8444, 8445, restPort, metricsPort} {
				if seen, expected := allows(isolating, direction, other, port, protocol), expects(from, to, port, protocol); seen != expected {
					wrong = append(wrong, fmt.Sprintf("%s -> %s:%d over %s passes: %v, expected %v, by the %s of %s", from.name, to.name, port, protocol, seen, expected, strings.ToLower(string(direction)), subject.name))
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
	byAddress := []any{values{"ipBlock": values{"cidr": "10.0.0.0/8", "except": []any{"10.9.0.0/16"}}}}
	nodeDNS := []any{values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": "kube-system"}}, "podSelector": values{"matchLabels": values{"k8s-app": "kube-dns"}}},
		values{"ipBlock": values{"cidr": "169.254.20.10/32"}}}
	teams := map[string]*objects{}
	for name, c := range map[string]struct {
		v values
		a arrows
	}{
		"with owners":       {base, arrows{owners: true}},
		"without owners":    {set(base, "networkPolicy.owners", []any{}), arrows{}},
		"owners by address": {set(base, "networkPolicy.owners", byAddress), arrows{byAddress: true}},
		"with REST":         {withRest(base, false), arrows{owners: true, rest: true}},
		"with mapped REST":  {withRest(base, true), arrows{owners: true, rest: true, maps: true}},
		"with metrics":      {withMetrics(set(base, "networkPolicy.owners", []any{})), arrows{metrics: true}},
		"NodeLocal DNS":     {set(base, "networkPolicy.dns", nodeDNS), arrows{owners: true, nodeDNS: true}},
	} {
		for _, mechanisms := range everySet("ABCD") {
			if c.a.nodeDNS && mechanisms != "ABCD" {
				continue // the agents' list is asked for too; once is enough
			}
			services := renderObjects(t, loadChart(t, "twi"), "twi", "twi", set(c.v, "mechanisms", split(mechanisms)))
			for _, wrong := range configWrongs(services, mechanisms) {
				t.Errorf("%s, %s: %s", name, mechanisms, wrong)
			}
			for _, mechanism := range strings.Split(mechanisms, "") {
				v := agentValues(mechanism)
				if c.a.nodeDNS {
					v = set(v, "twi-agent.networkPolicy.dns", nodeDNS)
				}
				if c.a.metrics {
					v = agentMetrics(v)
				}
				key := fmt.Sprint(v)
				team := teams[key]
				if team == nil {
					team = renderObjects(t, loadTeam(t), "payroll", "payroll", v)
					teams[key] = team
				}
				a := c.a
				a.mechanisms, a.agent = mechanisms, mechanism
				for _, wrong := range networkWrongs(services, team, a) {
					t.Errorf("%s, %s, agent %s: %s", name, mechanisms, mechanism, wrong)
				}
			}
		}
	}
}

// Selectors of others replace ours: nothing of the defaults is left beside them.
func TestSelectorsAreReplaced(t *testing.T) {
	base := readValues(t, "deploy/kubernetes/values.yaml")
	agents := []any{values{"namespaceSelector": values{"matchLabels": values{"team": "x"}}, "podSelector": values{"matchLabels": values{"app": "y"}}}}
	openShift := []any{values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": "openshift-dns"}}, "podSelector": values{"matchLabels": values{"dns.operator.openshift.io/daemonset-dns": "default"}}}}
	for name, v := range map[string]values{
		"replaced": set(set(base, "networkPolicy.agents", agents), "networkPolicy.dns", openShift),
		"nobody":   set(set(base, "networkPolicy.agents", []any{}), "networkPolicy.dns", openShift),
		"anywhere": set(set(base, "networkPolicy.agents", []any{values{"namespaceSelector": values{}, "podSelector": values{"matchLabels": values{"app": "y"}}}}), "networkPolicy.dns", openShift),
	} {
		rendered, err := render(loadChart(t, "twi"), "twi", "twi", v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		policies := rendered["twi/templates/networkpolicies.yaml"]
		for _, left := range []string{"twi/agents", "kube-system", "k8s-app"} {
			if strings.Contains(policies, left) {
				t.Errorf("%s: %s is left", name, left)
			}
		}
		if !strings.Contains(policies, "openshift-dns") || strings.Contains(policies, "app: \"y\"") != (name != "nobody") {
			t.Errorf("%s: not in force: %s", name, policies)
		}
		if notes := rendered["twi/templates/NOTES.txt"]; strings.Contains(notes, "nowhere") != (name == "nobody") {
			t.Errorf("%s: the notes say %s", name, notes)
		}
	}
}

// A NetworkPolicy is for a whole pod: without being asked for, the chart cuts no workload off.
func TestAWorkloadKeepsItsNetwork(t *testing.T) {
	asked := agentMetrics(agentValues("B"))
	delete(asked["twi-agent"].(values)["networkPolicy"].(values), "enabled")
	for _, v := range []values{set(agentValues("B"), "twi-agent.networkPolicy", values{}), asked} {
		if o := renderObjects(t, loadTeam(t), "payroll", "payroll", v); len(o.policies) > 0 {
			t.Errorf("%d policies, though none was asked for", len(o.policies))
		}
	}
	// An address with another port: the policy opens that one.
	v := set(agentValues("B"), "twi-agent.services", values{"verifier": "verifier.twi.svc:9000"})
	o := renderObjects(t, loadTeam(t), "payroll", "payroll", v)
	from := endpoint{name: "agent", namespace: "payroll", labels: o.pods()[0].meta.Labels}
	to := endpoint{name: "verifier", namespace: "twi", labels: labels.Set{"app.kubernetes.io/part-of": "twi", "app.kubernetes.io/name": "verifier"}}
	if !passes(o.policies, from, to, 9000, "TCP") || passes(o.policies, from, to, 8441, "TCP") {
		t.Error("the policy does not follow services.verifier")
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
		from := endpoint{name: "agent", namespace: "payroll", labels: c.team.pods()[0].meta.Labels}
		at := slices.IndexFunc(services.pods(), func(p pod) bool { return p.meta.Labels["app.kubernetes.io/name"] == c.callee })
		to := endpoint{name: c.callee, namespace: "twi", labels: services.pods()[at].meta.Labels}
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
