"""A real Kafka broker in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[1] / "broker" / "run.py"


class NoBroker(Exception):
    """No broker can be had here; the text is the reason."""


class Broker:
    """A real Kafka over a folder that outlives it; started again it listens where it did."""

    def __init__(self, data, port=0, pem=None):
        self._data = data
        self._options = ["--pem", str(pem)] if pem else []
        self._port = port
        self._process = None
        self.servers = self.sasl = self.ssl = self.sasl_ssl = ""
        self.pid = 0

    def start(self):
        command = [sys.executable, str(RUN), "--port", str(self._port), "--data", str(self._data), "--attached"]
        command += self._options
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise NoBroker(self._process.communicate()[1].strip())
        told = json.loads(line)
        self.servers, self.sasl, self.pid = told["port"], told["sasl"], told["pid"]
        self.ssl, self.sasl_ssl = told["ssl"], told["sasl_ssl"]
        self._port = int(self.servers.rpartition(":")[2])
        return self

    def stop(self):
        if self._process is not None:
            self._process.communicate(timeout=60)
            self._process = None
