"""The compose network as fault_test.py and record_alerts.py run it: who is in it, starting and stopping it, its containers, logs and certificates."""
import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
SERVICES = ["verifier", "claims-mapper", "credential-authority", "key-store"]
AGENTS = {letter: f"agent-{letter.lower()}" for letter in "ABCD"}
WORKLOADS = {letter: f"workload-{letter.lower()}" for letter in "ABCD"}
DAEMONS = SERVICES + list(AGENTS.values())
PORTS = {"verifier": 8441, "claims-mapper": 8442, "credential-authority": 8443, "key-store": 8444}
STORE_BYTES = "64m"  # a write-ahead log grows to 32 MiB before it is begun anew (common/storage/database.cc)


def run(*command, check=True, timeout=120, env=None):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not check else subprocess.PIPE, text=True, timeout=timeout, cwd=ROOT, env=env)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def succeeds(*command):
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


def compose_command():
    """As lib.sh: v2 where it is there, else docker-compose 1.29; None where there is neither."""
    return next((command for command in (["docker", "compose"], ["docker-compose"]) if succeeds(*command, "version")), None)


def missing():
    """What this needs and is not here."""
    if os.geteuid() != 0:
        return "needs root"
    if not succeeds("docker", "version"):
        return "Docker does not run here"
    return "docker-compose is not installed" if compose_command() is None else ""


def parse_time(text):
    """RFC 3339 in UTC, any number of fractional digits, as seconds."""
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?(Z|\+00:00)", text)
    base = datetime.datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp()
    return base + float(match[2] or 0)


