// Netpol enforces NetworkPolicies on a cluster of one node with nftables: what a network plugin does, for plugins that leave it out (ptp). It lists pods, namespaces and policies five
// times a second and writes one table anew whenever what follows from them has changed. An address of the pods' range that it does not know (yet) reaches nothing and is reached by nothing. What it
// does not understand (named ports, IPv6, SCTP) ends it: the table that it has written stays.
//
//	netpol --kubeconfig FILE --pods CIDR --addresses DIR
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type cluster struct {
	pods       []corev1.Pod // that have an address of their own
	namespaces map[string]labels.Set
	policies   []networkingv1.NetworkPolicy
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if os.Getenv("CNI_COMMAND") != "" {
		plugin()
		return
	}
	kubeconfig := flag.String("kubeconfig", "", "")
	podRange := flag.String("pods", "", "the pods' addresses")
	folder := flag.String("addresses", "", "where the plugin says which pod has which (plugin.go)")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS = -1
	client := kubernetes.NewForConfigOrDie(config)
	for written := ""; ; time.Sleep(200 * time.Millisecond) {
		seen, err := read(client, *folder)
		if err != nil {
			log.Print(err) // the table stands as it is
			continue
		}
		table, err := rules(seen, *podRange)
		if err != nil {
			log.Fatal(err)
		}
		if table == written {
			continue
		}
		nft := exec.Command("nft", "-f", "-")
		nft.Stdin = strings.NewReader(table)
		if said, err := nft.CombinedOutput(); err != nil {
			log.Fatalf("nft: %v: %s\n%s", err, said, table)
		}
		known := []string{}
		for _, pod := range seen.pods {
			known = append(known, pod.Status.PodIP)
		}
		if err := say(*folder, known); err != nil {
			log.Fatal(err)
		}
		log.Printf("%d pods, %d policies", len(seen.pods), len(seen.policies))
		written = table
	}
}

