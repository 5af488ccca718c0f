package kubernetes

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
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

// startAsInAPod starts a daemon as the pod's user on what the kubelet would mount, waits until it listens, ends it by SIGTERM. What it said otherwise.
func startAsInAPod(t *testing.T, bin, pki, service string, data map[string]string, secretMode os.FileMode) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "twi-pod.") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	own(t, folder, 0, 0o755)
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
	write(t, in("bin", program), []byte(read(t, filepath.Join(bin, program, program))))
	own(t, in("bin"), 0, 0o755)
	own(t, in("bin", program), 0, 0o755)
	own(t, folder, podUser, 0o755) // for the port file

	log, err := os.Create(in("log"))
	if err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(in("bin", program), "--config", in("config", program+".yaml"), "--port-file", in("port"))
	daemon.Stdout, daemon.Stderr = log, log
	daemon.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: podUser, Gid: podUser, Groups: []uint32{podUser}}}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(in("port")); err == nil {
			break
		}
		select {
		case err := <-ended:
			return "did not start: " + err.Error() + ": " + read(t, in("log"))
		default:
		}
		if time.Now().After(deadline) {
			daemon.Process.Kill()
			return "did not listen: " + read(t, in("log"))
		}
	}
	// What the kubelet asks, as the kubelet asks it: a program in the container, as its user.
	said := ""
	for _, question := range []string{"started", "live", "ready"} {
		probe := exec.Command(in("bin", program), "--config", in("config", program+".yaml"), "--port-file", in("port"), "--probe", question)
		probe.SysProcAttr = daemon.SysProcAttr
		if out, err := probe.CombinedOutput(); err != nil {
			said += "probe " + question + ": " + err.Error() + ": " + string(out)
		}
	}
	daemon.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			return "did not end well: " + err.Error() + ": " + read(t, in("log"))
		}
		return said
	case <-time.After(25 * time.Second): // the grace period
		daemon.Process.Kill()
		return "did not end within the grace period"
	}
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
