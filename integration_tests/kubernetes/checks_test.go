package kubernetes

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
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
	for _, j := range o.jobs {
		found = append(found, pod{j.Name, j.Spec.Template.ObjectMeta, j.Spec.Template.Spec})
	}
	if o.hooks != nil {
		found = append(found, o.hooks.pods()...)
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
	if len(o.jobs) > 0 {
		say("%s: a Job that is no hook", o.jobs[0].Name)
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
		if template.Spec.EnableServiceLinks == nil || *template.Spec.EnableServiceLinks {
			say("%s: other Services in its environment", s.Name)
		}
		if s.Spec.PodManagementPolicy != "Parallel" {
			say("%s: a pod that is never ready is never replaced", s.Name)
		}
		container, service := template.Spec.Containers[0], template.Labels["app.kubernetes.io/name"]
		wrong = append(wrong, probes(s.Name, &container, "started", "ready", "live")...)
		for _, v := range template.Spec.Volumes {
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0440) {
				say("%s: Secret %s may be read by others", s.Name, v.Secret.SecretName)
			}
		}
		from := source(template.Spec, container, container.Args[1])
		config := maps_[s.Name][strings.TrimPrefix(from, "ConfigMap "+s.Name+": ")]
		if config == "" {
			say("%s: no ConfigMap with its config, but %s", s.Name, from)
			continue
		}
		wrong = append(wrong, files(s.Name, service, template.Spec, container, config, maps_, "claim store")...)
		if served >= 0 {
			wrong = append(wrong, listens(service, container, o.services[served], config)...)
		}
		wrong = append(wrong, drains(s.Name, template.Spec, config)...)
	}
	return slices.Concat(wrong, upgradeChecks(o), names(o))
}

// source: what stands at a path in a container: "Secret NAME: KEY", "ConfigMap NAME: KEY", "claim NAME: FILE", "memory: FILE", "hostPath: FILE", or "nothing".
func source(spec corev1.PodSpec, c corev1.Container, path string) string {
	var mount *corev1.VolumeMount
	for i, m := range c.VolumeMounts {
		if inside := path == m.MountPath || strings.HasPrefix(path, strings.TrimSuffix(m.MountPath, "/")+"/"); inside && (mount == nil || len(m.MountPath) > len(mount.MountPath)) {
			mount = &c.VolumeMounts[i]
		}
	}
	if mount == nil {
		return "nothing"
	}
	file := strings.TrimPrefix(strings.TrimPrefix(path, mount.MountPath), "/")
	if mount.SubPath != "" {
		file = mount.SubPath + " by subPath" + file
	}
	at := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
	if at < 0 {
		return "claim " + mount.Name + ": " + file
	}
	switch v := spec.Volumes[at]; {
	case v.Secret != nil:
		return "Secret " + v.Secret.SecretName + ": " + file
	case v.ConfigMap != nil:
		return "ConfigMap " + v.ConfigMap.Name + ": " + file
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		return "memory: " + file
	case v.HostPath != nil:
		return "hostPath: " + file
	default:
		return "another volume: " + file
	}
}

// pathsIn: every file that a config names, by the path of its field.
func pathsIn(node any, at string, found map[string]string) {
	switch typed := node.(type) {
	case map[string]any:
		for key, inner := range typed {
			pathsIn(inner, strings.TrimPrefix(at+"."+key, "."), found)
		}
	case []any:
		for i, inner := range typed {
			pathsIn(inner, fmt.Sprintf("%s[%d]", at, i), found)
		}
	case string:
		if path := strings.TrimPrefix(typed, "unix:"); strings.HasPrefix(path, "/") {
			found[at] = path
		}
	}
}

