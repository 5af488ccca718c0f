package kubernetes

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const podUser = 65532

var listenAnywhere = regexp.MustCompile(`0\.0\.0\.0:[0-9]+`)

// mount is a ConfigMap or Secret as the kubelet mounts it for fsGroup: root's files, readable by the group, behind symbolic links that are exchanged at once.
func mount(t *testing.T, folder string, files map[string][]byte, mode os.FileMode) {
	t.Helper()
	data := filepath.Join(folder, "..2026_01_01")
	for name, text := range files {
		path := filepath.Join(data, name)
		write(t, path, text)
		own(t, path, 0, mode)
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..2026_01_01", filepath.Join(folder, "..data")); err != nil {
		t.Fatal(err)
	}
	own(t, data, 0, 0o755)
	own(t, folder, 0, 0o755)
}

func own(t *testing.T, path string, user int, mode os.FileMode) {
	t.Helper()
	if err := os.Chown(path, user, podUser); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// podFolder: where a pod's files are laid out, open to its user. t.TempDir is closed to other users, and too long for the path of a Unix socket.
func podFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "twi-pod.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	own(t, folder, 0, 0o755)
	return folder
}

// install puts a program where the pod's user can run it.
func install(t *testing.T, bin, program, to string) {
	t.Helper()
	write(t, filepath.Join(to, program), []byte(read(t, filepath.Join(bin, program, program))))
	own(t, to, 0, 0o755)
	own(t, filepath.Join(to, program), 0, 0o755)
}

// asUser is a command of a container: its user and group, no other groups.
func asUser(user int, program string, args ...string) *exec.Cmd {
	command := exec.Command(program, args...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user), Groups: []uint32{uint32(user)}}}
	return command
}

// running is a daemon in such a container.
type running struct {
	process *os.Process
	ended   chan error
	log     string
}

func start(t *testing.T, command *exec.Cmd, log string) *running {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() // the daemon has its own
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{command.Process, make(chan error, 1), log}
	go func() { r.ended <- command.Wait() }()
	return r
}

// until waits for something of a daemon that starts. What came instead otherwise.
func (r *running) until(t *testing.T, what string, there func() bool) string {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !there(); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-r.ended:
			return fmt.Sprintf("did not start: %v: %s", err, read(t, r.log))
		default:
		}
		if time.Now().After(deadline) {
			r.process.Kill()
			return "did not " + what + ": " + read(t, r.log)
		}
	}
	return ""
}

// end is SIGTERM, and what was wrong with what followed.
func (r *running) end(t *testing.T, grace time.Duration) string {
	t.Helper()
	r.process.Signal(syscall.SIGTERM)
	select {
	case err := <-r.ended:
		if err != nil {
			return "did not end well: " + err.Error() + ": " + read(t, r.log)
		}
		return ""
	case <-time.After(grace):
		r.process.Kill()
		return "did not end within the grace period"
	}
}

// startAsInAPod starts a daemon as the pod's user on what the kubelet would mount, waits until it listens, ends it by SIGTERM. What it said otherwise.
func startAsInAPod(t *testing.T, bin, pki, service string, data map[string]string, secretMode os.FileMode) string {
	t.Helper()
	folder := podFolder(t)
	in := func(parts ...string) string { return filepath.Join(append([]string{folder}, parts...)...) }
	program := strings.ReplaceAll(service, "-", "_")
	config := map[string][]byte{}
	for name, text := range data {
		for from, to := range map[string]string{"/etc/twi/config": in("config"), "/etc/twi/tls": in("tls"), "/etc/twi/metrics": in("metrics"), "/etc/twi/issuing": in("issuing"), "/etc/twi/keys": in("keys"), "/var/lib/twi": in("lib")} {
			text = strings.ReplaceAll(text, from, to)
		}
		text = listenAnywhere.ReplaceAllString(text, "127.0.0.1:0")
		config[name] = []byte(text)
	}
	mount(t, in("config"), config, 0o444)
	secret := map[string][]byte{}
	for to, from := range map[string]string{"tls.crt": service + ".pem", "tls.key": service + ".key.pem", "ca.crt": "ca.pem"} {
		secret[to] = []byte(read(t, filepath.Join(pki, "tls", from)))
	}
	mount(t, in("tls"), secret, secretMode)
	mount(t, in("metrics"), secret, secretMode)
	mount(t, in("issuing"), map[string][]byte{"tls.key": []byte(read(t, filepath.Join(pki, "tls/ca.key.pem"))), "tls.crt": []byte(read(t, filepath.Join(pki, "tls/ca.pem")))}, secretMode)
	key := make([]byte, 32)
	rand.Read(key)
	write(t, in("keys", "root.key"), key) // by subPath: the file itself
	own(t, in("keys"), 0, 0o755)
	own(t, in("keys", "root.key"), 0, secretMode)
	write(t, in("lib", "lost+found", "kept"), nil) // a volume is never empty
	own(t, in("lib"), 0, 0o770|os.ModeSetgid)
	install(t, bin, program, in("bin"))
	own(t, folder, podUser, 0o755) // for the port file

	args := []string{"--config", in("config", program+".yaml"), "--port-file", in("port")}
	daemon := start(t, asUser(podUser, in("bin", program), args...), in("log"))
	listens := func() bool { _, err := os.Stat(in("port")); return err == nil }
	if said := daemon.until(t, "listen", listens); said != "" {
		return said
	}
	// What the kubelet asks, as the kubelet asks it: a program in the container, as its user.
	said := ""
	for _, question := range []string{"started", "live", "ready"} {
		if out, err := asUser(podUser, in("bin", program), append(slices.Clone(args), "--probe", question)...).CombinedOutput(); err != nil {
			said += "probe " + question + ": " + err.Error() + ": " + string(out)
		}
	}
	return daemon.end(t, 25*time.Second) + said
}

