"""Brokers of other makers as child processes on loopback: RabbitMQ, NATS, amqtt. What is missing is skipped."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.rigs.broker import free_port

START_S = 90.0  # RabbitMQ takes 10 s on an idle machine
# `make test-brokers` puts amqtt there: it wants other versions of packages than we do.
AMQTT = Path(os.environ.get("AMQTT_PYTHON", "/nonexistent"))


class Foreign:
    """`with Foreign() as broker`: MQTT at 127.0.0.1:broker.port; `kill` and `start` as often as one likes."""

    name = ""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix=f"{self.name}-", ignore_cleanup_errors=True)
        self.folder = Path(self._directory.name)
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    def missing(cls) -> str:
        """Why it cannot be run here, "" = it can."""
        raise NotImplementedError

    @classmethod
    def version(cls) -> str:
        """As the program tells it."""
        raise NotImplementedError

    def _commands(self) -> list[tuple[list[str], dict[str, str]]]:
        """What to start, in order, with its environment."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, again on the same port and with what was kept, and wait until it speaks MQTT."""
        for command, environment in self._commands():
            with (self.folder / "log").open("ab") as log:
                process = subprocess.Popen(
                    command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.folder, start_new_session=True,
                )  # fmt: skip
            self._processes.append(process)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            assert self._processes[-1].poll() is None, (self.folder / "log").read_text(errors="replace")[-2_000:]
            if self._answers():
                return
            time.sleep(0.1)
        self.kill()
        raise AssertionError(f"{self.name} did not start: {(self.folder / 'log').read_text(errors='replace')[-2_000:]}")

    def _answers(self) -> bool:
        """A CONNACK to an MQTT 3.1.1 CONNECT: an open port alone may be a broker that is not ready."""
        hello = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x0a\x00\x04test"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                sock.sendall(hello)
                return sock.recv(4)[:1] == b"\x20"
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to all that it consists of."""
        for process in reversed(self._processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                process.kill()
            process.wait()
        self._processes.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._directory.cleanup()


class Nats(Foreign):
    name = "nats"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("nats-server") else "nats-server is not installed"

    @classmethod
    def version(cls) -> str:
        said = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True)
        return said.stdout.split()[-1]

    def _commands(self) -> list[tuple[list[str], dict[str, str]]]:
        config = self.folder / "nats.conf"
        config.write_text(
            f'server_name: test\nlisten: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{self.folder}/store" }}\nmqtt {{ host: "127.0.0.1", port: {self.port} }}\n'
        )
        return [(["nats-server", "-c", str(config)], {})]


class Rabbit(Foreign):
    name = "rabbitmq"
    _program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH changes the user and its folders

    def __init__(self) -> None:
        super().__init__()
        self._epmd_port, self._node_port, self._amqp_port = free_port(), free_port(), free_port()

    @classmethod
    def missing(cls) -> str:
        return "" if cls._program.exists() and shutil.which("epmd") else "rabbitmq-server is not installed"

    @classmethod
    def version(cls) -> str:
        applications = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
        return next(applications).name.removeprefix("rabbitmq_server-")

    def _commands(self) -> list[tuple[list[str], dict[str, str]]]:
        config, plugins = self.folder / "rabbitmq.conf", self.folder / "enabled_plugins"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._amqp_port}\nmqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "mqtt.allow_anonymous = true\nmqtt.default_user = guest\nmqtt.default_pass = guest\n"
        )
        plugins.write_text("[rabbitmq_mqtt].\n")
        environment = {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
        }
        return [(["epmd", "-port", str(self._epmd_port)], environment), ([str(self._program)], environment)]


class Amqtt(Foreign):
    name = "amqtt"

    @classmethod
    def missing(cls) -> str:
        return "" if AMQTT.exists() else "amqtt is not installed (make test-brokers does it)"

    @classmethod
    def version(cls) -> str:
        program = "from importlib.metadata import version; print(version('amqtt'))"
        said = subprocess.run([str(AMQTT), "-c", program], capture_output=True, text=True, check=True)
        return said.stdout.strip()

    def _commands(self) -> list[tuple[list[str], dict[str, str]]]:
        config = self.folder / "amqtt.yaml"
        config.write_text(
            f'listeners:\n  default:\n    type: tcp\n    bind: "127.0.0.1:{self.port}"\n'
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
        )
        return [([str(AMQTT.with_name("amqtt")), "-c", str(config)], {})]


FOREIGN: tuple[type[Foreign], ...] = (Rabbit, Nats, Amqtt)
