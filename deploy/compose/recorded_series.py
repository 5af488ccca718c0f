"""Writes what was scraped as tests of the alert rules for promtool. As in Prometheus, a scrape without an answer is up 0 and ends the daemon's series ("stale"), and a daemon that is there no more is
scraped no more. A recording is a list of steps, one each `interval` seconds: (when, {daemon: its series, or None when it did not answer}); and a list of moments, at which certain alerts fire, and no
other: (step, [(alert, the daemon that it names, or "")])."""
import os
import re
import subprocess
import tempfile

import fault_metrics

FIRING = 'ALERTS{alertstate="firing"}'


# --- The series, in promtool's notation.


def _number(value):
    return f"{value:.3f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))


def words_of(steps, name, key):
    """A word for each step: the value, "stale" where the series ends, "_" where it is not there."""
    words, start = [], steps[0][0]
    for _, found in steps:
        if key == "up":
            value = None if name not in found else float(found[name] is not None)
        else:
            value = (found.get(name) or {}).get(key)
        if value is None:
            words.append("stale" if words and words[-1] not in ("_", "stale") else "_")
        else:
            moment = key.partition("{")[0].endswith(("_timestamp_seconds", "_time_seconds")) and value > 0
            words.append(_number(value - start if moment else value))
    return words


def _run(words):
    """How many of the first words can be said at once, and how: promtool's A+BxN are N + 1 values, its _xN are N."""
    first = words[0]
    same = next((i for i, word in enumerate(words) if word != first), len(words))
    if first == "stale":
        return 1, first
    if same > 1:
        return same, f"_x{same}" if first == "_" else f"{first}x{same - 1}"
    if not re.fullmatch(r"-?\d+", first) or len(words) < 4 or not re.fullmatch(r"-?\d+", words[1]):
        return 1, first
    by = int(words[1]) - int(first)
    steady = next((i for i, word in enumerate(words) if word != str(int(first) + i * by)), len(words))
    return (steady, f"{first}{by:+d}x{steady - 1}") if steady >= 4 else (1, first)


def shortened(words):
    said = []
    while words:
        count, text = _run(words)
        said.append(text)
        words = words[count:]
    return " ".join(said)


def length(text):
    """How many steps a text of this notation is long."""
    times = lambda word: re.fullmatch(r"(.*)x(\d+)", word)
    return sum(int(found[2]) + (found[1] != "_") if (found := times(word)) else 1 for word in text.split())


def _moves(words):
    return len(set(words) - {"_", "stale"}) > 1


def _is_dull(key, words, buckets):
    """Hundreds of series in which no rule sees anything: counters that were 0 all the time, and buckets, unless they are wanted."""
    family = key.partition("{")[0]
    return (family.endswith("_total") and set(words) <= {"0", "_", "stale"}) or (family.endswith("_bucket") and not buckets)


def _histogram(key):
    return re.sub(r',?le="[^"]*"', "", key)


def series_of(steps, buckets):
    """Lines of YAML: all that the rules look at."""
    families, lines = fault_metrics.families_of_rules(), []
    for name in dict.fromkeys(name for _, found in steps for name in found):
        keys = sorted({key for _, found in steps for key in found.get(name) or {} if key.partition("{")[0] in families})
        words = {key: words_of(steps, name, key) for key in ["up"] + keys}
        alive = {_histogram(key) for key in keys if key.partition("{")[0].endswith("_bucket") and _moves(words[key])}
        for key, said in words.items():
            if key != "up" and _is_dull(key, said, buckets and _histogram(key) in alive):
                continue
            family, _, labels = key.partition("{")
            label_text = f'job="twi", instance="{name}"' + (", " + labels[:-1].replace('",', '", ') if labels else "")
            lines.append(f"  - {{series: '{family}{{{label_text}}}', values: '{shortened(said)}'}}")
    return lines


# --- The test.


def _expect(seconds, firing):
    lines = [f"  - expr: '{FIRING}'", f"    eval_time: {seconds}s"]
    return lines + (["    exp_samples:"] + [f"    - {{labels: 'ALERTS{{{labels}}}', value: 1}}" for labels in firing] if firing else ["    exp_samples: []"])


