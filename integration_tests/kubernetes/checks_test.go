package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// Each check returns what is wrong; the tests expect nothing, the mutation tests something.

type pod struct {
	name string
	meta metav1.ObjectMeta
	spec corev1.PodSpec
}

func (o *objects) pods() []pod {
	var found []pod
	for _, s := range o.statefulSets {
		found = append(found, pod{s.Name, s.Spec.Template.ObjectMeta, s.Spec.Template.Spec})
	}
	for _, d := range o.deployments {
		found = append(found, pod{d.Name, d.Spec.Template.ObjectMeta, d.Spec.Template.Spec})
	}
	return found
}

// podSecurity is Kubernetes' own judgement of each pod at a level.
func podSecurity(o *objects, level api.Level) []string {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	for _, p := range o.pods() {
		results := policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &p.meta, &p.spec))
		if !results.Allowed {
			wrong = append(wrong, fmt.Sprintf("%s: %s", p.name, results.ForbiddenDetail()))
		}
	}
	return wrong
}

// hardening is what Pod Security does not ask for.
func hardening(o *objects) []string {
	var wrong []string
	for _, p := range o.pods() {
		if p.spec.AutomountServiceAccountToken == nil || *p.spec.AutomountServiceAccountToken {
			wrong = append(wrong, p.name+": has a service account token")
		}
		for _, c := range append(slices.Clone(p.spec.InitContainers), p.spec.Containers...) {
			if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
				wrong = append(wrong, fmt.Sprintf("%s/%s: a writable root", p.name, c.Name))
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				wrong = append(wrong, fmt.Sprintf("%s/%s: no resource requests or memory limit", p.name, c.Name))
			}
			if strings.HasSuffix(c.Image, ":") || strings.HasSuffix(c.Image, ":latest") || !strings.ContainsAny(c.Image, ":@") {
				wrong = append(wrong, fmt.Sprintf("%s/%s: the image %q is no version", p.name, c.Name, c.Image))
			}
		}
		for _, v := range p.spec.Volumes {
			if v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory {
				wrong = append(wrong, fmt.Sprintf("%s: volume %s is on a disk", p.name, v.Name))
			}
		}
	}
	for _, a := range o.accounts {
		if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
			wrong = append(wrong, a.Name+": account hands out tokens")
		}
	}
	return wrong
}

// daemons: what a StatefulSet of a service must have, and that all names that point to something point to it.
func daemons(o *objects) []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	accounts, maps_ := map[string]bool{}, map[string]map[string]string{}
	for _, a := range o.accounts {
		accounts[a.Name] = true
	}
	for _, m := range o.configMaps {
		maps_[m.Name] = m.Data
	}
	for _, s := range o.statefulSets {
		template := s.Spec.Template
		selector := labels.SelectorFromSet(s.Spec.Selector.MatchLabels)
		if !selector.Matches(labels.Set(template.Labels)) {
			say("%s: its selector does not match its pods", s.Name)
		}
		if *s.Spec.Replicas != 1 {
			say("%s: %d replicas of a store that is one SQLite file", s.Name, *s.Spec.Replicas)
		}
		if len(s.Spec.VolumeClaimTemplates) != 1 || s.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted != "Retain" {
			say("%s: no store that outlives it", s.Name)
		}
		if !accounts[template.Spec.ServiceAccountName] {
			say("%s: no account %s", s.Name, template.Spec.ServiceAccountName)
		}
		if !slices.ContainsFunc(o.budgets, func(b *policyv1.PodDisruptionBudget) bool {
			return labels.SelectorFromSet(b.Spec.Selector.MatchLabels).Matches(labels.Set(template.Labels)) && b.Spec.MaxUnavailable != nil && b.Spec.MaxUnavailable.IntValue() == 1
		}) {
			say("%s: no PodDisruptionBudget that lets a node be drained", s.Name)
		}
		served := slices.IndexFunc(o.services, func(c *corev1.Service) bool { return c.Name == s.Spec.ServiceName })
		if served < 0 || !labels.SelectorFromSet(o.services[served].Spec.Selector).Matches(labels.Set(template.Labels)) {
			say("%s: its Service does not select its pods", s.Name)
		}
		if f := template.Spec.SecurityContext.FSGroupChangePolicy; f == nil || *f != corev1.FSGroupChangeOnRootMismatch {
			say("%s: the database would be opened to the group", s.Name)
		}
		container := template.Spec.Containers[0]
		wrong = append(wrong, probes(s.Name, &container)...)
		config := ""
		for _, v := range template.Spec.Volumes {
			if v.ConfigMap != nil {
				data, is := maps_[v.ConfigMap.Name]
				if !is {
					say("%s: no ConfigMap %s", s.Name, v.ConfigMap.Name)
				}
				config = data[strings.TrimPrefix(container.Args[1], "/etc/twi/config/")]
			}
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0440) {
				say("%s: Secret %s may be read by others", s.Name, v.Secret.SecretName)
			}
		}
		wrong = append(wrong, drains(s.Name, template.Spec, config)...)
	}
	return wrong
}

