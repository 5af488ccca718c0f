#!/usr/bin/env python3
"""Breaks TWI on purpose, as containers, while four agents acquire credentials anew each second, and watches what happens. Those of A, B and C live a minute. That of D lives an hour: it was issued
when its key was provisioned, and is held again each time the key is released. (A shorter one would end for good: nobody but its owner can provision another.)

    fault_test.py [--only TEXT]... [--table FILE] [--record FILE] [--keep]

Each fault is a function below; after each the test waits until every agent that the daemon serves has acquired a credential anew. What is seen becomes a row of the table in deploy/README.md
(--table writes it between its markers). The whole takes some twelve minutes and is run by hand; .ci/run runs three rows of it (--only).

A fault that nobody notices was none: beside each stands what must be seen of it, in the agents' log lines, in the daemon's own, and in the metrics (fault_metrics.py scrapes all daemons all the
time). Two are the other way round: Verifier and Claims Mapper write nothing for a request, so their full disk must be noticed by nobody, and all agents must acquire meanwhile. Every refusal that
an agent logs must stand in its metrics under the same reason, and have one of the reasons that the fault explains. What must hold over all faults: no issuance or release record is lost, no agent that
runs leaves an expired credential in place, no call with or to an expired one succeeds, no credential was ever invalid, workloads' calls go on by mutual TLS and (where the Verifier runs all the
time) by attested TLS, also between the faults, agents that do not need the broken daemon notice nothing, and no counter that an alert rule looks at appears only when it has counted.

--record writes what was scraped during some faults (RECORDED) as a test of the alert rules for promtool: deploy/monitoring/alerts_recorded_test.yaml.

Needs Docker with Compose, and root (signals to containers' processes, stores of a bounded size, metrics sockets that are root's to read); without them it says so and exits with 77. Ends with
"N faults, N failures".
"""
import argparse
import collections
import contextlib
import dataclasses
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
import typing

sys.dont_write_bytecode = True

import fault_metrics  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PROJECT = "twi-faults"
ALL, NOBODY = "all four", "none"
SERVED = {"verifier": "ABCD", "claims-mapper": "ABC", "credential-authority": "ABC", "key-store": "D", "agent-b": "B"}
SERVICES = ["verifier", "claims-mapper", "credential-authority", "key-store"]
AGENTS = {letter: f"agent-{letter.lower()}" for letter in "ABCD"}
WORKLOADS = {letter: f"workload-{letter.lower()}" for letter in "ABCD"}
DAEMONS = SERVICES + list(AGENTS.values())
# Daemons that call this one for agents, so that they too refuse when it is not there.
DEPENDENTS = {"verifier": ["credential-authority"], "claims-mapper": ["verifier", "credential-authority"], "credential-authority": ["verifier"]}
PEER = {"A": "C", "C": "A", "B": "D", "D": "B"}  # which workload calls which
SHORT = "ABC"  # whose credentials live a minute
FAULT_SECONDS = 8
LONG_SECONDS = 75  # longer than those
CALL_SECONDS = 4  # a workload's line is of the moment before its calls: two, which may take 2 s each
RECOVERY_LIMIT = 60  # seconds: beyond it nothing "recovers by itself"
STORE_BYTES = "64m"  # a write-ahead log grows to 32 MiB before it is begun anew (common/storage/database.cc)
NOT_THERE = {"DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED"}


def run(*command, check=True, timeout=120):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if not check else subprocess.PIPE, text=True, timeout=timeout, cwd=ROOT)
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


