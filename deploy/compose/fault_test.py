#!/usr/bin/env python3
"""Breaks TWI on purpose, as containers, while four agents acquire credentials anew each second, and watches what happens. Those of A, B and C live a minute. That of D lives an hour: it was issued
when its key was provisioned, and is held again each time the key is released. (A shorter one would end for good: nobody but its owner can provision another.)

    fault_test.py [--only TEXT]... [--table FILE] [--record FILE] [--keep]

Each fault is a function of faults.py; after each the test waits until every agent that the daemon serves has acquired a credential anew. What is seen becomes a row of the table in deploy/README.md
(--table writes it between its markers: all rows, so not with --only). The whole takes some fifteen minutes and is run by hand; .ci/run runs three rows of it (--only).

A fault that nobody notices was none: beside each stands what must be seen of it, in the agents' log lines, in the daemon's own, and in the metrics (fault_watcher.py reads, fault_metrics.py scrapes all
daemons all the time). Two are the other way round: Verifier and Claims Mapper write nothing for a request, so their full disk must be noticed by nobody, and all agents must acquire meanwhile. Every refusal that
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
import os
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import fault_metrics  # noqa: E402
import recorded_series  # noqa: E402
from deployment import AGENTS, DAEMONS, Deployment, Load, missing, stamp  # noqa: E402
from fault_watcher import Row, Watcher, compare_with_metrics  # noqa: E402
from faults import FAULTS, FOLLOWS, NOBODY, PEACE, RECORDED, SERVED, SHORT, say_expired  # noqa: E402

PROJECT = "twi-faults"
INTERVAL = 2  # seconds, of the recorded series
BEFORE = 6    # seconds of a recording before the fault


def short_lived(deployment):
    """Credentials that live a minute, and agents that are quick to try again."""
    for policy in ("payroll-worker", "ledger-worker"):
        deployment.edit(f"{policy}.policy.yaml", "max_lifetime: 1h", "max_lifetime: 1m")
    deployment.append("credential_authority.yaml", "issuing: {backdate: 20s}\n")
    for letter in "abcd":
        deployment.append(f"agent_{letter}.yaml", "renewal: {at_fraction: 0.35, jitter: 0.05, retry_min: 500ms, retry_max: 1s}\n")


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
            time.sleep(BEFORE + 1)  # a recording begins in peace
        row = Row(self, fault, service)
        agents = set(row.broken) & set(AGENTS.values())
        if fault.silent:
            self.load.quiet |= agents
        row.began = time.time()
        fault.act(row)
        # They must find their way back by their own renewal; that of D, whose credential lives an hour, would be half of one later.
        self.load.quiet = {agent for agent in agents if SERVED[agent] in SHORT or fault.new_process}
        recovery = self.watcher.await_recovery(row)
        self.watcher.await_calls(row.anew, row.problem)
        self.load.quiet = set()
        self.see(row)
        fault.expect(row)
        compare_with_metrics(row)
        if record and not row.problems:
            self.record(row, RECORDED[fault.name, service])
        self.say(row, recovery)

    def record(self, row, wanted):
        """Nothing fires before the fault, at its end what must, and perhaps FOLLOWS."""
        steps = self.scraper.steps(row.in_force - BEFORE, row.ending, INTERVAL)
        recording = recorded_series.Recording.of(f"{row.fault.name}, {row.service}", [], INTERVAL, steps)
        lines, problem = recording.judged([(BEFORE // INTERVAL - 1, []), (len(steps) - 1, wanted)], FOLLOWS)
        self.recorded += lines
        if problem:
            row.problem(f"its recording: {problem}")

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
        after = f"{recovery:.1f} s" if row.anew >= row.over else "each before the next"
        self.rows.append((row.service, row.fault.name, said, "; ".join(row.shown) or "nothing", kept, after))
        print(f"{'FAILED' if row.problems else 'ok    '} {row.service:22} {row.fault.name:38} {after:>7}  refused: {said}; seen: {self.rows[-1][3]}; workloads: {kept}", flush=True)
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
    """Every credential that an agent acquired or a workload held has its issuance record, and so has every one that the Credential Authority says it issued: one whose answer was lost on its way is held by
    nobody. (credentials, said to be issued, records)"""
    held = {serial.lower() for serial in test.watcher.serials | {line["serial"] for line in acquisitions(test, "ABCD")}}
    said = {line["serial"].lower() for line in test.deployment.lines("credential-authority", 0) if line.get("event") == "issued"}
    with store_of(test, "credential-authority") as store:  # after what was said: agents acquire meanwhile
        recorded = {row[0].lower() for row in store.execute("SELECT serial FROM issuance")}
    for serials, what in ((held, "credentials"), (said, "credentials that the Credential Authority says it issued")):
        if not serials or serials - recorded:
            test.failures.append(f"of {len(serials)} {what} {len(serials - recorded)} have no issuance record: {sorted(serials - recorded)[:3]}")
    return len(held), len(said), len(recorded)


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
    credentials, said, issued = issuances(test)
    acquired, released = releases(test)
    states = test.watcher.states
    seen = {serial.lower() for serial in test.watcher.serials}
    unseen = sum(line["serial"].lower() not in seen for line in acquisitions(test, "ABC"))
    return (f"{credentials} credentials were acquired or held meanwhile, D's among them; each has its issuance record ({issued} records), as has each of the {said} that the Credential Authority says "
            f"it issued. Agent D acquired its own {acquired} times; each has its release record ({released} records). Workloads looked at their credentials {sum(states.values())} times: "
            f"{states['broken']} were invalid. {unseen} credentials were replaced before their workload looked. {say_expired(test.expired)}.")


# --- What it used, and what is written of it.


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
    head = [f"# Recorded on {made}.", "# Alert rules on series that were scraped while faults went on: written by deploy/compose/fault_test.py --record. Do not edit; record anew.",
            "# Each recording begins at time 0 (its time stamps are shifted by that), and ends with its fault."]
    recorded_series.write(path, head, "alerts.yaml", INTERVAL, tests)


def around_table(path):
    """What stands before the table and after it, its markers included."""
    begin, end = "<!-- fault table: begin -->\n", "<!-- fault table: end -->"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"{path} does not hold the markers {begin.strip()} and {end}, each once")
    return text[: text.index(begin) + len(begin)], text[text.index(end):]


def write_table(path, rows, summary):
    head, tail = around_table(path)
    lines = ["| Daemon | Fault | Agents were refused with (times) | Seen in metrics (or where it says) | Workloads' TLS meanwhile | Recovered by itself after |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows] + ["", summary]
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + "\n".join(lines) + "\n" + tail)


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
    if args.table and args.only:
        parser.error("--table writes the whole table: not with --only")
    left_out = [f"{name} {service}" for name, service in RECORDED if (name, service) not in {(fault.name, service) for fault, service in wanted}]
    if args.record and left_out:
        parser.error(f"--record writes the whole file, and --only leaves out {', '.join(left_out)}")
    if args.record and shutil.which("promtool") is None:
        parser.error("--record wants promtool")
    if missing():
        print(f"skipped: {missing()}")
        return 77
    if args.table:
        around_table(args.table)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`
    made = stamp()
    deployment = Deployment(tempfile.mkdtemp(prefix="twi-faults."), PROJECT)
    test = Test(deployment)
    try:
        deployment.prepare(short_lived)
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
        if args.keep:
            print(f"left running: the project {PROJECT}, its files in {deployment.work} (file systems of their own are mounted there); the next run takes the project down")
        else:
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