// rolls: of two renderings, a service's pods are the same exactly when its files are.
func rolls(one, other *objects) []string {
	var wrong []string
	files := func(o *objects, name string) map[string]string {
		at := slices.IndexFunc(o.configMaps, func(m *corev1.ConfigMap) bool { return m.Name == name })
		return o.configMaps[at].Data
	}
	for _, s := range one.statefulSets {
		for _, r := range other.statefulSets {
			same := maps.Equal(files(one, s.Name), files(other, r.Name))
			const key = "checksum/config"
			if s.Name == r.Name && (s.Spec.Template.Annotations[key] == r.Spec.Template.Annotations[key]) != same {
				wrong = append(wrong, fmt.Sprintf("%s: files are the same: %v, checksums are not so", s.Name, same))
			}
		}
	}
	return wrong
}

func probes(name string, c *corev1.Container) []string {
	var wrong []string
	for question, probe := range map[string]*corev1.Probe{"started": c.StartupProbe, "ready": c.ReadinessProbe, "live": c.LivenessProbe} {
		if probe == nil || probe.Exec == nil || !slices.Equal(probe.Exec.Command[1:], []string{"--config", c.Args[1], "--probe", question}) {
			wrong = append(wrong, fmt.Sprintf("%s: its %s probe does not ask that", name, question))
		} else if probe.TimeoutSeconds < 5 { // the program itself gives up after 4 s
			wrong = append(wrong, fmt.Sprintf("%s: its %s probe is cut off", name, question))
		}
	}
	return wrong
}

// drains: the grace period must hold the wait before SIGTERM, the daemon's own drain and a margin.
func drains(name string, spec corev1.PodSpec, config string) []string {
	var read struct {
		Server struct {
			DrainTimeout string `json:"drain_timeout"`
		}
	}
	if err := yaml.Unmarshal([]byte(config), &read); err != nil {
		return []string{err.Error()}
	}
	drain, err := time.ParseDuration(read.Server.DrainTimeout)
	hook := spec.Containers[0].Lifecycle
	if err != nil || hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil {
		return []string{name + ": no drain"}
	}
	needed := time.Duration(hook.PreStop.Sleep.Seconds)*time.Second + drain + 5*time.Second
	if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < needed {
		return []string{fmt.Sprintf("%s: %s of grace, needs %s", name, grace, needed)}
	}
	return nil
}

// sidecar: the agent is a native sidecar that starts before the workload, and its credential is in memory and nowhere else.
func sidecar(p pod, mountPath string) []string {
	var wrong []string
	agent := slices.IndexFunc(p.spec.InitContainers, func(c corev1.Container) bool { return c.Name == "twi-agent" })
	if agent < 0 {
		return []string{p.name + ": no agent"}
	}
	c := p.spec.InitContainers[agent]
	if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		wrong = append(wrong, p.name+": the agent is no native sidecar")
	}
	if c.StartupProbe == nil || c.StartupProbe.Exec.Command[len(c.StartupProbe.Exec.Command)-1] != "started" {
		wrong = append(wrong, p.name+": the workload does not wait for a credential")
	}
	if p.meta.Labels["twi/agent"] != "true" {
		wrong = append(wrong, p.name+": no label twi/agent")
	}
	byName := map[string]corev1.Volume{}
	for _, v := range p.spec.Volumes {
		byName[v.Name] = v
		if v.Secret != nil {
			wrong = append(wrong, p.name+": a Secret")
		}
	}
	for _, holder := range []corev1.Container{c, p.spec.Containers[0]} {
		mount := slices.IndexFunc(holder.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == mountPath })
		if mount < 0 {
			wrong = append(wrong, fmt.Sprintf("%s/%s: %s is not mounted", p.name, holder.Name, mountPath))
			continue
		}
		if v := byName[holder.VolumeMounts[mount].Name]; v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory {
			wrong = append(wrong, fmt.Sprintf("%s/%s: the credential is not in memory", p.name, holder.Name))
		}
		if readOnly := holder.VolumeMounts[mount].ReadOnly; readOnly != (holder.Name != "twi-agent") {
			wrong = append(wrong, fmt.Sprintf("%s/%s: read-only is %v", p.name, holder.Name, readOnly))
		}
		for _, m := range holder.VolumeMounts {
			if _, is := byName[m.Name]; !is {
				wrong = append(wrong, fmt.Sprintf("%s/%s: no volume %s", p.name, holder.Name, m.Name))
			}
		}
	}
	return wrong
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
