"""What record_alerts.py brings about: situations that last for longer than an alert's `for`, each a function below, and the deployments (lanes) in which they follow one another."""
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing

import fault_metrics
from deployment import AGENTS, DAEMONS, PORTS, ROOT, Load, dial, fill_up, install, issue, run

MINUTE = 60
DAY = 86400
SLACK = 75  # seconds beyond an alert's `for`: a rate wants two scrapes that differ, and an evaluation after them
ABC = [AGENTS[letter] for letter in "ABC"]
CLIENT = os.path.join(ROOT, "integration_tests/clients/python")
BLKIO = "/sys/fs/cgroup/blkio"  # cgroup v1


def waits():
    """{alert: its `for` in seconds}"""
    with open(fault_metrics.RULES, encoding="utf-8") as file:
        rules = file.read().split("- alert: ")[1:]
    seconds = {"s": 1, "m": MINUTE, "h": 60 * MINUTE}
    found = {rule.split()[0]: re.search(r"^    for: (\d+)([smh])$", rule, re.MULTILINE) for rule in rules}
    return {alert: int(wait[1]) * seconds[wait[2]] if wait else 0 for alert, wait in found.items()}


WAITS = waits()


class Stage:
    """One situation while it is on: its moments, at which exactly the named alerts (and some of those that may follow from it) fire, and what must be done when it is over."""

    def __init__(self, deployment, recorder):
        self.deployment, self.recorder, self.moments, self.over = deployment, recorder, [], contextlib.ExitStack()

    def next_step(self):
        """Waits for a scrape that begins from now on; its number."""
        now = time.time()
        while True:
            number = len(self.recorder.steps) - 1
            if number >= 0 and self.recorder.steps[number][0] >= now:
                return number
            time.sleep(0.5)

    def hold(self, alert):
        """As long as the alert wants it, and some more."""
        time.sleep(WAITS[alert] + SLACK)

    def moment(self, **firing):
        """firing: {alert: the daemons that it names}"""
        self.moments.append((self.next_step(), [(alert, daemon) for alert, daemons in firing.items() for daemon in daemons]))

    def docker(self, command, *services):
        run("docker", *command.split(), *(self.deployment.name(service) for service in services))

    def attest(self, letters, period):
        """Lets agents attest anew, each `period` seconds."""
        load = Load(self.deployment, letters, period)
        load.start()
        self.over.callback(load.stop.set)

    def until_over(self, period, deed):
        """Does it again and again."""
        stop = threading.Event()

        def again():
            while not stop.wait(period):
                with contextlib.suppress(OSError):
                    deed()

        threading.Thread(target=again, daemon=True).start()
        self.over.callback(stop.set)

    def stranger(self, deed, *flags):
        """The command of a client that must be refused (stranger.py), on this host, with what an agent has."""
        address = lambda service: f"{self.deployment.inspect(service)['NetworkSettings']['Networks'][self.deployment.project + '_agents']['IPAddress']}:{PORTS[service]}"
        stubs = os.path.join(self.deployment.work, "stubs")
        if not os.path.exists(stubs):
            os.mkdir(stubs)
            plugin = run("which", "grpc_python_plugin").strip()
            run("protoc", "-I.", f"--python_out={stubs}", f"--plugin=protoc-gen-grpc={plugin}", f"--grpc_out={stubs}", "proto/google/rpc/status_details.proto",
                *(f"proto/twi/v1/{name}.proto" for name in ("evidence", "workload_credential", "verifier", "credential_authority")))
        command = ["/usr/bin/python3", os.path.join(ROOT, "deploy/compose/stranger.py"), deed, "--verifier", address("verifier"), "--credential-authority", address("credential-authority"),
                   "--trust-bundle", os.path.join(self.deployment.volume("agent"), "ca.pem"), "--credential-bundle", os.path.join(self.deployment.volume("bundle"), "credential-bundle.pem"),
                   "--dev-snp", self.deployment.volume("chip"), "--image", os.path.join(self.deployment.config, "payroll-worker.image"), *flags]
        return command, {**os.environ, "PYTHONPATH": f"{stubs}:{CLIENT}", "PYTHONDONTWRITEBYTECODE": "1"}


# --- The situations. The first lines of each stand above its recording.


def hour_of_peace(stage):
    """Nothing is broken for more than an hour, in which every agent renews its credential. The Credential Authority's issuing certificate lives 20 days."""
    stage.hold("TwiIssuingCertificateExpiresSoon")
    stage.moment(TwiIssuingCertificateExpiresSoon=["credential-authority"])


def mapper_stopped(stage):
    """The Claims Mapper is stopped. Credentials of agents A, B and C live 13 minutes, and are renewed when there are still eleven left: first renewals fail, then the credentials come near their end,
    then there are none. Agent D needs no Claims Mapper."""
    stage.docker("stop", "claims-mapper")
    stage.over.callback(stage.docker, "start", "claims-mapper")
    began, down = time.time(), {"TwiDaemonDown": ["claims-mapper"]}
    stage.hold("TwiDaemonDown")
    stage.moment(**down)
    down["TwiRenewalFailing"] = ABC
    time.sleep(began + 9 * MINUTE - time.time())
    stage.moment(**down, TwiCredentialExpiresSoon=ABC)
    ends = [stage.recorder.latest()[agent]["twi_credential_expiry_timestamp_seconds"] for agent in ABC]
    time.sleep(max(ends) - time.time())
    stage.hold("TwiNoCredential")
    stage.moment(**down, TwiNoCredential=ABC, TwiNotReady=ABC, TwiServiceGone=["claims-mapper"], TwiDependencyUnavailable=["verifier", "credential-authority"])


def disk_full(stage):
    """The Credential Authority's disk is full, while agents attest anew."""
    ballast = fill_up(stage.deployment.store("credential-authority"))
    stage.over.callback(os.remove, ballast)
    stage.attest("ABC", 15)
    stage.hold("TwiNotReady")
    stage.moment(TwiNotReady=["credential-authority"], TwiStoreCommitFailing=["credential-authority"])


def killed_again_and_again(stage):
    """The Key Store is killed (SIGKILL) three times within two minutes; Docker starts it again each time."""
    for _ in range(3):
        os.kill(stage.deployment.pid("key-store"), signal.SIGKILL)
        for _ in range(3):
            stage.next_step()
    stage.moment(TwiRestarting=["key-store"])


def service_removed(stage):
    """The Key Store's container is removed: nobody looks for it any more."""
    stage.docker("rm --force", "key-store")
    stage.hold("TwiServiceGone")
    stage.moment(TwiServiceGone=["key-store"])


def all_removed(stage):
    """All containers are removed: there is nothing left to scrape."""
    stage.docker("rm --force", *sorted(stage.deployment.containers() & set(DAEMONS)))
    stage.hold("TwiNothingScraped")
    stage.moment(TwiNothingScraped=[""])


def misdeed(stage, deed):
    command, environment = stage.stranger(deed)
    run(*command, env=environment)
    stage.next_step()


def replayed(stage):
    """Somebody uses Attestation Results twice."""
    misdeed(stage, "replay")
    stage.moment(TwiReplay=["credential-authority"])


def forged(stage):
    """Somebody shows the Verifier an Attestation Report of which one bit of the signature is changed."""
    misdeed(stage, "forge")
    stage.moment(TwiForgedEvidence=["verifier"])


def software_unknown(stage):
    """The ledger worker's software runs, and its reference value is not in the Verifier's config any more."""
    measurement = "751f86c24337ba18"

    def exchange(old, new):
        stage.deployment.edit("reference_values.yaml", old, new)
        stage.docker("kill --signal HUP", "verifier")

    exchange(measurement, "f" * 16)
    stage.over.callback(exchange, "f" * 16, measurement)
    stage.attest("C", 20)
    stage.hold("TwiUnknownSoftware")
    stage.moment(TwiUnknownSoftware=["verifier"])