// TestDaemonsStartAsInAPod: what the chart says about users, modes and mounts is what the daemons take. A Secret that others may read is refused.
func TestDaemonsStartAsInAPod(t *testing.T) {
	bin := binaries(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can make files as the kubelet does")
	}
	pki := filepath.Join(t.TempDir(), "pki")
	if out, err := run(t, filepath.Join(bin, "twictl/twictl"), "dev-pki", "--out", pki, "--owner", "payroll"); err != nil {
		t.Fatal(out)
	}
	o := renderObjects(t, loadChart(t, "twi"), "twi", "twi", set(withMetrics(withRest(readValues(t, "deploy/kubernetes/values.yaml"), true)), "credentialAuthority.issuingKeySecret", "twi-issuing"))
	for _, m := range o.configMaps {
		service := m.Labels["app.kubernetes.io/name"]
		if said := startAsInAPod(t, bin, pki, service, m.Data, 0o440); said != "" {
			t.Errorf("%s: %s", service, said)
		}
		if said := startAsInAPod(t, bin, pki, service, m.Data, 0o444); !strings.Contains(said, "did not start") {
			t.Errorf("%s: with Secrets that everybody may read: %s", service, said)
		}
	}
}

// sidecarPod is an agent's container with its mounts laid out below a folder: each where `path` says.
type sidecarPod struct {
	folder    string
	container corev1.Container
	user      int
}

// path of the container, on this machine.
func (s *sidecarPod) path(inside string) string {
	return filepath.Join(s.folder, strings.ReplaceAll(strings.Trim(inside, "/"), "/", "-"))
}

// moved: a text of the container with the paths of its mounts as they are here.
func (s *sidecarPod) moved(text string) string {
	for _, m := range s.container.VolumeMounts {
		text = strings.ReplaceAll(text, m.MountPath, s.path(m.MountPath))
	}
	return listenAnywhere.ReplaceAllString(text, "127.0.0.1:0")
}

// command of the container or of one of its probes, as its user.
func (s *sidecarPod) command(args []string) *exec.Cmd {
	here := make([]string, len(args))
	for i, arg := range args {
		here[i] = s.moved(arg)
	}
	return asUser(s.user, filepath.Join(s.folder, "bin", "workload_agent"), here...)
}

// ask is one of the kubelet's probes: its exit code, or -1, and what it said.
func (s *sidecarPod) ask(probe *corev1.Probe) (int, string) {
	out, err := s.command(probe.Exec.Command[1:]).CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode(), string(out)
	} else if err != nil {
		return -1, err.Error()
	}
	return 0, string(out)
}

// layOut makes a rendered pod's sidecar on this machine: what the kubelet would mount, of the modes that it would have.
func layOut(t *testing.T, bin, pki string, o *objects) *sidecarPod {
	t.Helper()
	spec := o.pods()[0].spec
	c := spec.InitContainers[slices.IndexFunc(spec.InitContainers, func(c corev1.Container) bool { return c.Name == "twi-agent" })]
	s := &sidecarPod{podFolder(t), c, int(*c.SecurityContext.RunAsUser)}
	install(t, bin, "workload_agent", filepath.Join(s.folder, "bin"))
	for _, m := range c.VolumeMounts {
		v := spec.Volumes[slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })]
		switch {
		case v.ConfigMap != nil:
			mount(t, s.path(m.MountPath), s.configMap(t, pki, v.ConfigMap.Name, o), os.FileMode(*v.ConfigMap.DefaultMode))
		case v.Secret != nil: // of the metrics: any service's certificate
			mount(t, s.path(m.MountPath), pemFiles(t, pki, map[string]string{"tls.crt": "verifier.pem", "tls.key": "verifier.key.pem", "ca.crt": "ca.pem"}), os.FileMode(*v.Secret.DefaultMode))
		default: // an emptyDir, which anybody may write to; in place of the hostPath of configfs-tsm, which a bare machine has not, a folder as well
			if err := os.Mkdir(s.path(m.MountPath), 0o700); err != nil {
				t.Fatal(err)
			}
			own(t, s.path(m.MountPath), 0, 0o777|os.ModeSetgid)
		}
	}
	return s
}

