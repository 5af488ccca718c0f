"""What was seen of a fault: a Row per fault on one daemon, and the Watcher, who reads what agents and workloads say."""
import collections
import time

from deployment import AGENTS, SERVICES, WORKLOADS, parse_time
from faults import ALL, ALL_AGENTS, ATTESTED, CALL_SECONDS, DEPENDENTS, NOBODY, PEER, RECOVERY_LIMIT, SERVED, SHORT, WITH_WIT

METRICS_SECONDS = 3  # from one scrape to the next, on a busy machine


class Row:
    """One fault on one daemon: when, and what was seen of it."""

    def __init__(self, test, fault, service):
        self.deployment, self.scraper, self.watcher, self.fault, self.service = test.deployment, test.scraper, test.watcher, fault, service
        self.broken = {ALL: SERVICES, ALL_AGENTS: list(AGENTS.values()), NOBODY: []}.get(service, [service]) + (DEPENDENTS.get(service, []) if fault.dependents_too else [])
        self.letters = "".join(sorted({letter for name in self.broken for letter in SERVED[name]}))  # agents that may notice, and must recover
        self.moments, self.problems, self.shown = {}, [], []
        self.refused = {letter: collections.Counter() for letter in "ABCD"}
        self.calls, self.failed = collections.Counter(), collections.Counter()  # of each workload, by kind
        self.without = collections.Counter()  # looks of each workload that found no credential
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

    def await_acquisition(self, letter, since):
        """Until the agent has acquired a credential since then, else that is a problem; the seconds that it took."""
        while not (acquired := self.watcher.acquired(letter, since)):
            if time.time() - since > RECOVERY_LIMIT:
                self.problem(f"agent {letter} has no new credential after {RECOVERY_LIMIT} s")
                return RECOVERY_LIMIT
            time.sleep(0.3)
        return min(acquired) - since

    def events(self, service, event, **fields):
        """The lines of a daemon about this, since the fault began."""
        return [line for line in self.deployment.lines(service, self.began) if line.get("event") == event and all(line.get(key) == value for key, value in fields.items())]

    def tried(self, kind, outcome, letter):
        """A call "with" the expired credential of this workload, or "to" it when it has no other to show."""
        self.expired[kind, outcome] += 1
        if outcome == "OK":
            self.problem(f"a call {kind} the expired credential of workload {letter} was accepted")

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


class Watcher:
    """Looks at what agents and workloads said, and keeps the serials that it saw."""

    def __init__(self, deployment):
        self.deployment, self.serials = deployment, set()
        self.judged = {}  # when each workload said the last line that was judged
        self.ends = {letter: [] for letter in "ABCD"}  # (when, the end of the credential that the workload held then)
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
        lines = {letter: self.said(letter, self.judged[letter]) for letter in "ABCD"}
        for letter in "ABCD":
            self.ends[letter] += [(parse_time(line["time"]), parse_time(line["not_after"])) for line in lines[letter] if "not_after" in line]
        for letter in "ABCD":
            for line in lines[letter]:
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
        if state == "valid" and letter in WITH_WIT and "wit_not_after" not in line:
            row.problem(f"workload {letter}: credential without its WIT at {line['time']}")
        self.judge_call(row, letter, line)
        may_fail = row.fault.without_credential or (row.fault.left_expired and row.letters in (letter, PEER[letter]))
        attested = row.fault.attested_goes_on or not ATTESTED & set(row.broken)
        for kind, must_hold in (("call", not may_fail), ("attested_call", attested)):
            if kind in line:
                row.calls[letter, kind] += 1
                row.failed[letter, kind] += line[kind] != "OK"
                if line[kind] != "OK" and must_hold:
                    row.problem(f"workload {letter}: {kind} {line[kind]} {line.get('call_detail', '')} at {line['time']}")

    def judge_call(self, row, letter, line):
        """Nobody calls without a credential, with an expired one, or somebody who shows an expired one, whatever else is broken."""
        if "call" not in line:
            return
        at, peer = parse_time(line["time"]), PEER[letter]
        fresh = lambda holder: [end for seen, end in self.ends[holder] if end > at and seen < at + 2 * CALL_SECONDS]
        if line["credential"] == "expired" and not fresh(letter):
            row.tried("with", line["call"], letter)
        came = any(at < seen < at + 2 * CALL_SECONDS for seen, _ in self.ends[letter])  # just after the look: the call may have had it
        if line["credential"] == "none" and line["call"] == "OK" and not came:
            row.problem(f"workload {letter}: a call without a credential was accepted at {line['time']}")
        if any(seen <= at for seen, _ in self.ends[peer]) and not fresh(peer):
            row.tried("to", line["call"], peer)

    def await_recovery(self, row):
        """Seconds from the end of the fault until each of the agents has acquired anew."""
        return max([0.0] + [row.await_acquisition(letter, row.anew) + row.anew - row.over for letter in row.letters])

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
    """Every reason in an agent's log stands in its metrics too, and the other way round; those of an agent that was started again began anew."""
    by_reason = collections.defaultdict(str)
    for letter, agent in AGENTS.items():
        if row.fault.new_process and agent in row.broken:
            continue
        counted = row.scraper.grown(agent, "twi_credential_acquisitions_total", row.began, row.ended, "outcome")
        for reason in row.refused[letter]:
            if counted.get(reason, 0) < row.refused[letter][reason]:
                row.problem(f"agent {letter} was refused with {reason} {row.refused[letter][reason]} times, its metrics show {counted.get(reason, 0):.0f}")
            by_reason[reason] += letter
        logged = collections.Counter(line["reason"] for line in row.watcher.refusals(letter, row.began - METRICS_SECONDS))  # the scrape before the fault is older than the fault
        for reason, count in counted.items():
            if reason != "OK" and count > logged[reason]:
                row.problem(f"the metrics of agent {letter} show {count:.0f} refusals with {reason}, its log {logged[reason]}")
    row.shown[:0] = [f"agents {letters} {reason}" for reason, letters in sorted(by_reason.items())]
