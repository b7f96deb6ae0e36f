"""Real brokers of our own: a free loopback port, a temporary folder; nothing is kept over a restart."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.support.ports import free_port
from tests.support.postgresql import NotThere
from tests.support.processes import dies_with_parent, environment, start, stop, wait_until


class Broker:
    """A server that can be stopped, and started again on the same port, empty."""

    scheme: str

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="populace-broker-", dir="/tmp"))
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, place: str = "") -> str:
        """Return its URL; `place`: a database's number."""
        return f"{self.scheme}://127.0.0.1:{self.port}/{place}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        raise NotImplementedError

    def kill(self) -> None:
        """End it with nothing kept."""
        if self.process:
            stop(self.process, signal.SIGKILL)

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _says(self, sent: bytes, expected: bytes) -> bool:
        """Tell whether it answers `sent` with `expected`; raises RuntimeError with its log when it has ended."""
        if self.process and self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(sent)
                return connection.recv(20).startswith(expected)
        except OSError:
            return False


class Redis(Broker):
    """Redis without persistence."""

    scheme = "redis"

    def start(self) -> None:
        """Start it; 0.1 s."""
        program = shutil.which("redis-server")
        if program is None:
            raise NotThere("Redis: no redis-server on PATH")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            self.process = start([program, *options], environment(), cwd=self.folder, stdout=log, stderr=log)
        wait_until(lambda: self._says(b"PING\r\n", b"+PONG"), "Redis answers")


class RabbitMQ(Broker):
    """RabbitMQ as one node with a name, a cookie and a port mapper of its own."""

    scheme = "amqp"
    # Not /usr/sbin's: that is a wrapper which wants to be another user.
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

    def start(self) -> None:
        """Start it with an empty store; some 7 s."""
        if not self.program.exists():
            raise NotThere(f"RabbitMQ: no {self.program}")
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)
        self.mapper_port = free_port()
        (self.folder / "conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\ndisk_free_limit.absolute = 50MB\nloopback_users = none\n"
        )
        (self.folder / "plugins").write_text("[].\n")
        env = environment(**self._settings())
        with (self.folder / "log").open("ab") as log:
            # A session of its own: the program is a script that has the node as a child.
            self.process = subprocess.Popen(
                [str(self.program)],
                env=env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        wait_until(lambda: self._says(b"AMQP\x00\x00\x09\x01", b"\x01"), "RabbitMQ answers", 60)

    def _settings(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def kill(self) -> None:
        """Kill the node, and the port mapper that would outlive it."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            subprocess.run(["epmd", "-port", str(self.mapper_port), "-kill"], env=environment(), capture_output=True)
