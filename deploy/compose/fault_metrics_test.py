#!/usr/bin/env python3
"""fault_metrics.py on a socket of its own, without containers; what it has scraped is given to promtool where that is installed."""
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import fault_metrics  # noqa: E402
import recorded_series  # noqa: E402

EXPOSITION = """# HELP twi_ready 1 when a readiness probe would be answered with yes, else 0.
# TYPE twi_ready gauge
twi_ready 0
twi_refusals_total{reason="STORAGE_FAILED"} 3
twi_refusals_total{reason="INTERNAL"} 0
twi_store_commit_failures_total 0
twi_credential_acquisitions_total{mechanism="B",outcome="OK"} 7
twi_certificate_expiry_timestamp_seconds 1.8e+09
twi_rpc_duration_seconds_bucket{rpc="Appraise",le="+Inf"} 2
twi_rpc_duration_seconds_count{rpc="Appraise"} 2
"""


class Daemon(threading.Thread):
    """Answers each scrape with what it is given, as metrics_listener.cc does."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(4)
        self.status, self.body = "200 OK", EXPOSITION

    def run(self):
        while True:
            connection = self.listener.accept()[0]
            with connection:
                connection.recv(8192)
                connection.sendall(f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n{self.body}".encode())


class FaultMetricsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "metrics.sock")

    def scraper(self, samples, name="verifier"):
        scraper = fault_metrics.Scraper({name: self.path})
        scraper._samples[name] = [(at, at + 0.1, series) for at, series in samples]
        return scraper

    def test_scrapes_a_socket(self):
        self.assertIsNone(fault_metrics.scrape(self.path), "nobody listens")
        daemon = Daemon(self.path)
        daemon.start()
        self.assertEqual(fault_metrics.scrape(self.path), {
            "twi_ready": 0.0, 'twi_refusals_total{reason="STORAGE_FAILED"}': 3.0, 'twi_refusals_total{reason="INTERNAL"}': 0.0, "twi_store_commit_failures_total": 0.0,
            'twi_credential_acquisitions_total{mechanism="B",outcome="OK"}': 7.0, "twi_certificate_expiry_timestamp_seconds": 1.8e9})
        daemon.status = "404 Not Found"
        self.assertIsNone(fault_metrics.scrape(self.path))

    def test_a_daemon_that_does_not_answer_is_not_there(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen(1)
        began = time.time()
        self.assertIsNone(fault_metrics.scrape(self.path, 0.2))
        self.assertLess(time.time() - began, 5)

    def test_counts_growth_over_restarts_and_gaps(self):
        series = 'twi_credential_acquisitions_total{mechanism="A",outcome="DEADLINE_EXCEEDED"}'
        other = 'twi_credential_acquisitions_total{mechanism="A",outcome="OK"}'
        scraper = self.scraper([(1, {series: 5, other: 1}), (2, {series: 6, other: 1}), (3, None), (4, {}), (5, {series: 2, "twi_commits_total": 1}), (6, {series: 9})])
        grown = lambda begin, end: scraper.grown("verifier", "twi_credential_acquisitions_total", begin, end, "outcome")
        self.assertEqual(grown(1.5, 4.5), {"DEADLINE_EXCEEDED": 3}, "one before the restart, two after it")
        self.assertEqual(grown(0, 9), {"DEADLINE_EXCEEDED": 10})
        self.assertEqual(grown(1.5, 1.9), {"DEADLINE_EXCEEDED": 1}, "the first scrape after the end is taken in")
        self.assertEqual(scraper.grown("verifier", "twi_commits_total", 4, 5), {"": 1})
        self.assertEqual(scraper.grown("verifier", "twi_commits", 0, 9), {})

    def test_knows_when_a_daemon_was_not_there(self):
        scraper = self.scraper([(1, {"twi_ready": 1}), (2, None), (3, {"twi_ready": 0})])
        self.assertTrue(scraper.unreachable("verifier", 1.5, 2.5))
        self.assertFalse(scraper.unreachable("verifier", 2.5, 3.5))
        self.assertEqual(scraper.values("verifier", "twi_ready", 0.5, 3.5), [1, 0])
        self.assertEqual(scraper.wait_past(3.5, 0), ["verifier"])
        self.assertEqual(scraper.wait_past(2.5, 0), [])

    def recorded(self, failures, from_start=True):
        """A disk that is full from 1000006 on, a certificate that ends at 1000006; scrapes from 999990 to 1000020, one of them unanswered."""
        samples = []
        for i in range(30):
            at = 999990.5 + i
            series = {"twi_ready": 1.0, "twi_certificate_expiry_timestamp_seconds": 1000006.0, "twi_unknown_total": 4.0, 'twi_refusals_total{reason="INTERNAL"}': 0.0}
            if from_start:
                series["twi_store_commit_failures_total"] = 0.0
            if at > 1000006 and failures:
                series["twi_store_commit_failures_total"] = 1.0
            samples.append((at, None if i == 21 else series))
        recording = recorded_series.Recording.of("x", [], 2, self.scraper(samples).steps(1000000, 1000015, 2))
        lines, problem = recording.judged([(2, []), (7, [("TwiStoreCommitFailing", "verifier"), ("TwiCertificateExpired", "verifier")])], set())
        return "\n".join(lines), problem

    @unittest.skipIf(shutil.which("promtool") is None, "promtool is not installed")
    def test_writes_what_was_scraped(self):
        text, problem = self.recorded(True)
        self.assertEqual(problem, "")
        self.assertIn('''{series: 'twi_certificate_expiry_timestamp_seconds{job="twi", instance="verifier"}', values: '6x5 stale 6'}''', text)
        self.assertIn('''{series: 'twi_store_commit_failures_total{job="twi", instance="verifier"}', values: '0x3 1x1 stale 1'}''', text)
        self.assertIn('''{series: 'up{job="twi", instance="verifier"}', values: '1x5 0 1'}''', text)
        self.assertNotIn("twi_unknown_total", text)
        self.assertNotIn("INTERNAL", text)
        # A counter that is not there before its first is recorded as what it was: not there.
        text, problem = self.recorded(True, from_start=False)
        self.assertIn('''{series: 'twi_store_commit_failures_total{job="twi", instance="verifier"}', values: '_x4 1x1 stale 1'}''', text)
        self.assertEqual(problem, "14 s after its begin TwiStoreCommitFailing of verifier does not fire")
        self.assertEqual(self.recorded(False)[1], problem)

    def test_finds_counters_that_are_born_with_their_first(self):
        failures, unused = "twi_store_commit_failures_total", "twi_unknown_total"
        late = lambda *samples: self.scraper(list(enumerate(samples))).born_late("verifier")
        self.assertEqual(late({failures: 0.0}, {failures: 1.0}), [])
        self.assertEqual(late({}, {failures: 0.0}, {failures: 1.0}), [])
        self.assertEqual(late({}, None, {failures: 1.0, unused: 1.0}), [failures])
        self.assertEqual(late({failures: 2.0}, None, {failures: 1.0}), [], "another process: it showed 0 between two scrapes, or a rule sees the fall")


if __name__ == "__main__":
    unittest.main()
