#!/usr/bin/env python3
"""Breaks TWI on purpose, as containers, while four agents renew credentials that live a minute, and watches what happens.

    fault_test.py [--only TEXT]... [--table FILE] [--keep]

Each fault is a function below; after each the test waits until every agent that the daemon serves has acquired a credential anew. What is seen becomes a row of the table in deploy/README.md
(--table writes it between its markers). What must hold over all of them: no issuance record is lost, no agent leaves an expired credential in place, no credential was ever invalid, agents that
do not need the broken daemon notice nothing, and every refusal has one of the reasons that the fault explains.

Needs Docker, and root (signals to containers' processes, stores of a bounded size); without them it says so and ends with 0. Ends with "N faults, N failures".
"""
import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROJECT = "twi-faults"
SERVED = {"verifier": "ABCD", "claims-mapper": "ABC", "credential-authority": "ABC", "key-store": "D", "agent-b": "B"}
SERVICES = ["verifier", "claims-mapper", "credential-authority", "key-store"]
AGENTS = {letter: f"agent-{letter.lower()}" for letter in "ABCD"}
WORKLOADS = {letter: f"workload-{letter.lower()}" for letter in "ABCD"}
FAULT_SECONDS = 8
RECOVERY_LIMIT = 60  # seconds: beyond it nothing "recovers by itself"
NOT_THERE = {"DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED"}


def run(*command, check=True, timeout=120):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not check else subprocess.PIPE, text=True, timeout=timeout, cwd=ROOT)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def parse_time(text):
    """RFC 3339 in UTC, any number of fractional digits, as seconds."""
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?(Z|\+00:00)", text)
    base = datetime.datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp()
    return base + float(match[2] or 0)


class Deployment:
    """The compose project, with stores on small file systems and credentials that live a minute."""

    def __init__(self, work):
        self.work = work
        self.config = os.path.join(work, "config")
        self.stores = [f"{s}-store" for s in SERVICES] + [f"credential-{letter.lower()}" for letter in "ABCD"]
        v2 = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        self.compose = (["docker", "compose"] if v2 else ["docker-compose"]) + [
            "--project-name", PROJECT, "--file", "deploy/compose/docker-compose.yml", "--file", os.path.join(work, "faults.yml")]

    def prepare(self):
        shutil.copytree(os.path.join(ROOT, "deploy/compose/config"), self.config)
        os.chmod(self.work, 0o755)
        for name in os.listdir(self.config):
            os.chmod(os.path.join(self.config, name), 0o644)
        for policy in ("payroll-worker", "ledger-worker"):
            self.edit(f"{policy}.policy.yaml", "max_lifetime: 1h", "max_lifetime: 1m")
        self.append("credential_authority.yaml", "issuing: {backdate: 20s}\n")
        for letter in "abcd":
            self.append(f"agent_{letter}.yaml", "renewal: {at_fraction: 0.35, jitter: 0.05, retry_min: 500ms, retry_max: 1s}\n")
        for service, port in PORTS.items():  # provisioning happens once, while agents renew already: it may wait
            if service != "verifier":
                self.edit("twictl.yaml", f'"{service}:{port}"', f'"{service}:{port}", timeout: 60s')
        volumes = {}
        for store in self.stores:
            path = os.path.join(self.work, store)
            os.mkdir(path)
            run("mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", path)
            volumes[store] = {"driver_opts": {"type": "none", "o": "bind", "device": path}}
        with open(os.path.join(self.work, "faults.yml"), "w", encoding="utf-8") as file:
            json.dump({"volumes": volumes}, file)  # JSON is YAML
        os.environ["TWI_CONFIG"] = self.config

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

    def up(self):
        self.down()
        try:
            run(*self.compose, "up", "--detach", timeout=300)
        except RuntimeError as error:
            said = [f"{service}: {run('docker', 'logs', '--tail', '5', self.name(service), check=False)}" for service in ("files", "tpm-measure", "trust-bundle", "provision") if self.name(service)]
            raise RuntimeError("\n".join([str(error)[-300:]] + said)) from error
        for service in SERVICES + list(WORKLOADS.values()):
            self.wait_healthy(service, 120)

    def down(self):
        subprocess.run(self.compose + ["down", "--volumes", "--timeout", "3"], capture_output=True, cwd=ROOT)

    def clean(self):
        for store in self.stores:
            subprocess.run(["umount", os.path.join(self.work, store)], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def name(self, service):
        return run("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}", "--filter", f"label=com.docker.compose.service={service}").strip()

    def inspect(self, service):
        return json.loads(run("docker", "inspect", self.name(service)))[0]

    def pid(self, service):
        return self.inspect(service)["State"]["Pid"]

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
        return run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_{name}").strip()


class Load(threading.Thread):
    """Lets every agent attest anew each second (SIGHUP), so that renewals are always under way."""

    def __init__(self, deployment):
        super().__init__(daemon=True)
        self.deployment, self.stop, self.quiet = deployment, threading.Event(), set()

    def run(self):
        pids = {}
        while not self.stop.wait(1.0):
            for agent in AGENTS.values():
                if agent in self.quiet:
                    pids.pop(agent, None)
                    continue
                try:
                    if agent not in pids:
                        pids[agent] = self.deployment.pid(agent)
                    if pids[agent]:
                        os.kill(pids[agent], signal.SIGHUP)
                except (ProcessLookupError, RuntimeError, subprocess.SubprocessError):
                    pids.pop(agent, None)


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


PORTS = {"verifier": 8441, "claims-mapper": 8442, "credential-authority": 8443, "key-store": 8444}


def served(deployment, service):
    """The certificate (PEM) that the service shows now; empty when it does not answer."""
    networks = deployment.inspect(service)["NetworkSettings"]["Networks"].values()
    address = next((n["IPAddress"] for n in networks if n["IPAddress"]), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((address, PORTS[service]), timeout=3) as raw, context.wrap_socket(raw) as tls:
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)).strip()
    except OSError:
        return ""