class Deployment:
    """The compose project, with stores on small file systems and credentials that live a minute."""

    def __init__(self, work):
        self.work = work
        self.config = os.path.join(work, "config")
        self.stores = [f"{s}-store" for s in SERVICES] + [f"credential-{letter.lower()}" for letter in "ABCD"]
        self.compose = compose_command() + ["--project-name", PROJECT, "--file", "deploy/compose/docker-compose.yml", "--file", os.path.join(work, "faults.yml")]

    def prepare(self):
        shutil.copytree(os.path.join(ROOT, "deploy/compose/config"), self.config)
        os.chmod(self.work, 0o755)
        run("chmod", "-R", "go-w,a+rX", self.config)  # user 65532 reads it, whatever the umask of the clone was
        for policy in ("payroll-worker", "ledger-worker"):
            self.edit(f"{policy}.policy.yaml", "max_lifetime: 1h", "max_lifetime: 1m")
        self.append("credential_authority.yaml", "issuing: {backdate: 20s}\n")
        for letter in "abcd":
            self.append(f"agent_{letter}.yaml", "renewal: {at_fraction: 0.35, jitter: 0.05, retry_min: 500ms, retry_max: 1s}\n")
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
            run("mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES if store.endswith('-store') else '8m'},mode=0700", "tmpfs", path)
            volumes[store] = {"driver_opts": {"type": "none", "o": "bind", "device": path}}
        with open(os.path.join(self.work, "faults.yml"), "w", encoding="utf-8") as file:
            json.dump({"volumes": volumes}, file)  # JSON is YAML
        with open(os.path.join(ROOT, "common/server/daemon_flags.h"), encoding="utf-8") as file:
            version = re.search(r'kTwiVersion\[\] = "(.*)"', file.read())[1]
        os.environ.update(TWI_CONFIG=self.config, TWI_VERSION=version)

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

    def up(self):
        self.down()
        try:
            run(*self.compose, "up", "--detach", timeout=300)
        except RuntimeError as error:
            said = [f"{service}: {run('docker', 'logs', '--tail', '5', self.name(service), check=False)}" for service in ("files", "tpm-measure", "trust-bundle", "provision") if self.name(service)]
            raise RuntimeError("\n".join([str(error)[-300:]] + said)) from error
        for service in DAEMONS + list(WORKLOADS.values()):
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
        return run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_{name}").strip()


class Load(threading.Thread):
    """Lets every agent attest anew each second (SIGHUP), so that renewals are always under way."""

    def __init__(self, deployment):
        super().__init__(daemon=True)
        self.deployment, self.stop, self.quiet = deployment, threading.Event(), set()

    def run(self):
        held = {}  # by pidfd: never a signal to another process that has got the number meanwhile
        while not self.stop.wait(1.0):
            for agent in AGENTS.values():
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


PORTS = {"verifier": 8441, "claims-mapper": 8442, "credential-authority": 8443, "key-store": 8444}


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


# --- The faults. Each names its moments: "in force", "ending", and "over", from which recovery counts; it returns when it is over. "anew": what was acquired before shows no recovery.


class Row:
    """One fault on one daemon: when, and what was seen of it."""

    def __init__(self, test, fault, service):
        self.deployment, self.scraper, self.watcher, self.fault, self.service = test.deployment, test.scraper, test.watcher, fault, service
        self.broken = {ALL: SERVICES, NOBODY: []}.get(service, [service]) + (DEPENDENTS.get(service, []) if fault.act is expire else [])
        self.letters = "".join(sorted({letter for name in self.broken for letter in SERVED[name]}))  # agents that may notice, and must recover
        self.moments, self.problems, self.shown = {}, [], []
        self.refused = {letter: collections.Counter() for letter in "ABCD"}
        self.calls, self.failed = collections.Counter(), collections.Counter()  # of each workload, by kind
        self.without = collections.Counter()  # looks of each workload that found no credential
        self.ends = {}  # of expired credentials that were found
        self.expired = collections.Counter()  # calls "with" an expired credential and "to" who has no other to show, by what came of them
        self.not_after = None  # of a certificate that the fault installed

    def now(self, moment):
        self.moments[moment] = time.time()

    @property
    def in_force(self):
        return self.moments["in force"]

    @property
    def ending(self):
        return self.moments["ending"]

    @property
    def over(self):
        return self.moments["over"]

    @property
    def anew(self):
        return self.moments.get("anew", self.over)

    def problem(self, text):
        self.problems.append(text)

    def events(self, service, event, **fields):
        """The lines of a daemon about this, since the fault began."""
        return [line for line in self.deployment.lines(service, self.began) if line.get("event") == event and all(line.get(key) == value for key, value in fields.items())]

    def tried(self, kind, outcome):
        """A call "with" an expired credential, or "to" who has no other to show."""
        self.expired[kind, outcome] += 1
        if outcome == "OK":
            self.problem(f"a call {kind} the expired credential of workload {self.letters} was accepted")

    # What faults expect.

    def expect_refused(self, letters, reasons):
        for letter in letters:
            if not reasons & set(self.refused[letter]):
                self.problem(f"agent {letter} was never refused with {' or '.join(sorted(reasons))}: it did not notice")

    def expect_no_acquisition(self):
        for letter in self.letters:
            for at in self.watcher.acquired(letter, self.in_force + 0.5):
                if at < self.ending:
                    self.problem(f"agent {letter} acquired a credential without {self.service}, {at - self.in_force:.1f} s after the fault began")

    def expect_metric(self, service, family, label, reasons):
        grown = self.scraper.grown(service, family, self.began, self.ended, label)
        seen = {name: count for name, count in grown.items() if name in reasons}
        if not seen:
            self.problem(f"{family} of {service} shows none of {', '.join(sorted(reasons)) or family}; it grew by {grown}")
        self.shown.append(f"{service} {', '.join(sorted(seen))}" if label else f"{service} {family}")

    def expect_dependents(self, reasons):
        for service in DEPENDENTS.get(self.service, []):
            self.expect_metric(service, "twi_refusals_total", "reason", reasons)

    def expect_new_process(self, service):
        starts = {series["process_start_time_seconds"] for _, _, series in self.scraper.window(service, self.began, self.ended) if series is not None}
        if len(starts) < 2:
            self.problem(f"process_start_time_seconds of {service} is the same as before")
        self.shown.append(f"{service} process_start_time_seconds")


