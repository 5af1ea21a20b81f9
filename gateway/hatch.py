"""The service's hatch for its operator: a Unix socket in the data folder, one JSON line in, one JSON line out.

Only the service's own user and root can open it (mode 600), it is on no network, and nothing is logged of what goes
through. What the requests mean is gateway.desk's.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, UnavailableError

NAME = "operator.sock"
MAX_ASK_BYTES = 4_096  # a pseudonym and eight purposes are 400
# An export of 90 days with 100 decisions a day, each with 40 reasons in two languages, is 50 MB.
MAX_ANSWER_BYTES = 128 * 1024 * 1024
ASK_S = 10.0
ANSWER_S = 60.0  # a Pi opens and explains 9,000 decisions in a few seconds
BACKLOG = 4  # operators

Reply = Callable[[object], Awaitable[dict[str, Any]]]


def listen(data_dir: Path) -> socket.socket:
    """The bound socket; what an earlier service left is taken away. Raises ConfigError."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _short(data_dir) as path:
            with contextlib.suppress(FileNotFoundError):
                (data_dir / NAME).unlink()
            one.bind(path)
            (data_dir / NAME).chmod(0o600)  # before anybody can be let in by listen
            one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise ConfigError(f"{data_dir / NAME}: cannot be made ({error.strerror}); expected a data folder") from error
    one.setblocking(False)
    return one


async def serve(data_dir: Path, reply: Reply) -> None:
    """Answer operators until cancelled. Raises ConfigError where the socket cannot be made."""
    listener = listen(data_dir)
    served: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):  # whoever asked is gone, or asked for nothing
            await _answer(reader, writer, reply)

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(one(reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)
        task.add_done_callback(lambda _: writer.close())  # of one that was cancelled too, even before it began

    server = await asyncio.start_unix_server(begin, sock=listener, limit=MAX_ASK_BYTES)
    try:
        await server.serve_forever()
    finally:
        server.close()
        (data_dir / NAME).unlink(missing_ok=True)  # nobody answers there any more
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> None:
    async with asyncio.timeout(ASK_S):
        line = await reader.readline()
    said = await reply(json.loads(line))
    writer.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
    async with asyncio.timeout(ANSWER_S):
        await writer.drain()


def is_served(data_dir: Path) -> bool:
    """Whether a service runs on this folder, as far as we may ask."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, contextlib.suppress(OSError):
        line.settimeout(ASK_S)
        with _short(data_dir) as path:
            line.connect(path)
        return True
    return False


def ask(data_dir: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The running service's answer; None if no service runs on this folder. Raises UnavailableError where one runs
    and does not answer, ConfigError where we may not ask it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(ANSWER_S)
        try:
            with _short(data_dir) as path:
                line.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except PermissionError as error:
            why = "only the service's user and root may ask; try: sudo -u store-gateway store-gateway member .."
            raise ConfigError(f"{data_dir / NAME}: {why}") from error
        try:
            line.sendall(json.dumps(asked).encode() + b"\n")
            received = bytearray()
            while chunk := line.recv(65_536):
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    break
            answer = json.loads(received)
        except (OSError, ValueError) as error:
            raise UnavailableError("the running service does not answer; is it stopping? Try again") from error
    assert isinstance(answer, dict)
    return answer


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's path by the folder's descriptor: a Unix socket's path may have 107 bytes, a folder's more."""
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{at}/{NAME}"
    finally:
        os.close(at)