def strangers_call(stage):
    """Somebody without a right to it asks the Credential Authority for issuance records each ten seconds, and somebody with an expired certificate calls the Key Store each second."""
    command, environment = stage.stranger("trespass", "--every", "10")
    trespasser = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    stage.over.callback(trespasser.wait)
    stage.over.callback(trespasser.terminate)
    folder = os.path.join(stage.deployment.work, "expired")
    os.mkdir(folder, 0o700)
    for name, text in zip(("chain.pem", "key.pem"), issue(stage.deployment, "claims-mapper", time.time() - 2 * DAY, time.time() - DAY)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def call():
        with dial(stage.deployment, "key-store", PORTS["key-store"], folder) as tls:
            tls.recv(1)  # in TLS 1.3 the client is refused after its handshake

    stage.until_over(1, call)
    stage.hold("TwiPeersRefused")
    stage.moment(TwiPeersRefused=["credential-authority", "key-store"])


def overloaded(stage):
    """The Verifier may work on one request at a time, and all agents attest anew each three seconds."""
    limit = "server:\n  max_concurrent_requests: 1\n"

    def exchange(old, new):
        stage.deployment.edit("verifier.yaml", old, new)
        stage.docker("restart", "verifier")

    exchange("server:\n", limit)
    stage.over.callback(exchange, limit, "server:\n")
    stage.attest("ABCD", 3)
    stage.hold("TwiOverloaded")
    stage.moment(TwiOverloaded=["verifier"])


def certificate_ends(stage):
    """The Claims Mapper has a certificate that ends in ten minutes, and nobody renews it. When it has ended those that call it are started again, because an open connection goes on; agents attest
    anew, and nobody believes that this is the Claims Mapper."""
    certificate = lambda begin, end: install(stage.deployment, "claims-mapper", *issue(stage.deployment, "claims-mapper", begin, end))
    end = time.time() + 10 * MINUTE
    certificate(time.time() - DAY, end)
    stage.over.callback(lambda: certificate(time.time() - MINUTE, time.time() + 30 * DAY))
    firing = {"TwiCertificateExpiresSoon": ["claims-mapper"]}
    stage.hold("TwiCertificateExpiresSoon")
    stage.moment(**firing)
    firing["TwiCertificateExpired"] = ["claims-mapper"]
    time.sleep(end - time.time() + 5)
    stage.moment(**firing)
    stage.docker("restart", "verifier", "credential-authority")
    stage.attest("ABC", 15)
    stage.hold("TwiNotReady")
    firing["TwiNotReady"] = ["claims-mapper"]
    stage.moment(**firing)
    stage.hold("TwiDependencyUnavailable")
    stage.moment(**firing, TwiDependencyUnavailable=["verifier", "credential-authority"])


def throttle(deployment, writes, of_journal):
    """So many writes a second of the Credential Authority to its disk, and of the file system's own thread, which is in the root cgroup; 0: as many as it can."""
    device = run("findmnt", "--noheadings", "--output", "MAJ:MIN", deployment.store("credential-authority")).strip()
    with open(f"/proc/{deployment.pid('credential-authority')}/cgroup", encoding="utf-8") as file:
        own = re.search(r"^\d+:blkio:(.*)$", file.read(), re.MULTILINE)
    if own is None:
        raise RuntimeError("a slow disk needs cgroup v1 with blkio")
    for group, limit in ((own[1], writes), ("", of_journal)):
        with open(f"{BLKIO}{group}/blkio.throttle.write_iops_device", "w", encoding="utf-8") as file:
            file.write(f"{device} {limit}")


def disk_slow(stage):
    """The Credential Authority's disk does one write a second, and agents attest anew each ten seconds."""
    throttle(stage.deployment, 1, 2)
    stage.over.callback(throttle, stage.deployment, 0, 0)
    stage.attest("ABC", 10)
    stage.hold("TwiStoreSlow")
    stage.moment(TwiStoreSlow=["credential-authority"], TwiSlow=["credential-authority"])


# --- The table.


@dataclasses.dataclass(frozen=True)
class Situation:
    name: str                  # of the recording, and its file
    act: typing.Callable
    follows: frozenset = frozenset()  # alerts that may fire besides: agents are refused, who retry as they like
    buckets: bool = False      # histograms are recorded

    @property
    def story(self):
        return [line.strip() for line in self.act.__doc__.splitlines()]


@dataclasses.dataclass(frozen=True)
class Lane:
    """A deployment, and what happens in it, one after the other."""
    name: str
    situations: list
    settings: typing.Callable
    real_disk: bool = False    # the Credential Authority's store is on a disk that can be slow, not in memory


def long_lived(deployment):
    """Agent D's credential outlives all of this: nobody but its owner can provision another."""
    deployment.edit("payroll-batch.policy.yaml", "max_lifetime: 1h", "max_lifetime: 24h")
    deployment.append("credential_authority.yaml", "issuing: {max_lifetime: 24h}\n")
    for letter in "abcd":
        deployment.append(f"agent_{letter}.yaml", "renewal: {retry_min: 1s, retry_max: 20s}\n")


def issued_for_days(deployment):
    long_lived(deployment)
    deployment.edit("credential_authority.yaml", "issuing: {", "issuing: {authority_lifetime: 480h, ")


def short_lived(deployment):
    """Credentials of A, B and C live 13 minutes, and are renewed when 10.5 to 11.6 of them are left: longer than the ten at which TwiCredentialExpiresSoon begins."""
    long_lived(deployment)
    for policy in ("payroll-worker", "ledger-worker"):
        deployment.edit(f"{policy}.policy.yaml", "max_lifetime: 1h", "max_lifetime: 13m")
    for letter in "abcd":
        deployment.edit(f"agent_{letter}.yaml", "renewal: {", "renewal: {at_fraction: 0.15, jitter: 0.04, ")


REFUSED = frozenset({"TwiRenewalFailing"})
LANES = [
    Lane("peace", [Situation("hour-of-peace", hour_of_peace, buckets=True)], issued_for_days),
    Lane("outages", [
        Situation("claims-mapper-stopped", mapper_stopped, REFUSED | {"TwiCredentialExpiresSoon", "TwiDependencyUnavailable"}),
        Situation("authority-disk-full", disk_full, REFUSED | {"TwiCredentialExpiresSoon"}),
        Situation("key-store-killed", killed_again_and_again),
        Situation("key-store-removed", service_removed),
        Situation("all-removed", all_removed),
    ], short_lived),
    Lane("strangers", [
        Situation("results-replayed", replayed),
        Situation("evidence-forged", forged),
        Situation("software-unknown", software_unknown, REFUSED | {"TwiUnknownSoftware"}),
        Situation("strangers-call", strangers_call),
        Situation("verifier-overloaded", overloaded, REFUSED | {"TwiOverloaded"}),
    ], long_lived),
    Lane("decay", [
        Situation("authority-disk-slow", disk_slow, REFUSED | {"TwiSlow", "TwiDependencyUnavailable"}, buckets=True),
        Situation("claims-mapper-certificate-ends", certificate_ends, REFUSED),
    ], long_lived, real_disk=True),
]