# --- The faults. Each returns when the fault is over; `mark` is called at that moment.


def kill(deployment, service, mark):
    os.kill(deployment.pid(service), signal.SIGKILL)
    mark()  # from here on it has to help itself: Docker's restart policy, and what is in its store


def stop(deployment, service, mark):
    pid = deployment.pid(service)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(FAULT_SECONDS)
    os.kill(pid, signal.SIGCONT)
    mark()


def cut(deployment, service, mark):
    networks = list(deployment.inspect(service)["NetworkSettings"]["Networks"])
    container = deployment.name(service)
    for network in networks:
        run("docker", "network", "disconnect", "--force", network, container)
    time.sleep(FAULT_SECONDS)
    for network in networks:
        run("docker", "network", "connect", "--alias", service, network, container)
    mark()


def fill(deployment, service, mark):
    store = os.path.join(deployment.work, f"{service}-store" if service in SERVICES else service.replace("agent-", "credential-"))
    ballast = os.path.join(store, "ballast")
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x")
    time.sleep(FAULT_SECONDS)
    os.remove(ballast)
    mark()


def restart(deployment, service, mark):
    run("docker", "restart", "--time", "15", deployment.name(service))
    mark()


def rolling(deployment, _, mark):
    for service in SERVICES:
        run("docker", "restart", "--time", "15", deployment.name(service))
        deployment.wait_healthy(service, 60)
    mark()


def rotate(deployment, service, mark):
    certificate, key = issue(deployment, service, time.time() - 60, time.time() + 86400)
    install(deployment, service, certificate, key)
    mark()
    until = time.time() + 15
    while served(deployment, service) != certificate.strip():
        if time.time() > until:
            raise RuntimeError(f"{service} still shows its old certificate after 15 s")
        time.sleep(0.2)


