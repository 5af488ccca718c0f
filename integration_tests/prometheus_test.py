#!/usr/bin/env python3
"""A real Prometheus (Debian's package) scrapes real daemons over HTTPS with mutual TLS, as deploy/monitoring/README.md says, evaluates alerts.yaml, and is asked every query of dashboard.json.

    prometheus_test.py VERIFIER CLAIMS_MAPPER CREDENTIAL_AUTHORITY KEY_STORE WORKLOAD_AGENT TWICTL

The four services and two agents are scraped directly; a third agent has its metrics on a Unix socket, behind socat, which speaks TLS. One agent's software is authorized by nobody, so that there
are refusals to see. The two ways of the README's table that must not work are tried as well. Skips, saying so, where prometheus or socat is not installed (deploy/setup.sh --monitoring).
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

PROGRAMS = {os.path.basename(path): os.path.abspath(path) for path in sys.argv[1:]}
SERVICES = ["verifier", "claims_mapper", "credential_authority", "key_store"]
AGENTS = {"direct": "A-snp", "behind_socat": "B-snp", "refused": "B-snp-unauthorized"}  # what agent-NAME.yaml of dev_deployment.sh is
TARGETS = {name: 9464 + i for i, name in enumerate([*SERVICES, *AGENTS])}
SCRAPER = "spiffe://example.org/prometheus"
DNS = "metrics.example.org"  # the DNS SAN of the daemons' metrics certificates
RATE_INTERVAL = "8s"  # what Grafana puts for $__rate_interval: four scrapes


class Test:
    def __init__(self, work):
        self.work, self.dir = work, os.path.join(work, "twi")
        self.host = f"127.79.{random.randint(1, 200)}.{random.randint(1, 200)}"  # an address of its own: two runs do not meet
        self.processes, self.failures = {}, 0

    def expect(self, good, what):
        if not good:
            self.failures += 1
        print(f"{'good' if good else 'FAILED'}: {what}", flush=True)
        return good

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # --- Certificates. A monitoring CA of its own: what it issues opens metrics, and nothing else.

    def certificate(self, name, *sans, ca="monitoring"):
        config = self.path("run", f"{name}.cnf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = " + name + "\n")
        base = self.path("metrics", name)
        extensions = [f"subjectAltName={','.join(sans)}", "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"]
        signer = ["-CA", self.path("metrics", f"{ca}.pem"), "-CAkey", self.path("metrics", f"{ca}.key.pem")]
        if not sans:
            extensions, signer = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"], []
        command = ["openssl", "req", "-x509", "-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-keyout", f"{base}.key.pem", "-out", f"{base}.pem", *signer]
        for extension in extensions:
            command += ["-addext", extension]
        subprocess.run(command, check=True, capture_output=True)
        return {"cert_file": f"{base}.pem", "key_file": f"{base}.key.pem"}

    # --- Daemons.

    def config_of(self, name):
        return self.path("config", f"{name}.yaml" if name in SERVICES else f"agent-{AGENTS[name]}.yaml")

    def metrics_section(self, name, certificate, key):
        if name == "behind_socat":
            return f'metrics: {{listen: "unix:{self.path("run", "metrics.sock")}", peers: ["uid:{os.getuid()}"]}}'
        tls = f"{{certificate_file: {certificate}, key_file: {key}, trust_bundle_file: {self.path('metrics', 'monitoring.pem')}}}"
        return f'metrics: {{listen: "{self.host}:{TARGETS[name]}", tls: {tls}, peers: ["{SCRAPER}"]}}'

    def give_metrics(self, name):
        made = self.certificate(name, f"URI:spiffe://example.org/metrics/{name.replace('_', '-')}", f"DNS:{DNS}")
        section = self.metrics_section(name, made["cert_file"], made["key_file"])
        with open(self.config_of(name), encoding="utf-8") as file:
            text = file.read()
        if name in SERVICES:
            text = text.replace("\nserver:\n", f"\nserver:\n  {section}\n", 1)
        else:  # so that many attempts are seen: SIGHUP makes the others attest anew
            text += f"{section}\nlisten: unix:{self.path('run', name + '.sock')}\nrenewal: {{retry_min: 200ms, retry_max: 500ms}}\n"
        with open(self.config_of(name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, name):
        program = PROGRAMS[name if name in SERVICES else "workload_agent"]
        with open(self.path("log", f"{name}.err"), "w", encoding="utf-8") as errors:
            self.processes[name] = subprocess.Popen([program, "--config", self.config_of(name)], stderr=errors, stdout=errors)

    def ready(self, name):
        program = PROGRAMS[name if name in SERVICES else "workload_agent"]
        return subprocess.run([program, "--config", self.config_of(name), "--probe", "live" if name == "refused" else "ready"], capture_output=True).returncode == 0

    def wait(self, what, condition, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.2)
        self.expect(False, f"{what} (waited {seconds} s)")
        return False

    def deploy(self):
        subprocess.run(["deploy/dev_deployment.sh", PROGRAMS["twictl"], self.dir, self.host], check=True, stdout=subprocess.DEVNULL)
        os.mkdir(self.path("metrics"), 0o700)
        self.certificate("monitoring")
        for name in TARGETS:
            self.give_metrics(name)
        for name in SERVICES:
            self.start(name)
        for name in SERVICES:
            if not self.wait(f"{name} is ready", lambda name=name: self.ready(name)):
                return False
        subprocess.run([PROGRAMS["twictl"], "trust-bundle", "--config", self.path("config", "twictl.yaml"), "--out", self.path("run", "credential-bundle.pem"),
                        "--jwks", self.path("run", "credential-wit-bundle.json")], check=True, stdout=subprocess.DEVNULL)
        for name in AGENTS:
            self.start(name)
        with open(self.path("metrics", "behind_socat.both.pem"), "w", encoding="utf-8") as both:
            for file in ("behind_socat.pem", "behind_socat.key.pem"):
                with open(self.path("metrics", file), encoding="utf-8") as part:
                    both.write(part.read())
        # Its own authentication: any certificate of the monitoring CA. It says what it connects as: the user that the agent's `peers` names.
        self.processes["socat"] = subprocess.Popen(
            ["socat", f"OPENSSL-LISTEN:{TARGETS['behind_socat']},bind={self.host},reuseaddr,fork,verify=1,cert={both.name},cafile={self.path('metrics', 'monitoring.pem')},openssl-min-proto-version=TLS1.3",
             f"UNIX-CONNECT:{self.path('run', 'metrics.sock')}"], stderr=subprocess.DEVNULL)
        return all(self.wait(f"{name} is there", lambda name=name: self.ready(name)) for name in AGENTS)

    # --- Prometheus.

    def start_prometheus(self):
        made = {"scraper": self.certificate("scraper", f"URI:{SCRAPER}"), "another": self.certificate("another", "URI:spiffe://example.org/another")}
        # Prometheus gets the services' anchor besides, so that nothing but the name can be what it refuses their certificates for.
        with open(self.path("metrics", "anchors.pem"), "w", encoding="utf-8") as anchors:
            for file in (self.path("metrics", "monitoring.pem"), self.path("tls", "ca.pem")):
                with open(file, encoding="utf-8") as part:
                    anchors.write(part.read())

        def job(name, targets, client="scraper", **tls):
            tls = {"ca_file": self.path("metrics", "anchors.pem"), "server_name": DNS, **made.get(client, {}), **tls}
            return {"job_name": name, "scheme": "https", "tls_config": tls, "static_configs": [{"targets": [f"{self.host}:{TARGETS[target]}" for target in targets]}]}

        config = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}, "rule_files": [os.path.abspath("deploy/monitoring/alerts.yaml")],
                  "scrape_configs": [job("twi", TARGETS), job("another_name", SERVICES, server_name="another.example.org"), job("another_scraper", SERVICES, client="another"),
                                     job("no_certificate", [*SERVICES, "behind_socat"], client=None), job("whoever_answers", ["key_store"], insecure_skip_verify=True)]}
        file = self.path("run", "prometheus.yaml")
        with open(file, "w", encoding="utf-8") as out:
            json.dump(config, out)  # JSON is YAML
        self.log = open(self.path("log", "prometheus.log"), "w+", encoding="utf-8")
        self.processes["prometheus"] = subprocess.Popen(["prometheus", f"--config.file={file}", f"--storage.tsdb.path={self.path('run', 'tsdb')}", f"--web.listen-address={self.host}:9090",
                                                         "--log.level=warn"], stdout=self.log, stderr=self.log)
        return self.wait("Prometheus is ready", lambda: self.get("/-/ready") is not None)

    def get(self, path, **query):
        """The body; None when it says no, or nothing."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{self.host}:9090{path}?{urllib.parse.urlencode(query)}", timeout=5) as response:
                return response.read()
        return None

    def api(self, path, **query):
        """`data` of the answer, which must come with neither error nor warning."""
        body = json.loads(self.get(f"/api/v1/{path}", **query) or b'{"status": "no answer"}')
        return body["data"] if body["status"] == "success" and not body.get("warnings") else None

    def query(self, text):
        answer = self.api("query", query=text)
        return None if answer is None else answer["result"]

    def errors(self, job):
        """{name of the target: what Prometheus says of its last scrape, '' when it was good} of those that were scraped."""
        names = {f"{self.host}:{port}": name for name, port in TARGETS.items()}
        return {names[target["labels"]["instance"]]: target["lastError"] for target in self.api("targets")["activeTargets"] if target["labels"]["job"] == job and target["health"] != "unknown"}

    def ups(self, job):
        return [sample["value"][1] for sample in self.query(f'up{{job="{job}"}}') or []]

    def is_down(self, job, targets, why):
        """Every target of the job is down, for that reason."""
        errors = {}
        def all_say_so():
            errors.update(self.errors(job))
            return set(errors) == set(targets) and all(re.search(why, error) for error in errors.values()) and self.ups(job) == ["0"] * len(targets)
        self.expect(self.wait(f"{job}: {why}", all_say_so), f"job {job}: {len(errors)} targets are down: {next(iter(errors.values()), 'not scraped')}")

    # --- What is looked at.

    def look_at_targets(self):
        self.expect(self.wait("all are up", lambda: self.ups("twi") == ["1"] * len(TARGETS)), f"job twi: up is 1 for {len(TARGETS)} targets: {self.errors('twi')}")
        self.is_down("another_name", SERVICES, f"x509: certificate is valid for {DNS}, not another.example.org")
        self.is_down("another_scraper", SERVICES, "server returned HTTP status 403")
        self.is_down("no_certificate", [*SERVICES, "behind_socat"], "tls: certificate required|handshake failure")

    def look_at_metrics(self):
        """The table of common/metrics/README.md, as Prometheus has taken it in."""
        with open("common/metrics/README.md", encoding="utf-8") as file:
            rows = re.findall(r"^\| `([a-z_]+)` \| ([a-z]+) \| ([a-z_, ]*) \|", file.read(), re.MULTILINE)
        for name, kind, labels in rows:
            expected = {label for label in labels.strip().split(", ") if label}
            series = f"{name}_bucket" if kind == "histogram" else name
            self.wait(f"{name} is there", lambda series=series: self.query(f'{series}{{job="twi"}}'))
            found = {frozenset(sample["metric"]) - {"__name__", "job", "instance", "le"} for sample in self.query(f'{series}{{job="twi"}}') or []}
            types = {meta["type"] for meta in (self.api("metadata", metric=name) or {}).get(name, [])}
            if found != {frozenset(expected)} or types != {kind}:
                self.expect(False, f"{name}: expected a {kind} with the labels {sorted(expected)}, found {sorted(types)} with {[sorted(f) for f in found]}")
        self.expect(len(rows) > 15, f"all {len(rows)} metrics of the table were scraped, with their types and labels")

    def look_at_dashboard(self):
        with open("deploy/monitoring/dashboard.json", encoding="utf-8") as file:
            dashboard = json.load(file)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            values = self.api(f"label/{label}/values", **{"match[]": selector})
            self.expect(values == sorted(f"{self.host}:{port}" for port in TARGETS.values()), f"the variable {variable['name']} lists the targets: {values}")
        queries = 0
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                queries += 1
                text = target["expr"].replace("$__rate_interval", RATE_INTERVAL).replace("$instance", ".+")
                legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                found = []
                def drawn():  # a number, not only NaN (a quantile of nothing)
                    found[:] = self.query(text) or []
                    return any(sample["value"][1] != "NaN" for sample in found)
                self.wait(f"{panel['title']}: {text}", drawn)
                if not all(legend <= set(sample["metric"]) for sample in found):
                    self.expect(False, f"{panel['title']}: the legend names {sorted(legend)}, the series have {sorted(found[0]['metric'])}")
        self.expect(queries > 15, f"the dashboard's {queries} queries are answered, with numbers, and with the labels that their legends name")

    def alerts(self):
        names = {f"{self.host}:{port}": name for name, port in TARGETS.items()}
        return {(alert["labels"]["alertname"], names.get(alert["labels"].get("instance"), ""), alert["state"]) for alert in self.api("alerts")["alerts"]}

    def down(self):
        return {(target, state) for name, target, state in self.alerts() if name == "TwiDaemonDown"}

    def look_at_rules(self):
        with open("deploy/monitoring/alerts.yaml", encoding="utf-8") as file:
            written = re.findall(r"^  - alert: (\w+)$", file.read(), re.MULTILINE)
        rules = []
        def evaluated():
            rules[:] = [rule for group in self.api("rules")["groups"] for rule in group["rules"]]
            return [rule["name"] for rule in rules] == written and all(rule["health"] == "ok" for rule in rules)
        self.expect(self.wait("each rule was evaluated", evaluated), f"{len(rules)} rules of {len(written)} are evaluated without an error")
        # One agent gets no credential, on purpose, so it is not ready: that is all there is to say of this deployment.
        self.expect(self.wait("TwiNotReady of the refused agent", lambda: ("TwiNotReady", "refused", "pending") in self.alerts()), "TwiNotReady is pending for the agent that is refused")
        self.expect(self.wait("silence", lambda: self.down() == set()), "TwiDaemonDown is silent")

    def look_at_a_daemon_that_died(self):
        self.processes["key_store"].kill()
        self.processes.pop("key_store").wait()
        self.expect(self.wait("TwiDaemonDown", lambda: self.down() == {("key_store", "pending")}), "key_store killed: TwiDaemonDown is pending for it alone")

    def look_at_the_services_own_certificate(self):
        """Prometheus refuses it for want of a DNS name; without verification it takes it, and whatever else answers."""
        with open(self.config_of("key_store"), encoding="utf-8") as file:
            text = file.read()
        own = self.metrics_section("key_store", self.path("tls", "key-store.pem"), self.path("tls", "key-store.key.pem"))
        with open(self.config_of("key_store"), "w", encoding="utf-8") as file:
            file.write(re.sub(r"(?m)^  metrics: .*$", f"  {own}", text))
        self.start("key_store")
        self.wait("key_store is ready", lambda: self.ready("key_store"))
        why = "x509: certificate is not valid for any names"
        self.expect(self.wait(why, lambda: why in self.errors("twi")["key_store"]), f"the service's own certificate: {self.errors('twi')['key_store']}")
        self.expect(self.wait("without verification it is scraped", lambda: self.errors("whoever_answers") == {"key_store": ""}), "with insecure_skip_verify it is scraped")

    def run(self):
        if not self.deploy() or not self.start_prometheus():
            return
        done = threading.Event()
        def attest_anew():  # as a reload of an unchanged config does
            while not done.wait(0.3):
                for name in ("direct", "behind_socat"):
                    self.processes[name].send_signal(signal.SIGHUP)
        traffic = threading.Thread(target=attest_anew)
        traffic.start()
        try:
            self.look_at_targets()
            self.look_at_metrics()
            self.look_at_dashboard()
            self.look_at_rules()
            self.look_at_a_daemon_that_died()
            self.look_at_the_services_own_certificate()
            self.log.seek(0)
            said = self.log.read()
            self.expect(not said, f"Prometheus warned of nothing: {said or 'its log is empty'}")
        finally:
            done.set()
            traffic.join()

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait()


def main():
    for program in ("prometheus", "socat"):
        if shutil.which(program) is None:
            print(f"SKIPPED: {program} is not installed (deploy/setup.sh --monitoring)")
            return 0
    with tempfile.TemporaryDirectory(prefix="twi_", dir="/tmp") as work:  # not TEST_TMPDIR: the path of a Unix socket has 107 bytes
        test = Test(work)
        try:
            test.run()
        finally:
            test.stop()
            if test.failures:
                for name in sorted(os.listdir(test.path("log"))):
                    with open(test.path("log", name), encoding="utf-8") as file:
                        print(f"--- {name}", *file.read().splitlines()[-5:], sep="\n")
    print(f"{test.failures} failures")
    return 1 if test.failures else 0


if __name__ == "__main__":
    sys.exit(main())
