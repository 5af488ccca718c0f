#!/usr/bin/env python3
"""Records what TWI's daemons show while something is wrong for longer than the alert rules want it to last, and writes it as tests of those rules for promtool.

    record_alerts.py [--only TEXT]... [--out FOLDER] [--project NAME]
    record_alerts.py --rejudge [--out FOLDER]       after a change of the rules: the recordings stay, what fires in them is written anew; look at the difference

fault_test.py breaks things for seconds; most alerts fire after minutes. Here several deployments (LANES, situations.py) run beside each other, and in each one situation follows the other: the daemons
are healthy and nothing fires, something is done, and at certain moments exactly the alerts fire that are named there (and some that may follow from them). What was scraped meanwhile becomes
deploy/monitoring/recorded/NAME.yaml, each as soon as it is there; a recording that shows something else is not written and counts as a failure. The whole takes 70 minutes and is run by hand.

Needs what fault_test.py needs, promtool, and Debian's python3-grpcio (stranger.py); without them it says so and exits with 77. A slow disk needs cgroup v1. Ends with "N recordings, N failures".
"""
import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib

sys.dont_write_bytecode = True

import fault_metrics  # noqa: E402
import recorded_series  # noqa: E402
from deployment import AGENTS, DAEMONS, Deployment, missing, run, stamp, succeeds  # noqa: E402
from situations import LANES, Stage  # noqa: E402

OUT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../monitoring/recorded")
INTERVAL = 15        # seconds from scrape to scrape, and from evaluation to evaluation: usual ones for Prometheus
BEFORE = 4           # scrapes of a recording before anything is done
START_SECONDS = 420  # a busy machine takes its time
PEACE_SECONDS = 600  # after a situation: agents try again within 20 s, healthy credentials have more than ten minutes left
HEAD = ["# Scraped from a compose deployment by deploy/compose/record_alerts.py. Do not edit; record anew. It begins at time 0 (time stamps are shifted by that).",
        "# Left out: counters that were 0 all the time, histograms but where they matter, and what no rule looks at."]
NETWORKS = ["agents", "services", "owner", "tpm", "workloads"]


class RecordedDeployment(Deployment):
    """Without workloads, and with few health checks: several of these run for an hour on a small machine."""

    def __init__(self, project, lane, number):
        super().__init__(tempfile.mkdtemp(prefix=f"{project}-{lane.name}."), f"{project}-{lane.name}")
        self.lane = lane
        self.subnets = f"10.{zlib.crc32(project.encode()) % 50 + 200}.{{}}.0/24", 8 * number

    def begin(self):
        checks = {service: {"healthcheck": {"interval": "20s", "timeout": "15s"}} for service in DAEMONS + ["tpm"]}
        form, first = self.subnets  # Docker's own would soon be used up
        subnets = {network: {"ipam": {"config": [{"subnet": form.format(first + i)}]}} for i, network in enumerate(NETWORKS)}
        self.prepare(self.lane.settings, {"services": checks, "networks": subnets})
        self.up(list(AGENTS.values()), START_SECONDS)

    def mount(self, store, path):
        if not (self.lane.real_disk and store == "credential-authority-store"):
            return super().mount(store, path)
        image = path + ".img"
        run("truncate", "--size", "256M", image)
        run("mkfs.ext4", "-q", "-m", "0", image)
        run("mount", "-o", "loop", image, path)
        os.rmdir(os.path.join(path, "lost+found"))  # the store's folder has to be empty
        os.chmod(path, 0o700)


class Recorder(threading.Thread):
    """Scrapes each daemon of the deployment that has a container, running or not, into the steps of a recording."""

    def __init__(self, deployment, sockets):
        """sockets: {name of the daemon: path of its metrics socket}"""
        super().__init__(daemon=True)
        self.deployment, self.sockets, self.stop = deployment, sockets, threading.Event()
        self.steps = []

    def run(self):
        due, there = time.time(), set()
        while not self.stop.wait(max(0.0, due - time.time())):
            with contextlib.suppress(RuntimeError, subprocess.SubprocessError):  # as Prometheus: when they cannot be listed there are those that there were
                there = self.deployment.containers()
            self.steps.append((due, {name: fault_metrics.scrape(path, INTERVAL / 3, buckets=True) for name, path in self.sockets.items() if name in there}))
            due += INTERVAL

    def latest(self):
        return self.steps[-1][1] if self.steps else {}