func read(client *kubernetes.Clientset, folder string) (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	seen := &cluster{namespaces: map[string]labels.Set{}}
	policies, err := client.NetworkingV1().NetworkPolicies("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	seen.policies = policies.Items
	namespaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, namespace := range namespaces.Items {
		seen.namespaces[namespace.Name] = namespace.Labels
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, pod := range pods.Items {
		if pod.Status.PodIP == "" {
			pod.Status.PodIP = given(folder, string(pod.UID))
		}
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !ended {
			seen.pods = append(seen.pods, pod)
		}
	}
	return seen, nil
}

// rules is the whole table. Of a new connection first its source must let it out, then its destination let it in; "return" says that one of the two does.
func rules(c *cluster, podRange string) (string, error) {
	known := []string{}
	chains, jumps := &strings.Builder{}, map[string]*strings.Builder{"egress": {}, "ingress": {}}
	for _, pod := range c.pods {
		known = append(known, pod.Status.PodIP)
		for direction, own := range map[string]string{"egress": "saddr", "ingress": "daddr"} {
			lines, isolated, err := c.allowed(&pod, direction)
			if err != nil {
				return "", err
			}
			if !isolated {
				continue
			}
			chain := direction + "_" + strings.ReplaceAll(pod.Status.PodIP, ".", "_")
			fmt.Fprintf(jumps[direction], "    ip %s %s jump %s\n", own, pod.Status.PodIP, chain)
			fmt.Fprintf(chains, "  chain %s { # %s/%s\n", chain, pod.Namespace, pod.Name)
			for _, line := range lines {
				fmt.Fprintf(chains, "    %s return\n", line)
			}
			fmt.Fprintf(chains, "    counter drop\n  }\n")
		}
	}
	unknown := ""
	if set := addresses(known); set != "" {
		unknown = fmt.Sprintf("    ip saddr %[1]s ip saddr != %[2]s drop\n    ip daddr %[1]s ip daddr != %[2]s drop\n", podRange, set)
	}
	lines := strings.SplitAfter(chains.String(), "  }\n") // a map has no order, and the same cluster is to be the same text
	slices.Sort(lines)
	return fmt.Sprintf("add table inet netpol\ndelete table inet netpol\ntable inet netpol {\n%s  chain egress {\n%s  }\n  chain ingress {\n%s  }\n"+
		"  chain forward {\n    type filter hook forward priority 0; policy accept;\n    ct state established,related accept\n%s    jump egress\n    jump ingress\n  }\n"+
		"  chain input { # to the node itself, where the API server is\n    type filter hook input priority 0; policy accept;\n    ct state established,related accept\n    jump egress\n  }\n}\n",
		strings.Join(lines, ""), jumps["egress"], jumps["ingress"], unknown), nil
}

// allowed: what all policies together let out of the pod, or in; and whether any policy is for it at all in this direction.
func (c *cluster) allowed(pod *corev1.Pod, direction string) (lines []string, isolated bool, err error) {
	for _, policy := range c.policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil {
			return nil, false, err
		}
		if policy.Namespace != pod.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if !slices.ContainsFunc(policy.Spec.PolicyTypes, func(t networkingv1.PolicyType) bool { return strings.EqualFold(string(t), direction) }) {
			continue // the API server sets the types where they are not written
		}
		isolated = true
		if direction == "egress" {
			for _, rule := range policy.Spec.Egress {
				if lines, err = c.add(lines, &policy, "daddr", rule.To, rule.Ports); err != nil {
					return nil, false, err
				}
			}
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			if lines, err = c.add(lines, &policy, "saddr", rule.From, rule.Ports); err != nil {
				return nil, false, err
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), isolated, nil
}

func (c *cluster) add(lines []string, policy *networkingv1.NetworkPolicy, other string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) ([]string, error) {
	froms, err := c.peers(policy, other, peers)
	if err != nil {
		return nil, err
	}
	matches := []string{}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if protocol == corev1.ProtocolSCTP || (port.Port != nil && port.Port.StrVal != "") {
			return nil, fmt.Errorf("%s/%s: only ports by number, of TCP and UDP", policy.Namespace, policy.Name)
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			matches = append(matches, "meta l4proto "+name)
		case port.EndPort != nil:
			matches = append(matches, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		default:
			matches = append(matches, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		}
	}
	if len(ports) == 0 {
		matches = []string{""}
	}
	for _, from := range froms {
		for _, match := range matches {
			lines = append(lines, strings.TrimSpace(from+" "+match))
		}
	}
	return lines, nil
}

// peers: matches of an address. No peers at all are everybody; peers that nobody is are nobody.
func (c *cluster) peers(policy *networkingv1.NetworkPolicy, other string, peers []networkingv1.NetworkPolicyPeer) ([]string, error) {
	if len(peers) == 0 {
		return []string{""}, nil
	}
	matches, found := []string{}, []string{}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			match := fmt.Sprintf("ip %s %s", other, peer.IPBlock.CIDR)
			if set := addresses(peer.IPBlock.Except); set != "" {
				match += fmt.Sprintf(" ip %s != %s", other, set)
			}
			matches = append(matches, match)
			continue
		}
		pods, err := selectorOr(peer.PodSelector, labels.Everything())
		if err != nil {
			return nil, err
		}
		namespaces, err := selectorOr(peer.NamespaceSelector, labels.Everything())
		if err != nil {
			return nil, err
		}
		for _, pod := range c.pods {
			there := pod.Namespace == policy.Namespace
			if peer.NamespaceSelector != nil {
				there = namespaces.Matches(c.namespaces[pod.Namespace])
			}
			if there && pods.Matches(labels.Set(pod.Labels)) {
				found = append(found, pod.Status.PodIP)
			}
		}
	}
	if set := addresses(found); set != "" {
		matches = append(matches, fmt.Sprintf("ip %s %s", other, set))
	}
	return matches, nil
}

func selectorOr(selector *metav1.LabelSelector, none labels.Selector) (labels.Selector, error) {
	if selector == nil {
		return none, nil
	}
	return metav1.LabelSelectorAsSelector(selector)
}

func addresses(all []string) string {
	if len(all) == 0 {
		return ""
	}
	all = slices.Clone(all)
	slices.Sort(all)
	return "{ " + strings.Join(slices.Compact(all), ", ") + " }"
}