def kill(row):
    before = row.deployment.restarts(row.service)[0]
    os.kill(row.deployment.pid(row.service), signal.SIGKILL)
    for moment in ("in force", "ending", "over"):
        row.now(moment)  # from here on it has to help itself: Docker's restart policy, and what is in its store
    while True:  # an acquisition that was half done at the kill shows nothing: those of the new process count
        count, started = row.deployment.restarts(row.service)
        if count > before and started > row.over:
            break
        if time.time() > row.over + RECOVERY_LIMIT:
            raise RuntimeError(f"Docker did not start {row.service} again")
        time.sleep(0.2)
    row.moments["anew"] = started


def expect_restarted(row):
    row.expect_new_process(row.service)
    row.shown.append("Docker: started again")


def stop(row, seconds=FAULT_SECONDS, at_last=lambda: None):
    pid = row.deployment.pid(row.service)
    os.kill(pid, signal.SIGSTOP)
    row.now("in force")
    time.sleep(seconds)
    at_last()
    row.now("ending")
    os.kill(pid, signal.SIGCONT)
    row.now("over")


def expect_stopped(row):
    row.expect_no_acquisition()
    if not row.scraper.unreachable(row.service, row.in_force, row.ending):
        row.problem(f"{row.service} answered scrapes while it was stopped")
    row.shown.append(f"{row.service} up 0")
    if row.service in SERVICES:
        row.expect_refused(row.letters, NOT_THERE)
        row.expect_dependents(NOT_THERE)


def cut(row):
    networks = list(row.deployment.inspect(row.service)["NetworkSettings"]["Networks"])
    container = row.deployment.name(row.service)
    for network in networks:
        run("docker", "network", "disconnect", "--force", network, container)
    row.now("in force")
    time.sleep(FAULT_SECONDS)
    row.now("ending")
    for network in networks:
        run("docker", "network", "connect", "--alias", row.service, network, container)
    row.now("over")


def expect_cut(row):
    row.expect_no_acquisition()
    row.expect_refused(row.letters, NOT_THERE)
    row.expect_dependents(NOT_THERE)


def fill(row, seconds=FAULT_SECONDS):
    store = row.deployment.store(row.service)
    ballast = os.path.join(store, "ballast")
    for size in (1 << 20, 1):
        with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * size)
    if os.statvfs(store).f_bavail != 0:
        raise RuntimeError(f"{store} is not full")
    row.now("in force")
    time.sleep(seconds)
    row.now("ending")
    os.remove(ballast)
    row.now("over")


def expect_full(row):
    if row.service in ("verifier", "claims-mapper"):  # they write nothing for a request: it must not be noticed
        if any(row.refused.values()):
            row.problem(f"{row.service} refused something, and should not need its disk")
        for letter in row.letters:
            if not any(row.in_force < at < row.ending for at in row.watcher.acquired(letter, row.in_force)):
                row.problem(f"agent {letter} acquired nothing while the disk of {row.service} was full")
        if 0 in row.scraper.values(row.service, "twi_ready", row.in_force, row.ending):
            row.problem(f"{row.service} was not ready, and should not need its disk")
        row.shown.append(f"{row.service} ready all the time: it writes nothing for a request")
        return
    row.expect_refused(row.letters, {"STORAGE_FAILED"})
    if row.service in SERVICES:
        row.expect_metric(row.service, "twi_refusals_total", "reason", {"STORAGE_FAILED"})
        row.expect_metric(row.service, "twi_store_commit_failures_total", None, {""})


def restart(deployment, service):
    run("docker", "restart", "--time", "15", deployment.name(service))
    deployment.wait_healthy(service, 60)


