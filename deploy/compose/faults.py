"""The faults that fault_test.py brings about: what is done to a daemon, what must be seen of it, and the table of all of them."""
import dataclasses
import os
import signal
import time
import typing

from deployment import AGENTS, SERVICES, WORKLOADS, fill_up, install, issue, lets_in, run, served

ALL, ALL_AGENTS, NOBODY = "all four services", "all four agents", "none"
SERVED = {"verifier": "ABCD", "claims-mapper": "ABC", "credential-authority": "ABC", "key-store": "D", **{agent: letter for letter, agent in AGENTS.items()}}
# Daemons that call this one for agents, so that they too refuse when it is not there.
DEPENDENTS = {"verifier": ["credential-authority"], "claims-mapper": ["verifier", "credential-authority"], "credential-authority": ["verifier"]}
PEER = {"A": "C", "C": "A", "B": "D", "D": "B"}  # which workload calls which
SHORT = "ABC"  # whose credentials live a minute
WITH_WIT = "BCD"  # whose credential has a WIT beside the certificate (deploy/compose/config)
ATTESTED = {"verifier", AGENTS["A"], AGENTS["C"]}  # whom attested TLS needs; it needs no credential
FAULT_SECONDS = 8
LONG_SECONDS = 75  # longer than those
CALL_SECONDS = 4  # a workload's line is of the moment before its calls: two, which may take 2 s each
RECOVERY_LIMIT = 60  # seconds: beyond it nothing "recovers by itself"
NOT_THERE = {"DEPENDENCY_UNAVAILABLE", "DEADLINE_EXCEEDED"}

# Each names its moments: "in force", "ending", and "over", from which recovery counts; it returns when it is over. "anew": what was acquired before shows no recovery.


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
    """A Unix socket needs no network: who is cut off answers scrapes all the time, as nobody does who is stopped."""
    row.expect_no_acquisition()
    answered = row.scraper.values(row.service, "twi_ready", row.in_force, row.ending)
    if not answered or row.scraper.unreachable(row.service, row.in_force, row.ending):
        row.problem(f"{row.service} left scrapes over its socket without an answer ({len(answered)} had one): it was more than cut off")
    row.shown.append(f"{row.service} up 1")
    row.expect_refused(row.letters, NOT_THERE)
    row.expect_dependents(NOT_THERE)


def fill(row, seconds=FAULT_SECONDS):
    ballast = fill_up(row.deployment.store(row.service))
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
    for service in row.broken:
        restart(row.deployment, service)
        if service in AGENTS.values():  # the next one when this one has a credential again
            row.await_acquisition(SERVED[service], row.deployment.restarts(service)[1])
    row.now("ending")
    row.now("over")
    if row.service == ALL_AGENTS:
        row.moments["anew"] = row.in_force  # they have acquired already


def expect_rolled(row):
    for service in row.broken:
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
    stop(row, LONG_SECONDS, lambda: row.tried("with", "OK" if lets_in(row.deployment, peer, held) else "refused by the peer", row.letters))


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
    silent: bool = False              # an agent that is a broken one is told nothing meanwhile (SIGHUP would wait for it)
    without_credential: bool = False  # workloads may be without, and their calls fail
    attested_goes_on: bool = False    # attested TLS needs nothing of what is broken
    left_expired: bool = False        # the broken agent's workload may hold an expired one, and calls from and to it fail
    dependents_too: bool = False      # it breaks the daemons that call this one, too
    new_process: bool = False         # the daemons' metrics begin anew


RESTARTED = NOT_THERE | {"CHALLENGE_UNKNOWN"}  # of the daemon's earlier life
FAULTS = [
    Fault("killed (SIGKILL)", kill, list(SERVED), RESTARTED, expect_restarted, silent=True, new_process=True),
    Fault("stopped (SIGSTOP)", stop, list(SERVED), NOT_THERE, expect_stopped, silent=True),
    Fault("cut off the network", cut, list(SERVED), NOT_THERE, expect_cut),
    Fault("disk full", fill, list(SERVED), {"STORAGE_FAILED"}, expect_full, attested_goes_on=True),
    Fault("certificate rotated", rotate, SERVICES, set(), expect_rotated, attested_goes_on=True),
    Fault("certificate expired", expire, SERVICES, RESTARTED | {"SERVER_UNAUTHENTICATED"}, expect_expired, dependents_too=True),
    Fault("restarted one by one", rolling, [ALL, ALL_AGENTS], RESTARTED, expect_rolled, silent=True, new_process=True),
    Fault("stopped longer than credentials live", long_stop, ["credential-authority", "verifier"], NOT_THERE, expect_long_stop, without_credential=True),
    Fault("disk full longer than credentials live", long_fill, ["credential-authority"], {"STORAGE_FAILED"}, expect_long_full, without_credential=True),
    Fault("stopped longer than its credential lives", stop_agent_long, ["agent-b"], NOT_THERE, expect_left_expired, silent=True, left_expired=True),
]
PEACE = Fault("between the faults", None, [NOBODY], set(), None)
# What --record writes, and the alerts that must fire: (name, the daemon that it names). Alerts with a `for:` of minutes want longer faults: record_alerts.py.
RECORDED = {
    ("disk full", "credential-authority"): [("TwiStoreCommitFailing", "credential-authority")] + [("TwiRenewalFailing", AGENTS[letter]) for letter in "ABC"],
    ("certificate expired", "verifier"): [("TwiCertificateExpired", "verifier")],
    ("stopped longer than credentials live", "credential-authority"): [("TwiRenewalFailing", AGENTS[letter]) for letter in "ABC"],
}
# Alerts that may fire besides: agents are refused by a broken daemon, and lose credentials that live a minute.
FOLLOWS = {"TwiRenewalFailing", "TwiCredentialExpiresSoon"}