class LaneRun(threading.Thread):
    starting = threading.Lock()  # one deployment after the other

    def __init__(self, project, lane, number, wanted, out, made):
        super().__init__(daemon=True)
        self.lane, self.wanted, self.out, self.made = lane, wanted, out, made
        self.deployment = RecordedDeployment(project, lane, number)
        self.recorder = Recorder(self.deployment, {daemon: os.path.join(self.deployment.store(daemon), "metrics.sock") for daemon in DAEMONS})
        self.recordings, self.failures = 0, []

    def run(self):
        try:
            with self.starting:
                self.deployment.begin()
            say(f"{self.lane.name}: started")
            self.recorder.start()
            for situation in self.wanted:
                self.attempt(situation)
        except Exception as error:  # of this deployment; the others go on
            self.fail(f"{self.lane.name}: {type(error).__name__}: {error}")
        finally:
            self.recorder.stop.set()

    def fail(self, text):
        self.failures.append(text)
        say(f"FAILED {text}")

    def attempt(self, situation):
        began = time.time()
        try:
            self.record(situation)
        except Exception as error:
            return self.fail(f"{situation.name}: {type(error).__name__}: {error}")
        self.recordings += 1
        say(f"ok     {situation.name}, {(time.time() - began) / 60:.1f} min")

    def record(self, situation):
        stage = Stage(self.deployment, self.recorder)
        self.await_peace(stage)
        first = stage.next_step()
        while len(self.recorder.steps) < first + BEFORE:
            time.sleep(0.5)
        with stage.over:
            situation.act(stage)
            self.write(situation, self.recorder.steps[first:stage.moments[-1][0] + 1], [(step - first, firing) for step, firing in stage.moments])

    def await_peace(self, stage):
        until = time.time() + PEACE_SECONDS
        while troubled := self.troubled():
            if time.time() > until:
                raise RuntimeError(f"not healthy before it began: {', '.join(troubled)}")
            stage.next_step()

    def troubled(self):
        latest = self.recorder.latest()
        well = lambda series: series is not None and series["twi_ready"] == 1 and series.get("twi_credential_expiry_timestamp_seconds", time.time() + 3600) > time.time() + 600
        return [daemon for daemon, series in latest.items() if not well(series)] if latest else ["nothing scraped"]

    def write(self, situation, steps, moments):
        recording = recorded_series.Recording.of(situation.name, situation.story, INTERVAL, steps, situation.buckets)
        lines, problem = recording.judged([(BEFORE - 1, [])] + moments, situation.follows)
        path = os.path.join(tempfile.gettempdir() if problem else self.out, f"{situation.name}.yaml")
        recorded_series.write(path, [f"# Recorded on {self.made}."] + HEAD, "../alerts.yaml", INTERVAL, lines)
        if problem:
            raise RuntimeError(f"{problem} ({path})")

    def clean(self):
        self.recorder.stop.set()
        self.deployment.down()
        self.deployment.clean()


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def rejudge(folder):
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        head, recording = recorded_series.Recording.read(path)
        lines, _ = recording.judged(recording.moments, set())
        recorded_series.write(path, head, "../alerts.yaml", recording.interval, lines)


def lacking():
    if reason := missing():
        return reason
    if shutil.which("promtool") is None:
        return "promtool is not installed"
    if not succeeds("/usr/bin/python3", "-c", "import grpc, cryptography, google.protobuf"):
        return "python3-grpcio, python3-protobuf or python3-cryptography is not installed"
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[], help="situations whose name holds this text; several times: any of the texts")
    parser.add_argument("--out", default=OUT, help="folder of the recordings")
    parser.add_argument("--project", default="twi-record", help="how the names of the compose projects begin")
    parser.add_argument("--rejudge", action="store_true", help="record nothing; what fires in the recordings that are there is written anew")
    args = parser.parse_args()
    if args.rejudge:
        return rejudge(args.out)
    names = [situation.name for lane in LANES for situation in lane.situations]
    for only in args.only:
        if not any(only in name for name in names):
            parser.error(f'--only: no situation holds "{only}"; there are {", ".join(names)}')
    if lacking():
        print(f"skipped: {lacking()}")
        return 77
    os.makedirs(args.out, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    made, runs = stamp(), []
    try:
        for number, lane in enumerate(LANES):
            if wanted := [situation for situation in lane.situations if not args.only or any(only in situation.name for only in args.only)]:
                runs.append(LaneRun(args.project, lane, number, wanted, args.out, made))
                runs[-1].start()
                time.sleep(1)  # in this order
        for lane in runs:
            lane.join()
    finally:
        for lane in runs:
            lane.clean()
    failures = [failure for lane in runs for failure in lane.failures]
    print("\n".join(failures + [f"{sum(lane.recordings for lane in runs)} recordings, {len(failures)} failures"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
