#!/usr/bin/env python3
"""recorded_series.py without containers: its notation is given to promtool, where that is installed."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import fault_metrics  # noqa: E402
import recorded_series  # noqa: E402

DOWN = 'alertname="TwiDaemonDown", alertstate="firing", instance="verifier", job="twi", severity="critical"'


def steps_of(*found):
    return [(1000 + 15 * i, series) for i, series in enumerate(found)]


class RecordedSeriesTest(unittest.TestCase):
    def words(self, key, *found):
        return recorded_series.words_of(steps_of(*found), "verifier", key)

    def test_a_daemon_that_does_not_answer_is_down_and_its_series_end(self):
        found = [{"verifier": {"twi_ready": 1.0}}, {"verifier": None}, {"verifier": None}, {"verifier": {"twi_ready": 0.0}}, {}, {}]
        self.assertEqual(self.words("up", *found), ["1", "0", "0", "1", "stale", "_"])
        self.assertEqual(self.words("twi_ready", *found), ["1", "stale", "_", "0", "stale", "_"])

    def test_moments_are_seconds_since_the_first_step(self):
        key = "twi_credential_expiry_timestamp_seconds"
        self.assertEqual(self.words(key, {"verifier": {key: 1600.25}}, {"verifier": {key: 0.0}}), ["600.25", "0"])

    def test_shortens(self):
        for words, text in (("1 1 1 1", "1x3"), ("1", "1"), ("_ _ 0 0", "_x2 0x1"), ("5 6 7 8 9", "5+1x4"), ("9 7 5 3", "9-2x3"), ("1 2 3", "1 2 3"), ("1 1 2 3 4 5", "1x1 2+1x3"),
                            ("1 stale _ _ 1 _", "1 stale _x2 1 _"), ("-1.5 -1.5", "-1.5x1"), ("0 0.5 1 1.5", "0 0.5 1 1.5"), ("-3 -2 -1 0 7", "-3+1x3 7")):
            self.assertEqual(recorded_series.shortened(words.split()), text)
            self.assertEqual(recorded_series.length(text), len(words.split()))

    def test_leaves_out_what_no_rule_can_see(self):
        bucket = lambda rpc, le: f'twi_rpc_duration_seconds_bucket{{rpc="{rpc}",le="{le}"}}'
        series = lambda n: {"twi_unknown": 1.0, 'twi_refusals_total{reason="INTERNAL"}': 0.0, bucket("A", "1"): 0.0, bucket("A", "+Inf"): n, bucket("B", "+Inf"): 3.0}
        steps = steps_of({"verifier": series(1.0)}, {"verifier": series(2.0)})
        text = "\n".join(recorded_series.series_of(steps, True))
        for seen in ("up{", 'rpc="A", le="1"', 'rpc="A", le="+Inf"'):
            self.assertIn(seen, text)
        for unseen in ("twi_unknown", "INTERNAL", 'rpc="B"'):
            self.assertNotIn(unseen, text)
        self.assertNotIn("bucket", "\n".join(recorded_series.series_of(steps, False)))

    def test_families_of_the_rules(self):
        self.assertLessEqual({"twi_ready", "twi_rpc_duration_seconds_bucket", "process_start_time_seconds"}, fault_metrics.families_of_rules())


@unittest.skipIf(shutil.which("promtool") is None, "promtool is not installed")
class PromtoolTest(unittest.TestCase):
    def test_reads_the_notation_as_it_was_meant(self):
        """Each word comes back at its step; a gap would show the value before."""
        words = "1 0 0 0 3 4 5 6 6 -1.5 -1.5 9 7 5 3 0.25 2".split()
        expect = "".join(f"  - {{expr: up, eval_time: {15 * i}s, exp_samples: [{{labels: 'up{{job=\"x\"}}', value: {word}}}]}}\n" for i, word in enumerate(words))
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "test.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"tests:\n- interval: 15s\n  input_series:\n  - {{series: 'up{{job=\"x\"}}', values: '{recorded_series.shortened(words)}'}}\n  promql_expr_test:\n{expect}")
            checked = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def recording(self, *more):
        return recorded_series.Recording.of("x", ["A story."], 15, steps_of(*[{"verifier": {"twi_ready": 1.0}}] * 4, *[{"verifier": None}] * 12, *more))

    def test_says_what_fires(self):
        self.assertEqual(self.recording({}).timeline(), [[]] * 12 + [[DOWN]] * 4 + [[]], "after two minutes, until nobody looks for it any more")

    def test_says_when_it_changes(self):
        text = "\n".join(self.recording().judged([(3, []), (15, [("TwiDaemonDown", "verifier")])], set())[0])
        self.assertEqual(re.findall(r"eval_time: (\d+)s\n +exp_samples:(.*)", text), [("45", " []"), ("165", " []"), ("180", ""), ("225", "")])

    def test_judges_what_fires(self):
        down, other = ("TwiDaemonDown", "verifier"), ("TwiNotReady", "verifier")
        self.assertEqual(self.recording().judged([(3, []), (15, [down])], set())[1], "")
        self.assertEqual(self.recording().judged([(15, [])], {"TwiDaemonDown"})[1], "", "it may follow")
        self.assertEqual(self.recording().judged([(15, [down, other])], set())[1], "225 s after its begin TwiNotReady of verifier does not fire")
        self.assertEqual(self.recording().judged([(15, [])], set())[1], f"225 s after its begin {DOWN} fires; meanwhile {DOWN} fires")
        self.assertEqual(self.recording({}).judged([(16, [])], set())[1], f"meanwhile {DOWN} fires")
        self.assertEqual(recorded_series.judge([("TwiNothingScraped", "")], ['alertname="TwiNothingScraped", job="twi"'], set()), "")

    def test_reads_what_it_wrote(self):
        lines, _ = self.recording().judged([(3, []), (15, [("TwiDaemonDown", "verifier")])], set())
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "test.yaml")
            recorded_series.write(path, ["# head"], "alerts.yaml", 15, lines)
            head, recording = recorded_series.Recording.read(path)
        self.assertEqual((head, recording.interval, recording.count, recording.judged(recording.moments, set())[0]), (["# head"], 15, 16, lines))

    def test_a_written_recording_holds_and_notices_another_rule(self):
        lines, _ = self.recording().judged([(3, []), (15, [("TwiDaemonDown", "verifier")])], set())
        with open(fault_metrics.RULES, encoding="utf-8") as file:
            rules = file.read()
        for changed, code in ((rules, 0), (rules.replace('up{job="twi"} == 0', 'up{job="twi"} == 1'), 1), (rules.replace("for: 2m", "for: 20m"), 1), (rules.replace("for: 2m", "for: 90s"), 1)):
            with tempfile.TemporaryDirectory() as work:
                with open(os.path.join(work, "alerts.yaml"), "w", encoding="utf-8") as file:
                    file.write(changed)
                recorded_series.write(os.path.join(work, "test.yaml"), ["# head"], "alerts.yaml", 15, lines)
                checked = subprocess.run(["promtool", "test", "rules", os.path.join(work, "test.yaml")], capture_output=True, text=True)
            self.assertEqual(checked.returncode, code, checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main()