def rolling(row):
    row.now("in force")
    for service in SERVICES:
        restart(row.deployment, service)
    row.now("ending")
    row.now("over")


def expect_rolled(row):
    for service in SERVICES:
        row.expect_new_process(service)
        if not row.events(service, "stopped"):
            row.problem(f"{service} did not stop in good order")
    row.shown.append("log: all stopped in good order")


def rotate(row):
    row.not_after = int(time.time()) + 86400
    certificate, key = issue(row.deployment, row.service, time.time() - 60, row.not_after)
    install(row.deployment, row.service, certificate, key)
    for moment in ("in force", "ending"):
        row.now(moment)
    while served(row.deployment, row.service) != certificate.strip():
        if time.time() > row.ending + 15:
            raise RuntimeError(f"{row.service} still shows its old certificate after 15 s")
        time.sleep(0.2)
    row.now("over")


def expect_rotated(row):
    if not row.events(row.service, "certificate_reloaded"):
        row.problem(f"{row.service} says nothing of its new certificate")
    if row.not_after not in row.scraper.values(row.service, "twi_certificate_expiry_timestamp_seconds", row.over, row.ended + 5):
        row.problem(f"twi_certificate_expiry_timestamp_seconds of {row.service} is not the new certificate's")
    row.shown.append(f"{row.service} its new end")


def expire(row):
    """An open connection goes on with the certificate that it began with, and services keep theirs: those that call this one are started again, so that they meet the expired one."""
    row.not_after = int(time.time()) + 6
    install(row.deployment, row.service, *issue(row.deployment, row.service, time.time() - 60, row.not_after))
    time.sleep(max(0.0, row.not_after - time.time()))
    row.now("in force")
    for caller in DEPENDENTS.get(row.service, []):
        restart(row.deployment, caller)
    time.sleep(FAULT_SECONDS)
    row.now("ending")
    install(row.deployment, row.service, *issue(row.deployment, row.service, time.time() - 60, time.time() + 86400))
    row.now("over")


def expect_expired(row):
    row.expect_refused(SERVED[row.service], {"SERVER_UNAUTHENTICATED"})
    row.expect_dependents({"SERVER_UNAUTHENTICATED"})
    for caller in DEPENDENTS.get(row.service, []):
        if not row.events(caller, "server_refused", reason="SERVER_UNAUTHENTICATED", peer=f"spiffe://example.org/twi/{row.service}"):
            row.problem(f"{caller} does not say that it refused {row.service}")
    if 0 not in row.scraper.values(row.service, "twi_ready", row.in_force, row.ending):
        row.problem(f"twi_ready of {row.service} was never 0")
    if row.not_after not in row.scraper.values(row.service, "twi_certificate_expiry_timestamp_seconds", row.in_force, row.ending):
        row.problem(f"twi_certificate_expiry_timestamp_seconds of {row.service} does not show the end that has passed")
    if not row.events(row.service, "not_ready", reason="PEER_UNAUTHENTICATED"):
        row.problem(f"{row.service} does not say that its certificate has expired")
    row.shown.append(f"{row.service} not ready, its certificate's end passed")


def long_stop(row):
    stop(row, LONG_SECONDS)


def long_fill(row):
    fill(row, LONG_SECONDS)


def expect_withdrawn(row):
    for letter in SHORT:
        if not row.events(AGENTS[letter], "credential_withdrawn"):
            row.problem(f"agent {letter} did not withdraw its expired credential")
        if row.without[letter] == 0:
            row.problem(f"workload {letter} was never without a credential")
    row.shown.append(f"log: agents {SHORT} withdrew their credentials")


def expect_long_stop(row):
    expect_stopped(row)
    expect_withdrawn(row)


def expect_long_full(row):
    expect_full(row)
    expect_withdrawn(row)


def stop_agent_long(row):
    """A stopped agent takes nothing away: its workload's credential expires in its place. The workload's own TLS library refuses to call with it, so the test calls the peer with it, too."""
    peer, held = WORKLOADS[PEER[row.letters]], os.path.join(row.deployment.store(row.service), "..data")
    if not any(lets_in(row.deployment, peer, held) for _ in range(3)):  # the agent may be about to exchange it
        raise RuntimeError(f"{peer} does not let in who shows the credential of {row.service}")
    stop(row, LONG_SECONDS, lambda: row.tried("with", "OK" if lets_in(row.deployment, peer, held) else "refused by the peer"))