def stamp():
    git = lambda *command: subprocess.run(["git", "-c", f"safe.directory={ROOT}", *command], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    revision = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{datetime.date.today()}, revision {revision}{'+changes' if git('status', '--porcelain') else ''}, {os.cpu_count()} CPUs"


class Deployment:
    """The compose project, with settings of its own, stores on small file systems, and metrics sockets that are root's to read."""

    def __init__(self, work, project):
        self.work, self.project = work, project
        self.claim()
        self.config = os.path.join(work, "config")
        self.stores = [f"{s}-store" for s in SERVICES] + [f"credential-{letter.lower()}" for letter in "ABCD"]
        self.compose = compose_command() + ["--project-name", project, "--file", "deploy/compose/docker-compose.yml", "--file", os.path.join(work, "override.yml")]
        self.environment = dict(os.environ)

    def claim(self):
        """Until this process ends no other run of the project goes on: each begins by taking down what is there, which a killed one may have left."""
        self.claimed = open(f"/run/{self.project}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(self.claimed, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            shutil.rmtree(self.work)
            sys.exit(f"another run of the project {self.project} is on: nothing was touched")

    def prepare(self, settings, override=None):
        """settings: what is done to the config before anything starts; override: more of a compose file than this one's volumes."""
        shutil.copytree(os.path.join(ROOT, "deploy/compose/config"), self.config)
        os.chmod(self.work, 0o755)
        run("chmod", "-R", "go-w,a+rX", self.config)  # user 65532 reads it, whatever the umask of the clone was
        settings(self)
        for letter in "abcd":
            self.append(f"agent_{letter}.yaml", 'metrics: {listen: "unix:/credential/metrics.sock", peers: ["uid:0"]}\n')
        for service in SERVICES:
            self.edit(f"{service.replace('-', '_')}.yaml", "server:\n  listen:", 'server:\n  metrics: {listen: "unix:/store/metrics.sock", peers: ["uid:0"]}\n  listen:')
        for service, port in PORTS.items():  # provisioning happens once, while agents renew already: it may wait
            if service != "verifier":
                self.edit("twictl.yaml", f'"{service}:{port}"', f'"{service}:{port}", timeout: 60s')
        volumes = {}
        for store in self.stores:
            path = os.path.join(self.work, store)
            os.mkdir(path)
            self.mount(store, path)
            volumes[store] = {"driver_opts": {"type": "none", "o": "bind", "device": path}}
        with open(os.path.join(self.work, "override.yml"), "w", encoding="utf-8") as file:
            json.dump({"volumes": volumes, **(override or {})}, file)  # JSON is YAML
        with open(os.path.join(ROOT, "common/server/daemon_flags.h"), encoding="utf-8") as file:
            version = re.search(r'kTwiVersion\[\] = "(.*)"', file.read())[1]
        with open(os.path.join(ROOT, "deploy/compose/docker-compose.yml"), encoding="utf-8") as file:
            for image in sorted(set(re.findall(r"image: (twi/[a-z-]+)", file.read()))):
                if not succeeds("docker", "image", "inspect", f"{image}:{version}"):  # else Compose 1.29 asks a registry for somebody's image of this name
                    raise RuntimeError(f"there is no image {image}:{version}: deploy/images/build.sh makes it")
        self.environment.update(TWI_CONFIG=self.config, TWI_VERSION=version)

    def mount(self, store, path):
        run("mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES if store.endswith('-store') else '8m'},mode=0700", "tmpfs", path)

    def store(self, service):
        """The folder on this host of what the daemon writes; its metrics socket is there too."""
        return os.path.join(self.work, f"{service}-store" if service in SERVICES else service.replace("agent-", "credential-"))

    def edit(self, name, old, new):
        path = os.path.join(self.config, name)
        text = open(path, encoding="utf-8").read()
        if old not in text:
            raise RuntimeError(f"{name} has no {old}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))

    def append(self, name, text):
        with open(os.path.join(self.config, name), "a", encoding="utf-8") as file:
            file.write(text)

    def up(self, services=(), seconds=120):
        """Starts these and what they need (nothing named: all), and waits until they and all daemons are healthy."""
        self.down()
        try:
            run(*self.compose, "up", "--detach", *services, timeout=300 + seconds, env=self.environment)
        except RuntimeError as error:
            said = [f"{service}: {run('docker', 'logs', '--tail', '5', self.name(service), check=False)}" for service in ("files", "tpm-measure", "trust-bundle", "provision") if self.name(service)]
            raise RuntimeError("\n".join([str(error)[-300:]] + said)) from error
        for service in services or DAEMONS + list(WORKLOADS.values()):
            self.wait_healthy(service, seconds)

    def down(self):
        subprocess.run(self.compose + ["down", "--volumes", "--timeout", "3"], capture_output=True, cwd=ROOT, env=self.environment)

    def clean(self):
        for store in self.stores:
            subprocess.run(["umount", os.path.join(self.work, store)], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def name(self, service):
        return run("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}", "--filter", f"label=com.docker.compose.service={service}").strip()

    def containers(self):
        """The services that have a container, running or not."""
        return set(run("docker", "ps", "--all", "--filter", f"label=com.docker.compose.project={self.project}", "--format", '{{.Label "com.docker.compose.service"}}').split())

    def inspect(self, service):
        return json.loads(run("docker", "inspect", self.name(service)))[0]

    def pid(self, service):
        return self.inspect(service)["State"]["Pid"]

    def restarts(self, service):
        """How often Docker has started it again by itself, and when it was started last."""
        found = self.inspect(service)
        return found["RestartCount"], parse_time(found["State"]["StartedAt"])

    def wait_healthy(self, service, seconds):
        until = time.time() + seconds
        while True:
            state = self.inspect(service)["State"]
            if state.get("Health", {}).get("Status") == "healthy":
                return
            if time.time() > until:
                raise RuntimeError(f"{service} is not healthy: {json.dumps(state)[:600]}\n{run('docker', 'logs', '--tail', '10', self.name(service), check=False)}")
            time.sleep(0.3)

    def lines(self, service, since):
        """The JSON lines that the service's process has logged since then."""
        result = subprocess.run(["docker", "logs", "--since", f"{since:.3f}", self.name(service)], capture_output=True, text=True)
        lines = []
        for text in (result.stdout + result.stderr).splitlines():
            if text.startswith("{"):
                with contextlib.suppress(ValueError):  # the last line of a killed process
                    lines.append(json.loads(text))
        return lines

    def volume(self, name):
        return run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", f"{self.project}_{name}").strip()


def fill_up(folder):
    """Leaves no byte in the file system of this folder; removing the file that it returns ends that."""
    ballast = os.path.join(folder, "ballast")
    for size in (1 << 20, 1):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * size)
    if os.statvfs(folder).f_bavail != 0:
        raise RuntimeError(f"{folder} is not full")
    return ballast


class Load(threading.Thread):
    """Lets agents attest anew (SIGHUP), all of them each second unless told otherwise, so that renewals are always under way."""

    def __init__(self, deployment, letters="ABCD", period=1.0):
        super().__init__(daemon=True)
        self.deployment, self.stop, self.quiet = deployment, threading.Event(), set()
        self.agents, self.period = [AGENTS[letter] for letter in letters], period

    def run(self):
        held = {}  # by pidfd: never a signal to another process that has got the number meanwhile
        while not self.stop.wait(self.period):
            for agent in self.agents:
                try:
                    if agent in self.quiet:
                        raise ProcessLookupError
                    if agent not in held:
                        held[agent] = os.pidfd_open(self.deployment.pid(agent))
                    signal.pidfd_send_signal(held[agent], signal.SIGHUP)
                except (OSError, RuntimeError, subprocess.SubprocessError):
                    if agent in held:
                        os.close(held.pop(agent))


# --- Certificates of the development PKI, made with openssl from its root.


def issue(deployment, service, begin, end):
    """(certificate, key) in PEM for the service, valid from `begin` to `end`."""
    pki = os.path.join(deployment.volume("pki"), "made/tls")
    with tempfile.TemporaryDirectory() as work:
        at = lambda name: os.path.join(work, name)
        stamp = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y%m%d%H%M%SZ")
        open(at("index"), "w").close()
        with open(at("config"), "w", encoding="utf-8") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={at('index')}\nnew_certs_dir={work}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
                       "[req]\ndistinguished_name=n\n[n]\n"
                       f"[v3]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=URI:spiffe://example.org/twi/{service}\n")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at("key"), "-subj", f"/CN={service}", "-out", at("csr"), "-config", at("config"))
        run("openssl", "ca", "-batch", "-notext", "-config", at("config"), "-cert", f"{pki}/ca.pem", "-keyfile", f"{pki}/ca.key.pem", "-in", at("csr"), "-out", at("crt"), "-extensions", "v3",
            "-startdate", stamp(begin), "-enddate", stamp(end))
        return open(at("crt"), encoding="utf-8").read(), open(at("key"), encoding="utf-8").read()


def install(deployment, service, certificate, key):
    folder = deployment.volume(service)
    for name, text, mode in (("tls.pem", certificate, 0o644), ("tls.key.pem", key, 0o600)):
        fresh = os.path.join(folder, name + ".new")
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(fresh, mode)
        os.chown(fresh, 65532, 65532)
        os.rename(fresh, os.path.join(folder, name))


def dial(deployment, service, port, folder=None):
    """TLS to the service, with the credential in the folder; nobody verifies what the service shows."""
    networks = deployment.inspect(service)["NetworkSettings"]["Networks"].values()
    address = next((n["IPAddress"] for n in networks if n["IPAddress"]), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if folder is not None:
        context.load_cert_chain(os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem"))
    return context.wrap_socket(socket.create_connection((address, port), timeout=3))


def served(deployment, service):
    """The certificate (PEM) that the service shows now; empty when it does not answer."""
    try:
        with dial(deployment, service, PORTS[service]) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)).strip()
    except OSError:
        return ""


def lets_in(deployment, workload, folder):
    """Whether the workload speaks HTTP/2 with who shows this credential. (In TLS 1.3 the client is refused after its handshake: what counts is that an answer comes.)"""
    try:
        with dial(deployment, workload, 8500, folder) as tls:
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))  # the preface, and SETTINGS without any
            return bool(tls.recv(1))
    except OSError:
        return False