// configMap: the chart's own; the team's trust bundle; and of mechanism D's credential, which is not read before an attempt, names alone.
func (s *sidecarPod) configMap(t *testing.T, pki, name string, o *objects) map[string][]byte {
	t.Helper()
	switch name {
	case "twi-trust-bundle":
		return pemFiles(t, pki, map[string]string{"ca.crt": "ca.pem", "credential-bundle.pem": "ca.pem"})
	case "payroll-credential":
		return map[string][]byte{"chain.pem": {}, "wit.jwt": {}, "wit-bundle.json": {}}
	}
	files := map[string][]byte{}
	for _, m := range o.configMaps {
		for key, text := range m.Data {
			if m.Name == name {
				files[key] = []byte(s.moved(text))
			}
		}
	}
	return files
}

func pemFiles(t *testing.T, pki string, names map[string]string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for to, from := range names {
		files[to] = []byte(read(t, filepath.Join(pki, "tls", from)))
	}
	return files
}

// startAgentAsInAPod starts the sidecar, with no service that it could reach, and asks what the kubelet asks. What was not as expected.
func startAgentAsInAPod(t *testing.T, bin, pki string, o *objects) string {
	t.Helper()
	s := layOut(t, bin, pki, o)
	agent := start(t, s.command(s.container.Args), filepath.Join(s.folder, "log"))
	live := func() bool { code, _ := s.ask(s.container.LivenessProbe); return code == 0 }
	if said := agent.until(t, "become live", live); said != "" {
		return said
	}
	said := ""
	if code, out := s.ask(s.container.StartupProbe); code != 1 { // 2 would be a config that the probe does not take
		said = fmt.Sprintf("the startup probe ends with %d though there is no credential: %s", code, out)
	}
	if code, out := s.ask(s.container.LivenessProbe); code != 0 {
		said += fmt.Sprintf("the liveness probe ends with %d after that: %s", code, out)
	}
	return said + agent.end(t, 30*time.Second) // Kubernetes' own grace period
}

// withoutTPM: a bare machine has no TPM, and an agent looks at its own before it starts. So in its place, and in nothing else, the attester of the other examples: its folder is opened by an attempt alone.
func withoutTPM(v values) values {
	return set(v, "twi-agent.attester", values{"sev_snp": values{"configfs": "/sys/kernel/config/tsm/report"}})
}

// TestTheAgentStartsAsInAPod: the sidecar starts from the chart's own config, with the mounts, the arguments, the user and the probes of the rendered pod; without a credential it is live, so that the kubelet
// lets it go on, and not started, so that the workload waits. Replaced are where its files are, the metrics' address, and a TPM (withoutTPM). No service can be reached, so no attempt gets as far as
// Evidence. Not as in a pod: the examples that run as root have all capabilities here, and the root folder is not read-only.
func TestTheAgentStartsAsInAPod(t *testing.T) {
	bin := binaries(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can make files as the kubelet does")
	}
	pki := filepath.Join(t.TempDir(), "pki")
	if out, err := run(t, filepath.Join(bin, "twictl/twictl"), "dev-pki", "--out", pki, "--owner", "payroll"); err != nil {
		t.Fatal(out)
	}
	pods := map[string]values{}
	for _, mechanism := range []string{"A", "B", "C", "D"} {
		pods["mechanism "+mechanism] = withoutTPM(agentMetrics(agentValues(mechanism)))
	}
	for _, example := range []string{"vtpm", "sev-snp-node", "confidential-pod"} {
		pods[example] = withoutTPM(readValues(t, "deploy/helm/examples/payroll/"+example+".yaml"))
	}
	for name, v := range pods {
		if said := startAgentAsInAPod(t, bin, pki, renderObjects(t, loadTeam(t), "payroll", "payroll", v)); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
	// A Secret that everybody may read is refused, as by the services.
	o := renderObjects(t, loadTeam(t), "payroll", "payroll", withoutTPM(agentMetrics(agentValues("B"))))
	for i, v := range o.deployments[0].Spec.Template.Spec.Volumes {
		if v.Secret != nil {
			open := int32(0o444)
			o.deployments[0].Spec.Template.Spec.Volumes[i].Secret.DefaultMode = &open
		}
	}
	if said := startAgentAsInAPod(t, bin, pki, o); !strings.Contains(said, "did not start") {
		t.Errorf("with a Secret that everybody may read: %s", said)
	}
	// With the example's own attester it is the TPM, and nothing else, that is missing.
	if _, err := os.Stat("/dev/tpmrm0"); err == nil {
		return
	}
	o = renderObjects(t, loadTeam(t), "payroll", "payroll", readValues(t, "deploy/helm/examples/payroll/vtpm.yaml"))
	if said := startAgentAsInAPod(t, bin, pki, o); !strings.Contains(said, "ATTESTER_FAILED") || !strings.Contains(said, "/dev/tpmrm0") {
		t.Errorf("without a TPM: %s", said)
	}
}