class Recording:
    def __init__(self, test, interval, count, moments=()):
        """test: lines of YAML, without what is expected; interval: seconds from step to step, and from evaluation to evaluation; count: of the steps; moments: those of a recording that was read."""
        self.test, self.interval, self.count, self.moments = test, interval, count, moments

    @classmethod
    def of(cls, title, story, interval, steps, buckets=False):
        """story: comments above it; buckets: histograms are written."""
        return cls([f"# {line}" for line in story] + [f"- name: '{title}'", f"  interval: {interval}s", "  input_series:"] + series_of(steps, buckets), interval, len(steps))

    @classmethod
    def read(cls, path):
        """(head, recording) of a file with one recording."""
        with open(path, encoding="utf-8") as file:
            begin, _, expected = file.read().partition("  promql_expr_test:\n")
        lines = begin.splitlines()
        head = [line for line in lines[:lines.index("tests:")] if line.startswith("#")]
        interval = int(re.search(r"^  interval: (\d+)s$", begin, re.MULTILINE)[1])
        words = max(re.findall(r"values: '(.*)'", begin), key=length)
        return head, cls(lines[lines.index("tests:") + 1:], interval, length(words), [(int(when) // interval, []) for when in re.findall(r"eval_time: (\d+)s", expected)])

    def lines(self, firing):
        """Lines of YAML. firing: [(step, label texts of all alerts that fire then)]"""
        return self.test + ["  promql_expr_test:"] + [line for step, labels in firing for line in _expect(step * self.interval, labels)]

    def timeline(self):
        """What fires at each step by the rules, as label texts. promtool says it: it is asked whether nothing does."""
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "test.yaml")
            write(path, [], os.path.abspath(fault_metrics.RULES), self.interval, self.lines([(step, []) for step in range(self.count)]))
            said = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
        found = re.findall(r"time: (\S+),\s+exp: nil\s+got: (.*)", said.stdout + said.stderr)
        if said.returncode != 0 and not found:
            raise RuntimeError(f"promtool: {(said.stdout + said.stderr).strip()[:600]}")
        at = {_seconds(when) // self.interval: sorted(re.findall(r'\{__name__="ALERTS", ([^}]*)\} 1E\+00', got)) for when, got in found}
        return [at.get(step, []) for step in range(self.count)]

    def judged(self, moments, follows):
        """(lines, problem): the test of what fires at these moments, and wherever it changes; and what is wrong with the moments, empty when nothing is. follows: alerts that may fire besides."""
        firing = self.timeline()
        problems = [f"{step * self.interval} s after its begin {problem}" for step, wanted in moments if (problem := judge(wanted, firing[step], follows))]
        known = set(follows) | {alert for _, wanted in moments for alert, _ in wanted}
        problems += sorted({f"meanwhile {labels} fires" for found in firing for labels in found if re.search(r'alertname="(\w+)"', labels)[1] not in known})
        changes = {step for step in range(1, len(firing)) if firing[step] != firing[step - 1]}
        told = sorted({step for step, _ in moments} | changes | {step - 1 for step in changes})
        return self.lines([(step, firing[step]) for step in told]), "; ".join(problems)


def _seconds(text):
    """Of a duration as promtool prints it, such as 1h2m15s."""
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])(?!s)", text))


def judge(wanted, firing, follows):
    named = lambda alert, daemon, labels: f'alertname="{alert}"' in labels and (not daemon or f'="{daemon}"' in labels)
    silent = [f"{alert} of {daemon}" for alert, daemon in wanted if not any(named(alert, daemon, labels) for labels in firing)]
    strange = [labels for labels in firing if not any(named(alert, daemon, labels) for alert, daemon in wanted) and not any(f'alertname="{alert}"' in labels for alert in follows)]
    return "; ".join([f"{what} does not fire" for what in silent] + [f"{what} fires" for what in strange])


def write(path, head, rules, interval, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(head + [f"rule_files: [{rules}]", f"evaluation_interval: {interval}s", "tests:"] + lines) + "\n")