def expire(deployment, service, mark):
    end = int(time.time()) + 6
    install(deployment, service, *issue(deployment, service, time.time() - 60, end))
    time.sleep(end - time.time() + FAULT_SECONDS)
    install(deployment, service, *issue(deployment, service, time.time() - 60, time.time() + 86400))
    mark()


def long_stop(deployment, service, mark):
    """Longer than the credentials live."""
    pid = deployment.pid(service)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(75)
    os.kill(pid, signal.SIGCONT)
    mark()


PEER = {"PEER_UNAUTHENTICATED"}
FAULTS = [  # (name, function, daemons, reasons that the fault explains, may workloads be without credential meanwhile)
    ("killed (SIGKILL)", kill, list(SERVED), NOT_THERE, False),
    ("stopped (SIGSTOP)", stop, list(SERVED), NOT_THERE, False),
    ("cut off the network", cut, list(SERVED), NOT_THERE, False),
    ("disk full", fill, list(SERVED), NOT_THERE | {"STORAGE_FAILED"}, False),
    ("certificate rotated", rotate, SERVICES, set(), False),
    ("certificate expired", expire, SERVICES, NOT_THERE | PEER, False),
    ("restarted one by one", rolling, ["all four"], NOT_THERE, False),
    ("stopped longer than credentials live", long_stop, ["credential-authority"], NOT_THERE, True),
]


class Watcher:
    """Looks at what agents and workloads said, and keeps what must hold over all faults."""

    def __init__(self, deployment):
        self.deployment, self.serials, self.failures = deployment, set(), []

    def acquired(self, letter, since):
        return [parse_time(line["time"]) for line in self.deployment.lines(AGENTS[letter], since) if line.get("event") == "credential_acquired" and parse_time(line["time"]) > since]

    def refusals(self, letter, since):
        reasons = {}
        for line in self.deployment.lines(AGENTS[letter], since):
            if line.get("event") == "credential_not_acquired" and parse_time(line["time"]) > since:
                reasons[line["reason"]] = reasons.get(line["reason"], 0) + 1
        return reasons

    def workloads(self, letters, since, none_allowed):
        """(seconds without credential, calls, calls that failed), and judges each line."""
        without = calls = failed = 0
        for letter in letters:
            for line in self.deployment.lines(WORKLOADS[letter], since):
                if "credential" not in line:  # its server's log
                    continue
                state = line["credential"]
                without += state == "none"
                if line.get("serial") and letter != "D":
                    self.serials.add(line["serial"])
                if state == "broken" or state == "expired" or (state == "none" and not none_allowed):
                    self.failures.append(f"workload {letter}: credential {state} {line.get('detail', '')} at {line['time']}")
                if "call" in line:
                    calls += 1
                    failed += line["call"] != "OK"
                    if line["call"] != "OK" and not none_allowed:
                        self.failures.append(f"workload {letter}: call {line['call']} {line.get('call_detail', '')} at {line['time']}")
        return without, calls, failed

    def await_recovery(self, letters, since):
        """Seconds until each of the agents has acquired anew."""
        slowest = 0.0
        for letter in letters:
            while True:
                acquired = self.acquired(letter, since)
                if acquired:
                    slowest = max(slowest, min(acquired) - since)
                    break
                if time.time() - since > RECOVERY_LIMIT:
                    self.failures.append(f"agent {letter} has no new credential {RECOVERY_LIMIT} s after the fault was over")
                    return RECOVERY_LIMIT
                time.sleep(0.3)
        return slowest


