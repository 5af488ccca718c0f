"""The metrics side of fault_test.py: scrapes every daemon while faults go on, says by how much counters grew, and writes what was scraped as a test of the alert rules for promtool."""
import http.client
import os
import re
import socket
import threading
import time

PERIOD = 1.0    # seconds from scrape to scrape
INTERVAL = 2    # of the recorded series
BEFORE = 6      # seconds of a recording before the fault
RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../monitoring/alerts.yaml")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def parse(exposition):
    """{series: value}, histograms left out. A counter of 0 is kept: one that is not there before it counts its first is not seen by increase()."""
    found = {}
    for line in exposition.splitlines():
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if line.startswith("#") or not series or name.endswith(("_bucket", "_sum", "_count")):
            continue
        found[series] = float(value)
    return found


def scrape(path, timeout=1.0):
    """What a daemon shows on its metrics socket; None when it does not answer."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
        return parse(text) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


class Scraper(threading.Thread):
    """Scrapes each daemon once a second, and keeps what it got: (asked at, answered at, series or None)."""

    def __init__(self, sockets):
        """sockets: {name of the daemon: path of its metrics socket}"""
        super().__init__(daemon=True)
        self.sockets, self.stop = sockets, threading.Event()
        self._lock, self._samples = threading.Lock(), {name: [] for name in sockets}

    def run(self):
        while not self.stop.wait(PERIOD):
            for name in self.sockets:
                self.take(name)

    def take(self, name):
        asked = time.time()
        series = scrape(self.sockets[name])
        with self._lock:
            self._samples[name].append((asked, time.time(), series))

    def window(self, name, begin, end):
        """The samples of [begin, end], the last good one before, and all up to the first good one after."""
        with self._lock:
            samples = list(self._samples[name])
        first = max((i for i, (_, answered, series) in enumerate(samples) if answered <= begin and series is not None), default=0)
        last = min((i for i, (asked, _, series) in enumerate(samples) if asked >= end and series is not None), default=len(samples) - 1)
        return samples[first:last + 1]

    def wait_past(self, when, seconds=20):
        """Until each daemon has been scraped after this moment; the names of those that were not."""
        until = time.time() + seconds
        while True:
            with self._lock:
                late = [name for name, samples in self._samples.items() if not any(asked >= when and series is not None for asked, _, series in samples)]
            if not late or time.time() > until:
                return late
            time.sleep(0.1)

    def grown(self, name, family, begin, end, label=None):
        """{label's value: by how much the counter grew}, over restarts of the daemon too. Without a label: {"": growth}."""
        pattern = re.compile(re.escape(family) + (r'\{(?:.*,)?' + label + r'="([^"]*)".*\}' if label else r"()"))
        growth, before = {}, None
        for _, _, series in self.window(name, begin, end):
            if series is None:
                continue
            for key, value in series.items() if before is not None else ():
                match = pattern.fullmatch(key)
                if match:
                    old = before.get(key, 0.0)
                    growth[match[1]] = growth.get(match[1], 0.0) + (value - old if value >= old else value)
            before = series
        return {key: value for key, value in growth.items() if value > 0}

    def born_late(self, name):
        """Counters that the rules look at and that were first shown with a value above 0, by a process that had been scraped without them: no rule sees their first increase."""
        families, late, known = _families(), set(), None
        with self._lock:
            samples = list(self._samples[name])
        for _, _, series in samples:
            if series is None:
                continue
            counters = {key: value for key, value in series.items() if key.partition("{")[0].endswith("_total") and key.partition("{")[0] in families}
            if known is not None:
                late |= {key for key, value in counters.items() if key not in known and value > 0}
            known = set(counters) | (known or set())
        return sorted(late)

    def unreachable(self, name, begin, end):
        return any(series is None for asked, answered, series in self.window(name, begin, end) if begin <= asked and answered <= end + PERIOD)

    def values(self, name, series_name, begin, end):
        """What a series was at each scrape that lies within [begin, end]."""
        return [series[series_name] for asked, answered, series in self.window(name, begin, end)
                if begin <= asked and answered <= end and series is not None and series_name in series]


# --- A test of the rules for promtool, from what was scraped.


def _families():
    """What the rules look at."""
    with open(RULES, encoding="utf-8") as file:
        return set(re.findall(r"\b(?:twi|process)_[a-z_]+", "\n".join(line for line in file if line.startswith("    expr:"))))


def _number(value):
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _values(samples, key, start, steps):
    """One word per step: what the last scrape in it showed, "_" where there was none, and where it did not show the series."""
    words = []
    for step in range(steps + 1):
        end = start + step * INTERVAL
        found = [series for _, answered, series in samples if end - INTERVAL < answered <= end]
        series = found[-1] if found else None
        if key == "up":
            words.append("_" if not found else "0" if series is None else "1")
        elif series is None or key not in series:
            words.append("_")
        else:
            value = series[key]
            moment = key.partition("{")[0].endswith(("_timestamp_seconds", "_time_seconds")) and value > 0
            words.append(_number(value - start if moment else value))
    return words


def test_of_rules(scraper, title, in_force, ending, alerts):
    """One test (lines of YAML): each of `alerts`, (its name, the daemon that it names), is quiet before the fault and fires at its end."""
    start = in_force - BEFORE
    steps = int((ending - start) // INTERVAL)
    families, series = _families(), []
    for name in scraper.sockets:
        samples = scraper.window(name, start, ending)
        keys = {key for _, _, found in samples if found for key in found if key.partition("{")[0] in families}
        for key in ["up"] + sorted(keys):
            words = _values(samples, key, start, steps)
            if key != "up" and set(words) <= {"0", "_"} and key.partition("{")[0].endswith("_total"):
                continue  # a daemon has hundreds that were 0 all the time
            family, _, labels = key.partition("{")
            label_text = f'job="twi", instance="{name}"' + (", " + labels[:-1].replace('",', '", ') if labels else "")
            series.append(f"  - {{series: '{family}{{{label_text}}}', values: '{' '.join(words)}'}}")
    lines = [f"- name: '{title}'", f"  interval: {INTERVAL}s", "  input_series:"] + series + ["  promql_expr_test:"]
    for alert, instance in alerts:
        expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing", instance="{instance}"}})'
        quiet_at = (BEFORE - 1) // INTERVAL * INTERVAL
        lines += [f"  - expr: '{expression}'", f"    eval_time: {quiet_at}s", "    exp_samples: []",
                  f"  - expr: '{expression}'", f"    eval_time: {steps * INTERVAL}s", "    exp_samples:", "    - {labels: '{}', value: 1}"]
    return lines


def write_tests(path, tests):
    head = ["# Alert rules on series that were scraped while faults went on: written by deploy/compose/fault_test.py --record. Do not edit; record anew.",
            "# Each recording begins at time 0 (its time stamps are shifted by that); a scrape that was not answered is a gap, and up 0.",
            "rule_files: [alerts.yaml]", f"evaluation_interval: {INTERVAL}s", "tests:"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(head + [line for test in tests for line in test]) + "\n")
