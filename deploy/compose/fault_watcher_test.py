#!/usr/bin/env python3
"""What fault_test.py judges by, without containers: made log lines, stores and scrapes, in which all is well, and then one thing is not. Each of those must be reported."""
import contextlib
import datetime
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import types
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import fault_metrics  # noqa: E402
import fault_test  # noqa: E402
from deployment import AGENTS, DAEMONS, WORKLOADS, parse_time  # noqa: E402
from fault_watcher import Row, Watcher, compare_with_metrics  # noqa: E402
from faults import CALL_SECONDS, FAULTS, NOBODY, PEACE, WITH_WIT, expect_cut, expect_stopped  # noqa: E402

BEGAN = int(time.time()) - 40  # of the fault, which is over; moments are seconds from then on
MOMENTS = [*range(-5, 60), 10 ** 6]  # of scrapes; the last one is later than however long this takes
ACQUISITIONS = 'twi_credential_acquisitions_total{mechanism="A",outcome="%s"}'


def at(moment):
    return datetime.datetime.fromtimestamp(BEGAN + moment, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class MadeDeployment:
    """What a deployment is to those who judge: log lines, and folders with databases."""

    def __init__(self, work):
        self.work, self.said = work, {}

    def say(self, service, moment, **line):
        self.said.setdefault(service, []).append({"time": at(moment), **line})

    def lines(self, service, since):
        return [line for line in self.said.get(service, []) if parse_time(line["time"]) >= since]

    def store(self, service):
        return os.path.join(self.work, service)

    def keep(self, service, table, column, values):
        os.mkdir(self.store(service))
        with contextlib.closing(sqlite3.connect(os.path.join(self.store(service), f"{service}.db"))) as database, database:
            database.execute(f"CREATE TABLE {table} ({column} TEXT NOT NULL)")
            database.executemany(f"INSERT INTO {table} VALUES (?)", [(value,) for value in values])


class FaultWatcherTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.deployment = MadeDeployment(directory.name)
        self.watcher = Watcher(self.deployment)
        self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
        self.scraper = fault_metrics.Scraper(dict.fromkeys(DAEMONS))
        for daemon in DAEMONS:
            self.scrape(daemon, MOMENTS, {"twi_ready": 1.0})
        self.test = types.SimpleNamespace(deployment=self.deployment, watcher=self.watcher, scraper=self.scraper, failures=[])
        self.test.peace = self.row(PEACE, NOBODY)

    def scrape(self, daemon, moments, series):
        self.scraper._samples[daemon] = [(BEGAN + moment, BEGAN + moment + 0.1, series(moment) if callable(series) else series) for moment in moments]

    def row(self, fault, service):
        fault = next((found for found in FAULTS if found.name == fault), fault)
        row = Row(self.test, fault, service)
        row.began, row.ended = (0.0 if fault is PEACE else float(BEGAN)), BEGAN + 30.0
        row.moments = {"in force": BEGAN + 1.0, "ending": BEGAN + 20.0, "over": BEGAN + 20.0}
        return row

    def look(self, letter, moment=5, **line):
        """A workload's line, in which all is well but for what is named."""
        more = ({"attested_call": "OK"} if letter == "C" else {}) | ({"wit_not_after": at(60)} if letter in WITH_WIT else {})
        self.deployment.say(WORKLOADS[letter], moment, **{"credential": "valid", "serial": f"0{letter}", "call": "OK", **more, **line})

    def refuse(self, letter, reason, moment=5):
        self.deployment.say(AGENTS[letter], moment, event="credential_not_acquired", reason=reason, detail="made")

    def judged(self, fault="disk full", service="credential-authority"):
        """The problems of a fault in which workloads said what they have said; those that were not named say that all is well."""
        for letter in "ABCD":
            if WORKLOADS[letter] not in self.deployment.said:
                self.look(letter)
        row = self.row(fault, service)
        fault_test.Test.see(self.test, row)
        return row, row.problems

    # Workloads' lines.

    def test_all_is_well(self):
        row, problems = self.judged()
        self.assertEqual((problems, self.test.peace.problems), ([], []))
        self.assertEqual((dict(self.watcher.states), self.watcher.serials), ({"valid": 4}, {"0A", "0B", "0C", "0D"}))
        self.assertEqual(sum(row.calls.values()), 5)

    def test_judges_each_line_once(self):
        self.judged()
        self.assertEqual(self.judged()[1], ["workload A made no call: nothing was seen of it", "workload B made no call: nothing was seen of it", "workload C made no call: nothing was seen of it",
                                            "workload D made no call: nothing was seen of it", "workload C made no attested_call: nothing was seen of it"])
        self.assertEqual(self.watcher.states["valid"], 4)

    def test_reports_a_broken_credential(self):
        self.look("B", credential="broken", detail="the key is another's")
        # Nor is it one while workloads may be without.
        for fault, service in (("disk full", "credential-authority"), ("stopped longer than credentials live", "verifier"), ("stopped longer than its credential lives", "agent-b")):
            with self.subTest(fault):
                self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
                self.assertEqual(self.judged(fault, service)[1], [f"workload B: credential broken the key is another's at {at(5)}"])
        self.assertEqual(self.watcher.states["broken"], 3)

    def test_reports_a_credential_that_is_missing(self):
        self.look("A", credential="none", call="CONFIG_INVALID")
        self.assertEqual(self.judged()[1], [f"workload A: credential none  at {at(5)}", f"workload A: call CONFIG_INVALID  at {at(5)}"])

    def test_reports_a_call_without_a_credential(self):
        self.look("A", 3, not_after=at(60))  # and then it was gone
        self.look("A", credential="none")
        wanted = f"workload A: a call without a credential was accepted at {at(5)}"
        self.assertEqual(self.judged("stopped longer than credentials live", "verifier")[1], [wanted])
        self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
        self.look("A", 7, not_after=at(60))  # it came just after the look: the call may have had it
        self.assertEqual(self.judged("stopped longer than credentials live", "verifier")[1], [])

    def test_reports_a_call_to_a_workload_whose_credential_has_ended(self):
        for fault, service in (("stopped longer than credentials live", "verifier"), ("disk full", "key-store")):
            for later, wrong in ((None, ["a call to the expired credential of workload B was accepted"]), (at(60), [])):
                with self.subTest(fault, later=later):
                    self.deployment.said, self.watcher.ends = {}, {letter: [] for letter in "ABCD"}
                    self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
                    self.look("B", 3, not_after=at(4))
                    if later:
                        self.look("B", 6, not_after=later)
                    self.look("D", 5)
                    self.assertEqual(self.judged(fault, service)[1], wrong)

    def test_reports_a_wit_that_is_missing(self):
        self.deployment.say(WORKLOADS["B"], 5, credential="valid", serial="0B", call="OK")
        self.assertEqual(self.judged()[1], [f"workload B: credential without its WIT at {at(5)}"])

    def test_without_one_only_who_has_a_short_lived_one(self):
        for letter in "AD":
            self.look(letter, credential="none", call="CONFIG_INVALID")
        row, problems = self.judged("stopped longer than credentials live", "credential-authority")
        self.assertEqual(problems, [f"workload D: credential none  at {at(5)}"])
        self.assertEqual(row.without, {"A": 1, "B": 0, "C": 0, "D": 1})

    def test_reports_an_expired_credential_in_place(self):
        expired = {"credential": "expired", "not_after": at(0), "call": "CONFIG_INVALID"}
        self.look("A", **expired)
        self.look("C", call="SERVER_UNAUTHENTICATED")
        self.assertIn(f"workload A: credential expired  at {at(5)}", self.judged()[1])
        self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
        self.assertEqual(self.judged("stopped longer than credentials live", "verifier")[1], [f"workload A: credential expired  at {at(5)}"], "its agent runs, and withdraws it")
        self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
        self.assertIn(f"workload A: credential expired  at {at(5)}", self.judged("stopped longer than its credential lives", "agent-b")[1], "the agent that is stopped is another")

    def test_a_stopped_agent_leaves_one(self):
        self.look("B", credential="expired", not_after=at(0), call="CONFIG_INVALID")
        self.look("D", call="SERVER_UNAUTHENTICATED")
        row, problems = self.judged("stopped longer than its credential lives", "agent-b")
        self.assertEqual((problems, row.expired), ([], {("with", "CONFIG_INVALID"): 1, ("to", "SERVER_UNAUTHENTICATED"): 1}))

    def test_reports_an_accepted_call_with_or_to_an_expired_one(self):
        self.look("B", credential="expired", not_after=at(0))
        self.look("D")
        self.assertEqual(self.judged("stopped longer than its credential lives", "agent-b")[1],
                         ["a call with the expired credential of workload B was accepted", "a call to the expired credential of workload B was accepted"])

    def test_reports_failed_calls(self):
        self.look("A", call="SERVER_UNAUTHENTICATED", call_detail="made")
        self.look("C", attested_call="no")
        self.assertEqual(self.judged()[1], [f"workload A: call SERVER_UNAUTHENTICATED made at {at(5)}", f"workload C: attested_call no  at {at(5)}"])
        self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
        for service in ("verifier", "agent-a", "agent-c"):
            self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
            self.assertIn(f"workload C: attested_call no  at {at(5)}", self.judged("disk full", service)[1], "not of a full disk")
        for fault, service in [("stopped (SIGSTOP)", "verifier"), ("stopped (SIGSTOP)", "agent-a"), ("stopped (SIGSTOP)", "agent-c"), ("restarted one by one", "all four services"), ("restarted one by one", "all four agents")]:
            with self.subTest(fault, service=service):
                self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)
                self.assertEqual(self.judged(fault, service)[1], [f"workload A: call SERVER_UNAUTHENTICATED made at {at(5)}"], "attested TLS needs both agents and the Verifier")

    def test_lines_from_before_the_fault_are_judged_by_the_rules_of_peace(self):
        self.look("A", -CALL_SECONDS - 1, credential="none", call="CONFIG_INVALID")
        self.look("A")
        self.assertEqual(self.judged("stopped longer than credentials live", "verifier")[1], [])
        when = at(-CALL_SECONDS - 1)
        self.assertEqual(self.test.peace.problems, [f"workload A: credential none  at {when}", f"workload A: call CONFIG_INVALID  at {when}"])

    # Agents' lines.

    def test_reports_a_refusal_that_the_fault_does_not_explain(self):
        self.refuse("A", "STORAGE_FAILED")
        self.refuse("B", "GRANT_REPLAYED")
        self.refuse("C", "KEY_UNKNOWN", -1)  # before the fault
        row, problems = self.judged()
        self.assertEqual(problems, [f"agent B was refused with GRANT_REPLAYED, which disk full does not explain ({at(5)}: made)"])
        self.assertEqual(row.refused, {"A": {"STORAGE_FAILED": 1}, "B": {"GRANT_REPLAYED": 1}, "C": {}, "D": {}})

    def test_reports_the_refusal_of_an_agent_that_does_not_need_the_daemon(self):
        self.refuse("D", "STORAGE_FAILED")
        self.assertEqual(self.judged()[1], [f"agent D does not need credential-authority, and was refused: STORAGE_FAILED ({at(5)}: made)"])

    def test_reports_a_refusal_that_metrics_do_not_show(self):
        for letter in "AB":
            self.refuse(letter, "STORAGE_FAILED")
            self.refuse(letter, "STORAGE_FAILED", 6)
            self.scrape(AGENTS[letter], MOMENTS, lambda moment: {ACQUISITIONS % "STORAGE_FAILED": float(moment > 5) + (moment > 6 and letter == "A")})
        row, problems = self.judged()
        compare_with_metrics(row)
        self.assertEqual(problems, ["agent B was refused with STORAGE_FAILED 2 times, its metrics show 1"])
        self.assertEqual(row.shown, ["agents AB STORAGE_FAILED"])

    def test_reports_a_refusal_that_only_metrics_show(self):
        self.refuse("A", "STORAGE_FAILED")
        self.scrape(AGENTS["A"], MOMENTS, lambda moment: {ACQUISITIONS % "STORAGE_FAILED": float(moment > 5), ACQUISITIONS % "INTERNAL": 30.0 * (moment > 5), ACQUISITIONS % "OK": float(moment)})
        row, problems = self.judged()
        compare_with_metrics(row)
        self.assertEqual(problems, ["the metrics of agent A show 30 refusals with INTERNAL, its log 0"])

    def test_reports_a_fault_that_nobody_noticed(self):
        self.refuse("A", "STORAGE_FAILED")
        row, problems = self.judged()
        row.expect_refused("AB", {"STORAGE_FAILED"})
        self.assertEqual(problems, ["agent B was never refused with STORAGE_FAILED: it did not notice"])

    def test_reports_an_acquisition_that_cannot_be(self):
        self.deployment.say(AGENTS["A"], 4, event="credential_acquired")
        row = self.row("disk full", "credential-authority")
        row.expect_no_acquisition()
        self.assertEqual(row.problems, ["agent A acquired a credential without credential-authority, 3.0 s after the fault began"])

    def test_an_agent_that_was_started_again_counts_anew(self):
        for letter in "AB":
            self.refuse(letter, "DEPENDENCY_UNAVAILABLE")
        for service, expected in (("agent-a", ["agent B was refused with DEPENDENCY_UNAVAILABLE 1 times, its metrics show 0"]), ("all four agents", [])):
            row = self.judged("restarted one by one", service)[0]
            row.problems = []
            compare_with_metrics(row)
            self.assertEqual(row.problems, expected)
            self.watcher.judged = dict.fromkeys("ABCD", BEGAN - 60)

    def test_recovery_counts_from_the_end_of_the_fault(self):
        for letter, moment in zip("ABCD", (21, 22, 24, 23)):
            self.deployment.say(AGENTS[letter], moment, event="credential_acquired")
        self.assertEqual(self.watcher.await_recovery(self.row("stopped (SIGSTOP)", "verifier")), 4.0)
        row = self.row("restarted one by one", "all four agents")
        row.moments.update({"anew": BEGAN + 1.0, "over": BEGAN + 30.0})
        self.assertEqual((self.watcher.await_recovery(row), row.problems), (0.0, []), "they had acquired before it was over")

    def test_reports_an_agent_that_does_not_recover(self):
        row = self.row("killed (SIGKILL)", "agent-d")
        row.moments["over"] = row.moments["anew"] = BEGAN - 60.0
        self.deployment.say(AGENTS["D"], -61, event="credential_acquired")
        self.watcher.await_recovery(row)
        self.assertEqual(row.problems, ["agent D has no new credential after 60 s"])

    # Who is cut off answers scrapes, who is stopped does not.

    def test_tells_a_cut_off_daemon_from_a_stopped_one(self):
        silent = lambda moment: None if 2 <= moment <= 19 else {"twi_ready": 1.0}
        for series, fault, expect, shown, wrong in (({"twi_ready": 1.0}, "cut off the network", expect_cut, "up 1", []), (silent, "stopped (SIGSTOP)", expect_stopped, "up 0", []),
                                                    (silent, "cut off the network", expect_cut, "up 1", ["key-store left scrapes over its socket without an answer (1 had one): it was more than cut off"]),
                                                    ({"twi_ready": 1.0}, "stopped (SIGSTOP)", expect_stopped, "up 0", ["key-store answered scrapes while it was stopped"])):
            with self.subTest(fault, wrong=wrong):
                self.scrape("key-store", MOMENTS, series)
                row = self.row(fault, "key-store")
                row.refused["D"]["DEADLINE_EXCEEDED"] = 1
                expect(row)
                self.assertEqual((row.problems, row.shown), (wrong, [f"key-store {shown}"]))

    def test_a_cut_off_daemon_that_nobody_scraped_shows_nothing(self):
        self.scrape("key-store", [-5, 30], {"twi_ready": 1.0})
        row = self.row("cut off the network", "key-store")
        row.refused["D"]["DEADLINE_EXCEEDED"] = 1
        expect_cut(row)
        self.assertEqual(row.problems, ["key-store left scrapes over its socket without an answer (0 had one): it was more than cut off"])

    # Records in the stores.

    def issued(self, said, recorded):
        self.deployment.say("credential-authority", 0, event="listening")
        for serial in said:
            self.deployment.say("credential-authority", 1, event="issued", serial=serial)
        self.deployment.say(AGENTS["A"], 2, event="credential_acquired", serial="0A1")
        self.watcher.serials.add("0b2")  # a workload's: D's was issued when its key was provisioned
        self.deployment.keep("credential-authority", "issuance", "serial", recorded)
        return fault_test.issuances(self.test)

    def test_every_credential_has_its_record(self):
        self.assertEqual(self.issued(["0a1", "0b2", "0c3"], ["0a1", "0b2", "0c3", "0d4"]), (2, 3, 4))
        self.assertEqual(self.test.failures, [])

    def test_reports_a_credential_without_a_record(self):
        self.issued(["0c3"], ["0b2", "0c3"])
        self.assertEqual(self.test.failures, ["of 2 credentials 1 have no issuance record: ['0a1']"])

    def test_reports_what_was_issued_to_nobody_and_has_no_record(self):
        self.issued(["0a1", "0b2", "0c3"], ["0a1", "0b2"])
        self.assertEqual(self.test.failures, ["of 3 credentials that the Credential Authority says it issued 1 have no issuance record: ['0c3']"])

    def test_reports_that_nothing_was_seen_to_be_issued(self):
        self.issued([], ["0a1", "0b2"])
        self.assertEqual(self.test.failures, ["of 0 credentials that the Credential Authority says it issued 0 have no issuance record: []"])

    def released(self, recorded):
        for number in (1, 2):
            self.deployment.say("key-store", number, event="released", trace_id=f"trace {number}", results_id=f"results {number}")
        for number in (1, 2):
            self.deployment.say(AGENTS["D"], number, event="credential_acquired", trace_id=f"trace {number}", serial="0d")
        self.deployment.keep("key-store", "releases", "results_jti", recorded)
        return fault_test.releases(self.test)

    def test_every_release_has_its_record(self):
        self.assertEqual(self.released(["results 1", "results 2", "results 3"]), (2, 3))
        self.assertEqual(self.test.failures, [])

    def test_reports_a_release_without_a_record(self):
        self.released(["results 1", "results 3"])
        self.assertEqual(self.test.failures, ["of 2 acquisitions of agent D 1 have no release record: traces ['trace 2']"])

    def test_reports_an_acquisition_that_was_no_release(self):
        self.deployment.say(AGENTS["D"], 3, event="credential_acquired", trace_id="trace 3", serial="0d")
        self.released(["results 1", "results 2"])
        self.assertEqual(self.test.failures, ["of 3 acquisitions of agent D 1 have no release record: traces ['trace 3']"])

    # The command line.

    def test_a_file_without_markers_is_refused(self):
        path = os.path.join(self.deployment.work, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("<!-- fault table: begin -->")
        with self.assertRaisesRegex(SystemExit, "does not hold the markers"):
            fault_test.around_table(path)

    def test_half_a_file_is_refused(self):
        for option, only, why in (("--table", "disk full verifier", "--table writes the whole table: not with --only"),
                                  ("--record", "disk full credential-authority", "--record writes the whole file, and --only leaves out certificate expired verifier, stopped longer than credentials live credential-authority")):
            with self.subTest(option):
                path = os.path.join(self.deployment.work, "whole")
                with open(path, "w", encoding="utf-8") as file:
                    file.write("all rows")
                refused = subprocess.run([sys.executable, os.path.join(HERE, "fault_test.py"), "--only", only, option, path], capture_output=True, text=True)
                self.assertEqual((refused.returncode, refused.stderr.splitlines()[-1]), (2, f"fault_test.py: error: {why}"))
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), "all rows")


if __name__ == "__main__":
    unittest.main()
