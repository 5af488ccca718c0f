"""The metrics side of fault_test.py: scrapes every daemon while faults go on, and says by how much counters grew."""
import http.client
import os
import re
import socket
import threading
import time

PERIOD = 1.0    # seconds from scrape to scrape
RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../monitoring/alerts.yaml")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def parse(exposition, buckets=False):
    """{series: value}, histograms left out, or their buckets taken in. A counter of 0 is kept: one that is not there before it counts its first is not seen by increase()."""
    found = {}
    for line in exposition.splitlines():
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if line.startswith("#") or not series or name.endswith(("_sum", "_count") if buckets else ("_bucket", "_sum", "_count")):
            continue
        found[series] = float(value)
    return found


def scrape(path, timeout=1.0, buckets=False):
    """What a daemon shows on its metrics socket; None when it does not answer."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
        return parse(text, buckets) if response.status == 200 else None
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
        families, late, known = families_of_rules(), set(), None
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

    def steps(self, begin, end, interval):
        """For recorded_series.py: what the last scrape of each daemon showed, each `interval` seconds: [(when, {daemon: its series, or None})]"""
        with self._lock:
            samples = {name: list(found) for name, found in self._samples.items()}
        latest = lambda found, when: next((sample for sample in reversed(found) if sample[1] <= when), None)
        moments = [begin + i * interval for i in range(int((end - begin) // interval) + 1)]
        return [(when, {name: sample[2] for name, found in samples.items() if (sample := latest(found, when))}) for when in moments]

    def values(self, name, series_name, begin, end):
        """What a series was at each scrape that lies within [begin, end]."""
        return [series[series_name] for asked, answered, series in self.window(name, begin, end)
                if begin <= asked and answered <= end and series is not None and series_name in series]


def families_of_rules():
    """What the rules look at."""
    with open(RULES, encoding="utf-8") as file:
        return set(re.findall(r"\b(?:twi|process)_[a-z_]+", "\n".join(line for line in file if line.startswith("    expr:"))))