// files: each file that a daemon's config names is mounted from where it belongs: the service's own Secrets (deploy/kubernetes/values.yaml names them), its ConfigMap, its store.
func files(name, service string, spec corev1.PodSpec, c corev1.Container, config string, maps_ map[string]map[string]string, store string) []string {
	var parsed any
	if err := yaml.Unmarshal([]byte(config), &parsed); err != nil {
		return []string{err.Error()}
	}
	named, wrong := map[string]string{}, []string(nil)
	pathsIn(parsed, "", named)
	secrets := map[string]string{
		"storage.root_key_file":             "twi-" + service + "-root: root.key by subPath",
		"issuing.supplied_key_file":         "twi-issuing: tls.key",
		"issuing.supplied_certificate_file": "twi-issuing: tls.crt",
	}
	for section, secret := range map[string]string{"server": "twi-" + service + "-tls", "rest.http": "twi-" + service + "-tls", "server.metrics": "twi-metrics"} {
		for field, key := range map[string]string{"certificate_file": "tls.crt", "key_file": "tls.key", "trust_bundle_file": "ca.crt"} {
			secrets[section+".tls."+field] = secret + ": " + key
		}
	}
	for _, field := range []string{"storage.database_file", "storage.root_key_file", "server.tls.certificate_file", "server.tls.key_file", "server.tls.trust_bundle_file"} {
		if named[field] == "" {
			wrong = append(wrong, fmt.Sprintf("%s: its config has no %s", name, field))
		}
	}
	for field, path := range named {
		from := source(spec, c, path)
		expected := "Secret " + secrets[field]
		if field == "storage.database_file" {
			expected = store + ": " + service + ".db"
		} else if secrets[field] == "" { // a file of the ConfigMap
			expected = from
			if map_, key, is := strings.Cut(strings.TrimPrefix(from, "ConfigMap "), ": "); !is || maps_[map_][key] == "" {
				expected = "a file of its ConfigMap"
			}
		}
		if from != expected {
			wrong = append(wrong, fmt.Sprintf("%s: %s is %s from %s, expected %s", name, field, path, from, expected))
		}
	}
	for _, m := range c.VolumeMounts { // nothing that the config does not name
		if !slices.ContainsFunc(slices.Collect(maps.Values(named)), func(path string) bool { return path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/") }) && !strings.HasPrefix(c.Args[1], m.MountPath+"/") {
			wrong = append(wrong, fmt.Sprintf("%s: %s is mounted for nothing", name, m.MountPath))
		}
	}
	return wrong
}

// listens: the ports of the config, of the container and of the Service are the table's.
func listens(service string, c corev1.Container, s *corev1.Service, config string) []string {
	type listener struct {
		Listen string `json:"listen"`
	}
	var read struct {
		Server struct {
			listener
			Metrics *listener `json:"metrics"`
		} `json:"server"`
		Rest *struct {
			HTTP listener `json:"http"`
		} `json:"rest"`
	}
	if err := yaml.Unmarshal([]byte(config), &read); err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	expected := map[int32]bool{}
	for port, l := range map[int]*listener{ports[service]: &read.Server.listener, metricsPort: read.Server.Metrics, restPort: func() *listener {
		if read.Rest == nil {
			return nil
		}
		return &read.Rest.HTTP
	}()} {
		if l == nil {
			continue
		}
		expected[int32(port)] = true
		if _, seen, err := net.SplitHostPort(l.Listen); err != nil || seen != strconv.Itoa(port) {
			wrong = append(wrong, fmt.Sprintf("%s: listens at %s, expected port %d", service, l.Listen, port))
		}
	}
	byName, contained, served := map[string]int32{}, map[int32]bool{}, map[int32]bool{}
	for _, p := range c.Ports {
		byName[p.Name], contained[p.ContainerPort] = p.ContainerPort, p.HostPort == 0
	}
	for _, p := range s.Spec.Ports {
		served[p.Port] = byName[p.TargetPort.StrVal] == p.Port && p.NodePort == 0
	}
	if !maps.Equal(contained, expected) {
		wrong = append(wrong, fmt.Sprintf("%s: container ports %v, expected %v", service, contained, expected))
	}
	if !maps.Equal(served, expected) {
		wrong = append(wrong, fmt.Sprintf("%s: ports of its Service %v, expected %v", service, served, expected))
	}
	if s.Spec.Type != corev1.ServiceTypeClusterIP || len(s.Spec.ExternalIPs) > 0 {
		wrong = append(wrong, fmt.Sprintf("%s: its Service is a %s, open to the outside", service, s.Spec.Type))
	}
	return wrong
}

// upgradeChecks: before an upgrade each daemon's program reads its new config, with the Secrets of the real pod and no store.
func upgradeChecks(o *objects) []string {
	var wrong []string
	maps_ := map[string]map[string]string{}
	for _, m := range o.hooks.configMaps {
		maps_[m.Name] = m.Data
	}
	for _, s := range o.statefulSets {
		at := slices.IndexFunc(o.hooks.jobs, func(j *batchv1.Job) bool { return j.Name == s.Name+"-check" })
		real := slices.IndexFunc(o.configMaps, func(m *corev1.ConfigMap) bool { return m.Name == s.Name })
		if at < 0 || real < 0 {
			wrong = append(wrong, s.Name+": no check before an upgrade")
			continue
		}
		spec, container := o.hooks.jobs[at].Spec.Template.Spec, s.Spec.Template.Spec.Containers[0]
		c, service := spec.Containers[0], s.Spec.Template.Labels["app.kubernetes.io/name"]
		if !slices.Equal(c.Args, append(slices.Clone(container.Args), "--check-config")) || c.Image != container.Image || *o.hooks.jobs[at].Spec.BackoffLimit != 0 {
			wrong = append(wrong, fmt.Sprintf("%s: its check runs %s %v", s.Name, c.Image, c.Args))
		}
		if !maps.Equal(maps_[s.Name+"-check"], o.configMaps[real].Data) {
			wrong = append(wrong, s.Name+": its check reads another config")
		}
		if labels.SelectorFromSet(s.Spec.Selector.MatchLabels).Matches(labels.Set(o.hooks.jobs[at].Spec.Template.Labels)) {
			wrong = append(wrong, s.Name+": its Service would send requests to its check")
		}
		key := strings.TrimPrefix(source(spec, c, c.Args[1]), "ConfigMap "+s.Name+"-check: ")
		wrong = append(wrong, files(s.Name+"-check", service, spec, c, maps_[s.Name+"-check"][key], maps_, "memory")...)
	}
	if len(o.hooks.jobs) > len(o.statefulSets) {
		wrong = append(wrong, "a check of nothing")
	}
	return wrong
}

// names: what Kubernetes takes as names and label values, also those that it makes itself from ours.
func names(o *objects) []string {
	var wrong []string
	check := func(m metav1.ObjectMeta, suffix string) {
		if said := validation.IsDNS1123Label(m.Name + suffix); len(said) > 0 {
			wrong = append(wrong, fmt.Sprintf("name %s%s: %v", m.Name, suffix, said))
		}
		for key, value := range m.Labels {
			if said := validation.IsValidLabelValue(value); len(said) > 0 {
				wrong = append(wrong, fmt.Sprintf("%s: label %s: %v", m.Name, key, said))
			}
		}
	}
	for _, s := range o.statefulSets {
		check(s.ObjectMeta, "-0123456789") // controller-revision-hash, a label of its pods
		check(s.Spec.Template.ObjectMeta, "pod")
	}
	for _, s := range o.services {
		check(s.ObjectMeta, "")
	}
	for _, m := range append(slices.Clone(o.configMaps), o.hooks.configMaps...) {
		check(m.ObjectMeta, "")
	}
	for _, j := range o.hooks.jobs {
		check(j.ObjectMeta, "") // job-name, a label of its pods
	}
	for _, p := range o.policies {
		check(p.ObjectMeta, "")
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

// probes: exactly these questions are asked, each by its own probe.
func probes(name string, c *corev1.Container, questions ...string) []string {
	var wrong []string
	for question, probe := range map[string]*corev1.Probe{"started": c.StartupProbe, "ready": c.ReadinessProbe, "live": c.LivenessProbe} {
		if probe == nil && !slices.Contains(questions, question) {
			continue
		}
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
	type drained struct {
		DrainTimeout string `json:"drain_timeout"`
	}
	var read struct {
		Server drained
		Rest   *struct{ HTTP drained }
	}
	if err := yaml.Unmarshal([]byte(config), &read); err != nil {
		return []string{err.Error()}
	}
	if read.Rest != nil && read.Rest.HTTP != read.Server {
		return []string{name + ": gRPC and REST drain for different times"}
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
func sidecar(o *objects, mountPath string) []string {
	var wrong []string
	p := o.pods()[0]
	agent := slices.IndexFunc(p.spec.InitContainers, func(c corev1.Container) bool { return c.Name == "twi-agent" })
	if agent < 0 {
		return []string{p.name + ": no agent"}
	}
	c := p.spec.InitContainers[agent]
	if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		wrong = append(wrong, p.name+": the agent is no native sidecar")
	}
	wrong = append(wrong, probes(p.name, &c, "started", "live")...)
	if s := c.StartupProbe; s == nil || s.PeriodSeconds*s.FailureThreshold < 3600 {
		wrong = append(wrong, p.name+": the agent is ended while it tries (renewal.retry_max is 5 minutes)")
	}
	wrong = append(wrong, agentFiles(o, p, c)...)
	if p.meta.Labels["twi/agent"] != "true" {
		wrong = append(wrong, p.name+": no label twi/agent")
	}
	byName := map[string]corev1.Volume{}
	for _, v := range p.spec.Volumes {
		byName[v.Name] = v
		if v.Secret != nil && (v.Name != "twi-metrics" || *v.Secret.DefaultMode != 0440) { // never a credential's
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
			if m.Name == "twi-metrics" && holder.Name != "twi-agent" {
				wrong = append(wrong, fmt.Sprintf("%s/%s: has the agent's key for metrics", p.name, holder.Name))
			}
			if _, is := byName[m.Name]; !is {
				wrong = append(wrong, fmt.Sprintf("%s/%s: no volume %s", p.name, holder.Name, m.Name))
			}
		}
	}
	return wrong
}

// agentFiles: each file that the agent's config names is mounted from where it belongs.
func agentFiles(o *objects, p pod, c corev1.Container) []string {
	at := slices.IndexFunc(o.configMaps, func(m *corev1.ConfigMap) bool { return m.Labels["app.kubernetes.io/name"] == "workload-agent" })
	if at < 0 || source(p.spec, c, c.Args[1]) != "ConfigMap "+o.configMaps[at].Name+": workload_agent.yaml" {
		return []string{fmt.Sprintf("%s: the agent's config is from %s", p.name, source(p.spec, c, c.Args[1]))}
	}
	var parsed any
	if err := yaml.Unmarshal([]byte(o.configMaps[at].Data["workload_agent.yaml"]), &parsed); err != nil {
		return []string{err.Error()}
	}
	named, wrong := map[string]string{}, []string(nil)
	pathsIn(parsed, "", named)
	expected := map[string]string{
		"trust_bundle_file":             "ConfigMap twi-trust-bundle: ca.crt",
		"credential_trust_bundle_file":  "ConfigMap twi-trust-bundle: credential-bundle.pem",
		"output.directory":              "memory: credential",
		"listen":                        "memory: agent.sock",
		"provisioned.credential_file":   "ConfigMap payroll-credential: chain.pem",
		"provisioned.wit_file":          "ConfigMap payroll-credential: wit.jwt",
		"provisioned.wit_bundle_file":   "ConfigMap payroll-credential: wit-bundle.json",
		"attester.sev_snp.configfs":     "hostPath: ",
		"metrics.tls.certificate_file":  "Secret twi-agent-metrics: tls.crt",
		"metrics.tls.key_file":          "Secret twi-agent-metrics: tls.key",
		"metrics.tls.trust_bundle_file": "Secret twi-agent-metrics: ca.crt",
	}
	for field, path := range named {
		if from := source(p.spec, c, path); from != expected[field] {
			wrong = append(wrong, fmt.Sprintf("%s: the agent's %s is %s from %s, expected %q", p.name, field, path, from, expected[field]))
		}
	}
	return wrong
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