def expect_left_expired(row):
    expect_stopped(row)
    for kind, reason in (("with", "refused by the peer"), ("to", "SERVER_UNAUTHENTICATED")):
        if row.expired[kind, reason] == 0:
            row.problem(f"no call {kind} the expired credential of workload {row.letters} was refused with {reason}: {dict(row.expired)}")
    row.shown.append(f"log: {say_expired(row.expired)}")


def say_expired(expired):
    """What came of calls with expired credentials, and to them, in words."""
    total = lambda kind: sum(count for (found, _), count in expired.items() if found == kind)
    said = lambda kind: ", ".join(f"{reason} ({count})" for (found, reason), count in sorted(expired.items()) if found == kind) or "none"
    return (f"{total('with')} calls with an expired credential: {said('with')}; {total('to')} calls to a workload that shows one: {said('to')}; "
            f"{expired['with', 'OK'] + expired['to', 'OK']} were accepted")


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    act: typing.Callable
    daemons: list
    explained: set                    # reasons with which an agent that needs the daemon may be refused
    expect: typing.Callable           # what must be seen of it, else it was no fault
    silent: bool = False              # an agent that is the broken one is told nothing meanwhile (SIGHUP would wait for it)
    without_credential: bool = False  # workloads may be without, and their calls fail
    left_expired: bool = False        # the broken agent's workload may hold an expired one, and calls from and to it fail


RESTARTED = NOT_THERE | {"CHALLENGE_UNKNOWN"}  # of the daemon's earlier life
FAULTS = [
    Fault("killed (SIGKILL)", kill, list(SERVED), RESTARTED, expect_restarted, silent=True),
    Fault("stopped (SIGSTOP)", stop, list(SERVED), NOT_THERE, expect_stopped, silent=True),
    Fault("cut off the network", cut, list(SERVED), NOT_THERE, expect_cut),
    Fault("disk full", fill, list(SERVED), {"STORAGE_FAILED"}, expect_full),
    Fault("certificate rotated", rotate, SERVICES, set(), expect_rotated),
    Fault("certificate expired", expire, SERVICES, RESTARTED | {"SERVER_UNAUTHENTICATED"}, expect_expired),
    Fault("restarted one by one", rolling, [ALL], RESTARTED, expect_rolled),
    Fault("stopped longer than credentials live", long_stop, ["credential-authority", "verifier"], NOT_THERE, expect_long_stop, without_credential=True),
    Fault("disk full longer than credentials live", long_fill, ["credential-authority"], {"STORAGE_FAILED"}, expect_long_full, without_credential=True),
    Fault("stopped longer than its credential lives", stop_agent_long, ["agent-b"], NOT_THERE, expect_left_expired, silent=True, left_expired=True),
]
PEACE = Fault("between the faults", None, [NOBODY], set(), None)
# What --record writes, and the alerts that must fire: (name, the daemon that it names). Alerts with a `for:` of minutes want longer faults than these.
RECORDED = {
    ("disk full", "credential-authority"): [("TwiStoreCommitFailing", "credential-authority")] + [("TwiRenewalFailing", AGENTS[letter]) for letter in "ABC"],
    ("certificate expired", "verifier"): [("TwiCertificateExpired", "verifier")],
    ("stopped longer than credentials live", "credential-authority"): [("TwiRenewalFailing", AGENTS[letter]) for letter in "ABC"],
}


