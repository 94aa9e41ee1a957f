"""What the tests run: repositories, stores with their outputs, an S3 server, and a way to it that can be cut."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from xml.sax.saxutils import unescape

HERE = pathlib.Path(__file__).parent
S3 = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}


class Servers(contextlib.ExitStack):
    """Processes that are killed at the end."""

    def start(self, *command, **options):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
        self.callback(process.wait)
        self.callback(process.kill)
        return process

    def repository(self, records, state):
        """Starts the repositories, which change with the number in the file `state`. Returns their port."""
        process = self.start(sys.executable, str(HERE / "repository.py"), str(records), str(state))
        return int(process.stdout.readline())

    def s3(self):
        """Starts an S3 server that has a bucket `library`. Returns its port."""
        import boto3

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.start(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
        wait_for_port(port)
        boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="testing",
            aws_secret_access_key="testing", region_name="us-east-1",
        ).create_bucket(Bucket="library")
        return port


def wait_for_port(port):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


class World:
    """A store with its configuration, and an output to a table. `sources` gives the path of each source."""

    def __init__(self, program, folder, port, url, sources, endpoint=None):
        self.program = program
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = url
        lines = ['store = "harvest.db"', 'contact = "library@example.org"', "[dedup]", "enabled = true"]
        lines += ["[defaults]", 'retry_pause = "50ms"']
        for name, path in sources.items():
            lines += ["[[source]]", f'name = "{name}"', f'url = "http://127.0.0.1:{port}/{path}"', 'delay = "0s"']
            lines += ['schedule = "never"']
        lines += ["[[output]]", 'name = "lake"', 'type = "delta"', f'url = "{url}"', 'schedule = "never"']
        if endpoint:
            lines += [f'endpoint = "{endpoint}"', 'region = "us-east-1"', 'access_key_id = "testing"']
            lines += ['secret_access_key = "testing"']
        self.config = self.folder / "harvestd.toml"
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, *arguments, **options):
        with open(self.folder / "log", "ab") as log:
            command = [self.program, *arguments, "--config", self.config]
            return subprocess.Popen(command, **{"stdout": log, "stderr": log, **options})

    def run(self, *arguments):
        """Runs the program to its end. Returns its standard output."""
        process = self.start(*arguments, stdout=subprocess.PIPE)
        output, _ = process.communicate()
        if process.returncode != 0:
            log = (self.folder / "log").read_text(encoding="utf-8")
            sys.exit(f"harvestd {' '.join(map(str, arguments))}: exit status {process.returncode}\n{log[-3000:]}")
        return output.decode()

    def harvest(self):
        self.run("harvest", "--full", "--quiet")

    def push(self):
        self.run("push", "lake", "--quiet")

    def expected(self):
        """What exports and clusters say of each record."""
        records = {}
        for line in self.run("export", "--quiet").splitlines():
            record = json.loads(line)
            records[record["source"], record["identifier"]] = record
        xml = self.run("export", "--quiet", "--format", "xml")
        form = r'^<record source="([^"]*)" identifier="([^"]*)"[^>]*?(?:/>|>(.*?)</record>)$'
        for source, identifier, metadata in re.findall(form, xml, re.DOTALL | re.MULTILINE):
            records[source, unescape(identifier)]["metadata"] = metadata or None
        for line in self.run("dedup", "list", "--json").splitlines():
            cluster = json.loads(line)
            for member in cluster["members"]:
                records[member["source"], member["identifier"]]["cluster_id"] = cluster["cluster"]
        return records


def kill(process):
    """Kills a process. Returns whether it was still running."""
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


class Forwarder:
    """Forwards connections to a server, and can cut them as a server does that is killed: all connections break, and
    nobody listens until it is back."""

    def __init__(self, port):
        self.target = port
        self.connections = set()
        self.lock = threading.Condition()
        self.cut_connections = 0
        self.listener = listen(0)
        self.port = self.listener.getsockname()[1]
        self.accept(self.listener)

    def accept(self, listener):
        def run():
            with contextlib.suppress(OSError):
                while True:
                    self.forward(listener.accept()[0])

        threading.Thread(target=run, daemon=True).start()

    def forward(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        with self.lock:
            self.connections |= {client, server}
            self.lock.notify_all()
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    def copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with self.lock:
            self.connections -= {source, target}
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for_connection(self):
        """Returns once a connection is open."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.connections, timeout=60), "nobody connected"

    def cut(self, seconds):
        """Breaks all connections, and refuses new ones for so long."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections, self.connections = self.connections, set()
        self.cut_connections += len(connections) // 2
        for connection in connections:
            with contextlib.suppress(OSError):
                # The kernel sends RST in place of FIN.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()
        time.sleep(seconds)
        self.listener = listen(self.port)
        self.accept(self.listener)


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener
