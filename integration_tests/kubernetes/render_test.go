// Package kubernetes tests deploy/helm and deploy/kubernetes without a cluster: rendered by Helm's own code, decoded by Kubernetes' own types, judged by its own Pod Security evaluator.
package kubernetes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"
)

type values = map[string]any

// root is the repository: TWI_ROOT, or two folders up.
func root(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("TWI_ROOT"); named != "" {
		return named
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(here, "..", "..")
}

func loadChart(t *testing.T, path string) *chart.Chart {
	t.Helper()
	loaded, err := loader.LoadDir(filepath.Join(root(t), "deploy/helm", path))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// loadTeam is the example's chart with its dependency added in memory, which is fast. That this is what a team gets which does as the README says: TestATeamsChartIsBuiltAsDocumented.
func loadTeam(t *testing.T) *chart.Chart {
	t.Helper()
	team := loadChart(t, "examples/payroll")
	team.AddDependency(loadChart(t, "twi-agent"))
	return team
}

func readValues(t *testing.T, path string) values {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	read := values{}
	if err := yaml.UnmarshalStrict(text, &read); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return read
}

// set returns v with the value at a path like "drain.drainSeconds" replaced; v itself is left alone.
func set(v values, path string, value any) values {
	copied := maps.Clone(v)
	if copied == nil {
		copied = values{}
	}
	first, rest, more := strings.Cut(path, ".")
	if !more {
		copied[first] = value
		return copied
	}
	inner, _ := copied[first].(values)
	copied[first] = set(inner, rest, value)
	return copied
}

// render is `helm template`: schema, Kubernetes version, templates; a key that is absent in a template is an error.
func render(c *chart.Chart, release, namespace string, v values) (map[string]string, error) {
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.30.0", Major: "1", Minor: "30"} // the oldest that the charts are for
	if !chartutil.IsCompatibleRange(c.Metadata.KubeVersion, capabilities.KubeVersion.Version) {
		return nil, fmt.Errorf("not for Kubernetes %s", capabilities.KubeVersion.Version)
	}
	if err := chartutil.ProcessDependencies(c, v); err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, v, options, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(c, all)
}

// objects are what a rendering holds, by kind.
type objects struct {
	statefulSets []*appsv1.StatefulSet
	deployments  []*appsv1.Deployment
	services     []*corev1.Service
	configMaps   []*corev1.ConfigMap
	accounts     []*corev1.ServiceAccount
	budgets      []*policyv1.PodDisruptionBudget
	policies     []*networkingv1.NetworkPolicy
	certificates []*cmv1.Certificate
	jobs         []*batchv1.Job
	hooks        *objects // what Helm makes for a moment, before an upgrade
	notes        string
}

// decode reads every object strictly: a field that Kubernetes does not know, or one that stands twice, is an error.
func decode(rendered map[string]string) (*objects, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, networkingv1.AddToScheme, cmv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	found := &objects{hooks: &objects{}}
	for _, file := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(file, "NOTES.txt") {
			if !strings.Contains(file, "/charts/") {
				found.notes = rendered[file]
			}
			continue
		}
		manifests := releaseutil.SplitManifests(rendered[file])
		for _, name := range slices.Sorted(maps.Keys(manifests)) {
			if onlyComments(manifests[name]) {
				continue
			}
			object, _, err := decoder.Decode([]byte(manifests[name]), nil, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			into, accessor := found, must(meta.Accessor(object))
			if hook := accessor.GetAnnotations()["helm.sh/hook"]; hook == "pre-upgrade" {
				into = found.hooks
			} else if hook != "" {
				return nil, fmt.Errorf("%s: a hook of %s", file, hook)
			}
			if err := into.add(object); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return found, nil
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func onlyComments(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && line != "---" {
			return false
		}
	}
	return true
}

func (o *objects) add(object runtime.Object) error {
	switch typed := object.(type) {
	case *appsv1.StatefulSet:
		o.statefulSets = append(o.statefulSets, typed)
	case *appsv1.Deployment:
		o.deployments = append(o.deployments, typed)
	case *corev1.Service:
		o.services = append(o.services, typed)
	case *corev1.ConfigMap:
		o.configMaps = append(o.configMaps, typed)
	case *corev1.ServiceAccount:
		o.accounts = append(o.accounts, typed)
	case *policyv1.PodDisruptionBudget:
		o.budgets = append(o.budgets, typed)
	case *networkingv1.NetworkPolicy:
		o.policies = append(o.policies, typed)
	case *batchv1.Job:
		o.jobs = append(o.jobs, typed)
	case *cmv1.Certificate:
		o.certificates = append(o.certificates, typed)
	default: // above all: a Secret is nothing that these charts may make
		return fmt.Errorf("%T is not expected here", object)
	}
	return nil
}

func renderObjects(t *testing.T, c *chart.Chart, release, namespace string, v values) *objects {
	t.Helper()
	rendered, err := render(c, release, namespace, v)
	if err != nil {
		t.Fatal(err)
	}
	found, err := decode(rendered)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// agentValues: what every example has beside its attester, with the agents' own policy.
func agentValues(mechanism string) values {
	v := values{"twi-agent": values{"mechanism": mechanism, "attester": values{"tpm2": values{"tcti": "device:/dev/tpmrm0", "ak_handle": 0x81010002, "pcrs": []any{0, 1, 2, 3, 4, 5, 7}}}}}
	v = set(v, "twi-agent.networkPolicy.enabled", true)
	if mechanism == "D" {
		v = set(v, "twi-agent.rpId", "https://key-store.example.org")
		v = set(v, "twi-agent.provisioned", values{"keyId": strings.Repeat("0a", 16), "configMap": "payroll-credential"})
	}
	return v
}