class Watcher:
    """Looks at what agents and workloads said, and keeps the serials that it saw."""

    def __init__(self, deployment):
        self.deployment, self.serials = deployment, set()
        self.judged = {}  # when each workload said the last line that was judged
        self.states = collections.Counter()  # of the credentials at all looks

    def acquired(self, letter, since):
        return [parse_time(line["time"]) for line in self.deployment.lines(AGENTS[letter], since) if line.get("event") == "credential_acquired" and parse_time(line["time"]) > since]

    def refusals(self, letter, since):
        """The lines of an agent that was refused."""
        return [line for line in self.deployment.lines(AGENTS[letter], since) if line.get("event") == "credential_not_acquired" and parse_time(line["time"]) > since]

    def said(self, letter, since):
        """The lines of a workload about its credential and calls; its server's log lines have another form."""
        return [line for line in self.deployment.lines(WORKLOADS[letter], since) if "credential" in line and parse_time(line["time"]) > since]

    def judge(self, row, peace):
        """Judges what each workload has said since the last time, each line once; lines from before the row's fault by the rules of peace."""
        for letter in "ABCD":
            for line in self.said(letter, self.judged[letter]):
                self.judged[letter] = parse_time(line["time"])
                self.judge_line(row if self.judged[letter] > row.began - CALL_SECONDS else peace, letter, line)

    def judge_line(self, row, letter, line):
        state, left = line["credential"], row.fault.left_expired and letter == row.letters
        self.states[state] += 1
        row.without[letter] += state == "none"
        if line.get("serial"):
            self.serials.add(line["serial"])
        withdrawn = left or (row.fault.without_credential and letter in SHORT)
        if state == "broken" or (state == "expired" and not left) or (state == "none" and not withdrawn):
            row.problem(f"workload {letter}: credential {state} {line.get('detail', '')} at {line['time']}")
        if row.fault.left_expired:
            self.judge_expired(row, letter, line)
        may_fail = row.fault.without_credential or (row.fault.left_expired and row.letters in (letter, PEER[letter]))
        # Attested TLS needs agents A and C and the Verifier, and no credential.
        for kind, must_hold in (("call", not may_fail), ("attested_call", "verifier" not in row.broken)):
            if kind in line:
                row.calls[letter, kind] += 1
                row.failed[letter, kind] += line[kind] != "OK"
                if line[kind] != "OK" and must_hold:
                    row.problem(f"workload {letter}: {kind} {line[kind]} {line.get('call_detail', '')} at {line['time']}")

    def judge_expired(self, row, letter, line):
        """Until the agent goes on its workload has nothing but the expired credential, to call with and to show."""
        if line["credential"] == "expired":
            row.ends[letter] = parse_time(line["not_after"])
        for kind, holder in (("with", letter), ("to", PEER[letter])):
            if "call" in line and holder in row.ends and row.ends[holder] < parse_time(line["time"]) < row.ending - CALL_SECONDS:
                row.tried(kind, line["call"])

    def await_recovery(self, row):
        """Seconds until each of the agents has acquired anew."""
        slowest = 0.0
        for letter in row.letters:
            while not (acquired := self.acquired(letter, row.anew)):
                if time.time() - row.over > RECOVERY_LIMIT:
                    row.problem(f"agent {letter} has no new credential {RECOVERY_LIMIT} s after the fault was over")
                    return RECOVERY_LIMIT
                time.sleep(0.3)
            slowest = max(slowest, min(acquired) - row.over)
        return slowest

    def await_calls(self, since, problem):
        """Until each workload has called its peer again, and workload C by attested TLS too."""
        for letter in "ABCD":
            wanted = ("call", "attested_call") if letter == "C" else ("call",)
            while not any(all(line.get(kind) == "OK" for kind in wanted) for line in self.said(letter, since)):
                if time.time() - since > RECOVERY_LIMIT:
                    problem(f"workload {letter} cannot call {RECOVERY_LIMIT} s after the fault was over")
                    return
                time.sleep(0.3)


def compare_with_metrics(row):
    """Every reason in an agent's log stands in its metrics too; those of an agent that was killed began anew."""
    by_reason = collections.defaultdict(str)
    for letter, agent in AGENTS.items():
        if row.fault.act is kill and agent == row.service:
            continue
        counted = row.scraper.grown(agent, "twi_credential_acquisitions_total", row.began, row.ended, "outcome")
        for reason in row.refused[letter]:
            if counted.get(reason, 0) < row.refused[letter][reason]:
                row.problem(f"agent {letter} was refused with {reason} {row.refused[letter][reason]} times, its metrics show {counted.get(reason, 0):.0f}")
            by_reason[reason] += letter
    row.shown[:0] = [f"agents {letters} {reason}" for reason, letters in sorted(by_reason.items())]


