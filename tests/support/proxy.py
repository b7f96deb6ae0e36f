"""A TCP proxy between Populace and a server, which does to their lines what networks do.

    with Proxy(postgresql.port) as proxy:
        installation.env |= {"DATABASE_URL": proxy.url(installation.env["DATABASE_URL"])}
        proxy.delay(50)
        proxy.heal()

It runs in a thread of the test. Its commands return once the loop has taken them in.
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self

from tests.support.pgwire import Backend, Frontend

CHUNK = 16_384  # bytes read at once
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST and forgets what was not sent


class Proxy:
    """`port` is where to connect instead; `lines` are the open connections, `trips` the round trips so far.

    A round trip is bytes of the client after bytes of the server. Set it to 0 before what is to be counted.
    """

    def __init__(self, port: int, *, postgresql: bool = True) -> None:
        """Stand before a server of this machine; `postgresql`: it speaks so, for `lose_answer`."""
        self.to, self.postgresql = port, postgresql
        self.lines: set[Line] = set()
        self.trips = 0
        self.lost = 0
        """Answers that lose_answer() has kept back."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._settle()

    def _settle(self) -> None:
        self.delay_s, self.bytes_per_s, self.is_half_open, self.drops = 0.0, 0.0, False, False
        self.matching: Callable[[str], bool] | None = None
        self.nth, self.again = 0, False

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def url(self, database_url: str) -> str:
        """Return the URL of the same database behind this proxy."""
        return re.sub(rf":{self.to}\b", f":{self.port}", database_url)

    def delay(self, ms: float) -> None:
        """Have every byte take `ms` more each way."""
        self._do(self._set(delay_s=ms / 1000))

    def rate(self, bytes_per_s: float) -> None:
        """Pass no more than this on in each direction of each line; 0: no limit."""
        self._do(self._set(bytes_per_s=bytes_per_s))

    def drop(self) -> None:
        """Swallow every byte. A line that has lost some stays mute, also after heal(): its stream has a hole."""
        self._do(self._set(drops=True))

    def half_open(self) -> None:
        """Accept new connections and never answer; lines that stand go on."""
        self._do(self._set(is_half_open=True))

    def reset(self) -> None:
        """Send RST to both ends of every line."""
        self._do(self._reset())

    def cut(self, after: int) -> None:
        """Let each line that stands pass `after` more bytes of answers, then end it at both ends (FIN)."""
        self._do(self._cut(after))

    def lose_answer(self, matching: Callable[[str], bool], nth: int = 1, *, again: bool = False) -> None:
        """Have the server run the `nth` statement whose SQL matches, then reset the line instead of telling.

        Once, or with `again` each from then on. Statements are counted over all lines. `lost` is one more each time.
        """
        self._do(self._set(matching=matching, nth=nth, again=again))

    def heal(self) -> None:
        """Take every command back."""
        self._do(self._set_back())

    def _do[T](self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set(self, **values: Any) -> None:
        vars(self).update(values)

    async def _set_back(self) -> None:
        self._settle()

    async def _reset(self) -> None:
        for line in list(self.lines):
            line.reset()

    async def _cut(self, after: int) -> None:
        for line in self.lines:
            line.left = after

    async def _end(self) -> None:
        self._server.close()
        tasks = [line.task for line in self.lines]
        await self._reset()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(self, reader, writer)
        self.lines.add(line)
        try:
            await line.run()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            line.reset()  # what had an end in order is closed by now
            self.lines.discard(line)

    def takes(self, statement: str) -> bool:
        """Tell whether the answer to this statement is to be lost."""
        if self.matching is None or not self.matching(statement):
            return False
        self.nth -= 1
        if self.nth > 0:
            return False
        if not self.again:
            self.matching = None
        return True


class Line:
    """One connection of a client, and the one to the server that is made for it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.proxy, self.reader, self.task = proxy, reader, task
        self.writers = [writer]
        self.left: int | None = None  # bytes of answers until the cut
        self.mute = self.losing = self.server_spoke = False
        self.frontend = Frontend()
        self.backend = Backend(self.frontend)

    async def run(self) -> None:
        """Pass bytes on until both ends are closed. Raises OSError where one is lost."""
        if self.proxy.is_half_open:
            while await self.reader.read(CHUNK):
                pass
            return
        answers, to_server = await asyncio.open_connection("127.0.0.1", self.proxy.to)
        self.writers.append(to_server)
        async with asyncio.TaskGroup() as both:
            both.create_task(self.reset_if_lost(self.pump(self.reader, to_server, self.asked)))
            both.create_task(self.reset_if_lost(self.pump(answers, self.writers[0], self.answered)))

    async def reset_if_lost(self, pump: Coroutine[Any, Any, None]) -> None:
        """Pump; where one end is lost, tell the other as abruptly."""
        try:
            await pump
        except OSError:
            self.reset()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Callable[[bytes], bytes]
    ) -> None:
        """Pass on what `passes` leaves of the bytes, in time, then the end."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self.send(waiting, writer))
        try:
            while data := await reader.read(CHUNK):
                if data := passes(data):
                    waiting.put_nowait((asyncio.get_running_loop().time() + self.proxy.delay_s, data))
            waiting.put_nowait((0, b""))
            await sending
        finally:
            sending.cancel()

    async def send(self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Write each piece when it is due; the empty one is the end."""
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
            if self.proxy.bytes_per_s:
                await asyncio.sleep(len(data) / self.proxy.bytes_per_s)
        writer.close()

    def asked(self, data: bytes) -> bytes:
        """Look at what the client says; return what of it is passed on."""
        self.mute = self.mute or self.proxy.drops
        if self.mute:
            return b""
        self.proxy.trips += self.server_spoke
        self.server_spoke = False
        if self.proxy.postgresql:
            taken = [self.proxy.takes(statement) for statement in self.frontend.feed(data)]
            self.losing = self.losing or any(taken)
        return data

    def answered(self, data: bytes) -> bytes:
        """Look at what the server says; return what of it is passed on."""
        self.mute = self.mute or self.proxy.drops
        self.server_spoke = True
        ready = self.proxy.postgresql and self.backend.feed(data)
        if self.losing and ready:
            self.proxy.lost += 1
            self.reset()
        if self.mute or self.losing:
            return b""
        return self.cut(data)

    def cut(self, data: bytes) -> bytes:
        """Return what may still pass; ends the line where that is over."""
        if self.left is None:
            return data
        data, self.left = data[: self.left], self.left - len(data)
        if self.left <= 0:
            self.writers[0].write(data)
            for writer in self.writers:
                writer.close()
            return b""
        return data

    def reset(self) -> None:
        """Send RST to both ends that are not closed yet."""
        for writer in self.writers:
            with suppress(OSError):
                if not writer.is_closing():
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