def one(deployment, watcher, load, fault, service):
    name, function, _, explained, none_allowed = fault
    letters = SERVED.get(service, "ABCD")
    before = len(watcher.failures)
    began = time.time()
    over = []
    if service.startswith("agent"):
        load.quiet.add(service)  # it must find its way back by its own renewal
    function(deployment, service, lambda: over.append(time.time()))
    recovery = watcher.await_recovery(letters, over[0])
    load.quiet.discard(service)
    time.sleep(1.5)
    reasons = {}
    for letter in "ABCD":
        for reason, count in watcher.refusals(letter, began).items():
            reasons[reason] = reasons.get(reason, 0) + count
            if letter not in letters:
                watcher.failures.append(f"agent {letter} does not need {service}, and was refused: {reason}")
            elif reason not in explained:
                watcher.failures.append(f"agent {letter} was refused with {reason}, which {name} does not explain")
    without, calls, failed = watcher.workloads("ABCD", began, none_allowed)
    good = len(watcher.failures) == before
    said = ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items())) or "nothing"
    kept = f"{calls - failed} of {calls} calls" + (f"; {without} s without a credential" if without else "")
    row = (service, name, said, kept, f"{recovery:.1f} s")
    print(f"{'ok    ' if good else 'FAILED'} {service:22} {name:38} {row[4]:>7}  refused: {said}; workloads: {kept}", flush=True)
    for failure in watcher.failures[before:]:
        print(f"       {failure}", flush=True)
    return row


def records(deployment, watcher):
    """Every credential that an agent acquired or a workload held has its issuance record."""
    for letter in "ABC":
        for line in deployment.lines(AGENTS[letter], 0):
            if line.get("event") == "credential_acquired":
                watcher.serials.add(line["serial"])
    copy = os.path.join(deployment.work, "copy")
    os.mkdir(copy)
    store = os.path.join(deployment.work, "credential-authority-store")
    for name in os.listdir(store):
        shutil.copy(os.path.join(store, name), copy)
    with contextlib.closing(sqlite3.connect(os.path.join(copy, "credential-authority.db"))) as database:
        if database.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            watcher.failures.append("the authority's database is damaged")
        recorded = {row[0].lower() for row in database.execute("SELECT serial FROM issuance")}
    missing = {serial.lower() for serial in watcher.serials} - recorded
    if missing:
        watcher.failures.append(f"no issuance record of {len(missing)} credentials: {sorted(missing)[:3]}")
    return len(watcher.serials), len(recorded)


def write_table(path, rows, summary):
    begin, end = "<!-- fault table: begin -->", "<!-- fault table: end -->"
    text = open(path, encoding="utf-8").read()
    lines = ["| Daemon | Fault | Agents were refused with (times) | Workloads' mutual TLS meanwhile | Recovered by itself after |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows] + ["", summary]
    head, tail = text.split(begin)[0], text.split(end)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[], help="faults or daemons whose name holds this text")
    parser.add_argument("--table", help="Markdown file with the table's markers")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    args = parser.parse_args()
    if os.geteuid() != 0 or subprocess.run(["docker", "version"], capture_output=True).returncode != 0:
        print("skipped: needs root and Docker")
        return 0
    wanted = [(fault, service) for fault in FAULTS for service in fault[2] if not args.only or all(only in f"{fault[0]} {service}" for only in args.only)]
    deployment = Deployment(tempfile.mkdtemp(prefix="twi-faults."))
    rows = []
    try:
        deployment.prepare()
        deployment.up()
        watcher = Watcher(deployment)
        for letter in "ABCD":
            watcher.await_recovery(letter, 1.0)
        time.sleep(3)  # the workloads have found each other
        load = Load(deployment)
        load.start()
        for fault, service in wanted:
            rows.append(one(deployment, watcher, load, fault, service))
        load.stop.set()
        load.join()
        credentials, recorded = records(deployment, watcher)
        summary = (f"{credentials} credentials were acquired or held meanwhile; each of them has its issuance record ({recorded} records). No workload ever saw an expired or invalid one."
                   if not watcher.failures else "The test FAILED.")
        print(summary)
        if args.table and not watcher.failures:
            write_table(args.table, rows, summary)
    finally:
        if not args.keep:
            deployment.down()
            deployment.clean()
    for failure in watcher.failures:
        print(failure)
    print(f"{len(rows)} faults, {len(watcher.failures)} failures")
    return 1 if watcher.failures or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