class Test:
    def __init__(self, deployment):
        self.deployment, self.watcher, self.load = deployment, Watcher(deployment), Load(deployment)
        self.scraper = fault_metrics.Scraper({service: os.path.join(deployment.store(service), "metrics.sock") for service in DAEMONS})
        self.rows, self.failures, self.recorded, self.expired = [], [], [], collections.Counter()
        self.peace = Row(self, PEACE, NOBODY)
        self.peace.began = 0.0

    def begin(self):
        began = time.time()
        self.watcher.await_calls(began, self.failures.append)
        self.scraper.start()
        if late := self.scraper.wait_past(began):
            self.failures.append(f"no metrics of {', '.join(late)}")
        if self.failures:
            raise RuntimeError("; ".join(self.failures))
        self.watcher.judged = dict.fromkeys("ABCD", time.time())
        self.load.start()

    def end(self):
        for thread in (self.load, self.scraper):
            thread.stop.set()
            thread.join()
        self.watcher.judge(self.peace, self.peace)
        self.failures += [f"between the faults: {problem}" for problem in self.peace.problems]

    def run(self, fault, service, record):
        if record:
            time.sleep(fault_metrics.BEFORE + 1)  # a recording begins in peace
        row = Row(self, fault, service)
        if service in AGENTS.values() and fault.silent:
            self.load.quiet.add(service)
        row.began = time.time()
        fault.act(row)
        if service in AGENTS.values():
            self.load.quiet.add(service)  # it must find its way back by its own renewal
        recovery = self.watcher.await_recovery(row)
        self.watcher.await_calls(row.anew, row.problem)
        self.load.quiet.discard(service)
        self.see(row)
        fault.expect(row)
        compare_with_metrics(row)
        if record and not row.problems:
            title = f"{fault.name}, {service}"
            self.recorded.append(fault_metrics.test_of_rules(self.scraper, title, row.in_force, row.ending, RECORDED[fault.name, service]))
        self.say(row, recovery)

    def see(self, row):
        """Reads what there is in the logs, then lets the scraper catch up with it."""
        self.watcher.judge(row, self.peace)
        for wanted in [(letter, "call") for letter in "ABCD"] + [("C", "attested_call")]:
            if row.calls[wanted] == 0:
                row.problem(f"workload {wanted[0]} made no {wanted[1]}: nothing was seen of it")
        for letter in "ABCD":
            lines = self.watcher.refusals(letter, row.began)
            row.refused[letter] = collections.Counter(line["reason"] for line in lines)
            for reason in row.refused[letter]:
                said = next(f"{line['time']}: {line.get('detail', '')}" for line in lines if line["reason"] == reason)
                if letter not in row.letters:
                    row.problem(f"agent {letter} does not need {row.service}, and was refused: {reason} ({said})")
                elif reason not in row.fault.explained:
                    row.problem(f"agent {letter} was refused with {reason}, which {row.fault.name} does not explain ({said})")
        row.ended = time.time()
        if late := self.scraper.wait_past(row.ended):
            row.problem(f"no metrics of {', '.join(late)} after the fault")

    def say(self, row, recovery):
        self.expired += row.expired
        reasons = sum(row.refused.values(), collections.Counter())
        said = ", ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items())) or "nothing"
        calls, failed, without = (sum(counter.values()) for counter in (row.calls, row.failed, row.without))
        kept = f"{calls - failed} of {calls} calls" + (f"; {without} times seen without a credential" if without else "")
        self.rows.append((row.service, row.fault.name, said, "; ".join(row.shown) or "nothing", kept, f"{recovery:.1f} s"))
        print(f"{'FAILED' if row.problems else 'ok    '} {row.service:22} {row.fault.name:38} {recovery:5.1f} s  refused: {said}; seen: {self.rows[-1][3]}; workloads: {kept}", flush=True)
        for problem in row.problems:
            print(f"       {problem}", flush=True)
        self.failures += [f"{row.service}, {row.fault.name}: {problem}" for problem in row.problems]


@contextlib.contextmanager
def store_of(test, service):
    """A copy of the service's database, made as deploy/README.md backs it up: while the daemon runs."""
    path = os.path.join(test.deployment.store(service), f"{service}.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live, contextlib.closing(sqlite3.connect(":memory:")) as copy:
        live.backup(copy)
        if copy.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            test.failures.append(f"the database of {service} is damaged")
        yield copy


def acquisitions(test, letters):
    return [line for letter in letters for line in test.deployment.lines(AGENTS[letter], 0) if line.get("event") == "credential_acquired"]


def issuances(test):
    """Every credential that an agent acquired or a workload held has its issuance record. (credentials, records)"""
    serials = {serial.lower() for serial in test.watcher.serials | {line["serial"] for line in acquisitions(test, "ABCD")}}
    with store_of(test, "credential-authority") as store:
        recorded = {row[0].lower() for row in store.execute("SELECT serial FROM issuance")}
    if not serials or serials - recorded:
        test.failures.append(f"of {len(serials)} credentials {len(serials - recorded)} have no issuance record: {sorted(serials - recorded)[:3]}")
    return len(serials), len(recorded)


def releases(test):
    """Every acquisition of agent D has its release record: one trace leads from its line to the Key Store's, which names the record. (acquisitions, records)"""
    released = {line["trace_id"]: line["results_id"] for line in test.deployment.lines("key-store", 0) if line.get("event") == "released"}
    traces = [line["trace_id"] for line in acquisitions(test, "D")]
    with store_of(test, "key-store") as store:
        recorded = {row[0] for row in store.execute("SELECT results_jti FROM releases")}
    missing = [trace for trace in traces if released.get(trace) not in recorded]
    if missing or not traces:
        test.failures.append(f"of {len(traces)} acquisitions of agent D {len(missing)} have no release record: traces {missing[:3]}")
    return len(traces), len(recorded)


def summary_of(test):
    credentials, issued = issuances(test)
    acquired, released = releases(test)
    states = test.watcher.states
    return (f"{credentials} credentials were acquired or held meanwhile, D's among them; each has its issuance record ({issued} records). Agent D acquired its own {acquired} times; each has its "
            f"release record ({released} records). Workloads looked at their credentials {sum(states.values())} times: {states['broken']} were invalid. {say_expired(test.expired)}.")


# --- Where and under what this ran.


def stamp():
    git = lambda *command: subprocess.run(["git", "-c", f"safe.directory={ROOT}", *command], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    revision = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{datetime.date.today()}, revision {revision}{'+changes' if git('status', '--porcelain') else ''}, {os.cpu_count()} CPUs"


def used(pid):
    """(MiB in memory now, and at most, seconds of CPU) of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status, open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        memory = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status.read(), re.MULTILINE))
        ticks = stat.read().rpartition(")")[2].split()[11:13]  # utime, stime: proc(5)
    return int(memory["VmRSS"]) / 1024, int(memory["VmHWM"]) / 1024, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def resources(deployment, seconds=10):
    """A table of what each daemon uses while the load runs and nothing is broken."""
    pids = {daemon: deployment.pid(daemon) for daemon in DAEMONS}
    before = {daemon: used(pid) for daemon, pid in pids.items()}
    time.sleep(seconds)
    after = {daemon: used(pid) for daemon, pid in pids.items()}
    return [f"  {daemon:22} {after[daemon][0]:6.1f} MiB, at most {after[daemon][1]:6.1f} MiB  {(after[daemon][2] - before[daemon][2]) / seconds * 1000:5.0f}m CPU" for daemon in DAEMONS]


def write_record(path, tests, made):
    fault_metrics.write_tests(path, tests)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"# Recorded on {made}.\n{text}")


def write_table(path, rows, summary):
    begin, end = "<!-- fault table: begin -->", "<!-- fault table: end -->"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = ["| Daemon | Fault | Agents were refused with (times) | Seen in metrics (or where it says) | Workloads' TLS meanwhile | Recovered by itself after |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows] + ["", summary]
    head, tail = text.split(begin)[0], text.split(end)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[], help='rows whose "FAULT DAEMON" holds this text; several times: any of the texts')
    parser.add_argument("--table", help="Markdown file with the table's markers")
    parser.add_argument("--record", help="file for a test of the alert rules (promtool test rules)")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    args = parser.parse_args()
    matches = lambda only, fault, service: only in f"{fault.name} {service}"
    rows = [(fault, service) for fault in FAULTS for service in fault.daemons]
    for only in args.only:
        if not any(matches(only, *row) for row in rows):
            parser.error(f'--only: no row holds "{only}"')
    wanted = [row for row in rows if not args.only or any(matches(only, *row) for only in args.only)]
    if missing():
        print(f"skipped: {missing()}")
        return 77
    made = stamp()
    deployment = Deployment(tempfile.mkdtemp(prefix="twi-faults."))
    test = Test(deployment)
    try:
        deployment.prepare()
        deployment.up()
        test.begin()
        for number, (fault, service) in enumerate(wanted):
            if number == len(wanted) // 2:
                usage = resources(deployment)
            test.run(fault, service, bool(args.record) and (fault.name, service) in RECORDED)
        test.end()
        for daemon in DAEMONS:
            test.failures += [f"{key} of {daemon} appeared with its first count: no alert rule sees that" for key in test.scraper.born_late(daemon)]
        summary = f"{summary_of(test)} ({made}.)"
    finally:
        if not args.keep:
            deployment.down()
            deployment.clean()
    print("\n".join(["RSS and CPU under the test's load:"] + usage))
    print("The test FAILED." if test.failures else summary)
    if args.table and not test.failures:
        write_table(args.table, test.rows, summary)
    if args.record and test.recorded and not test.failures:
        write_record(args.record, test.recorded, made)
    for failure in test.failures:
        print(failure)
    print(f"{len(test.rows)} faults, {len(test.failures)} failures")
    return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
