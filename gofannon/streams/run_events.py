"""`GET /api/runs/{id}/events` as Server-Sent Events: what happened in a run and what happens, until it has ended."""

import asyncio
import contextlib
import json
import logging

from django.db import DatabaseError

from gofannon.lib import ids
from gofannon.lib.errors import ApiError
from gofannon.streams.authorization import Refused, authorize, headers_of
from gofannon.streams.doors import Admission
from gofannon.streams.hub import Hub, Watch, hub_of_this_loop
from gofannon.streams.outlet import Outlet, Stalled
from gofannon.streams.protocol import Receive, Scope, Send

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
REAUTHORIZE_SECONDS = 60.0
# Before a database that did not answer is asked again.
PAUSE_SECONDS = 1.0
# Milliseconds, in the words of the standard: when a client that was cut off comes back.
RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": \n\n"
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def run_events(scope: Scope, receive: Receive, send: Send) -> None:
    hub = hub_of_this_loop()
    try:
        with hub.door():
            admission = await hub.readers.read(authorize, scope)
        with hub.place(), hub.place_of(admission.user_id):
            await RunStream(hub, scope, admission, Outlet(send)).serve(receive)
    except Refused as refused:
        await refused.answer(send)
    except ApiError as error:
        await _refuse(send, error)


class RunStream:
    """One client's stream. `seen`: every event up to it was sent, or the client had it."""

    def __init__(self, hub: Hub, scope: Scope, admission: Admission, outlet: Outlet) -> None:
        self.hub = hub
        self.scope = scope
        self.admission = admission
        self.outlet = outlet
        self.seen = admission.after
        self.over = False
        self.wake = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    async def serve(self, receive: Receive) -> None:
        """Sends until the run, the client, its permission or the process ends. Nothing of this touches the run."""
        with self.hub.watching(self.admission.run_id, self.wake) as watch, self.hub.closed_by(self._close):
            watch.learn(self.admission.seq, self.admission.status)
            departure = asyncio.create_task(self._until_gone(receive))
            try:
                await self._stream(watch)
            except Stalled:
                log.info("streams: a client of run %s did not read and was cut off", watch.run_id)
            finally:
                departure.cancel()

    async def _stream(self, watch: Watch) -> None:
        for name, value in HEADERS.items():
            self.admission[name] = value
        await self.outlet.start(headers_of(self.admission))
        await self.outlet.write(RETRY)
        self.permitted_until = self.loop.time() + REAUTHORIZE_SECONDS
        while not self.over:
            self.wake.clear()
            if self.loop.time() >= self.permitted_until and not await self._still_permitted():
                break
            if watch.seq > self.seen:
                await self._send_page(watch)
            elif watch.ending:
                end = json.dumps({"status": watch.ending})
                return await self.outlet.finish(f"event: end\ndata: {end}\n\n".encode())
            elif watch.gone:
                break
            else:
                await self._wait()
        return await self.outlet.finish()

    async def _send_page(self, watch: Watch) -> None:
        try:
            page = await self.hub.page(watch, self.seen)
        except DatabaseError:
            log.warning("streams: the database did not answer", exc_info=True)
            return await asyncio.sleep(PAUSE_SECONDS)
        if page.text and not self.over:
            await self.outlet.write(page.text)
        self.seen = page.seen
        return None

    async def _wait(self) -> None:
        """Until there may be something to do; says meanwhile that the stream lives."""
        beat_at = self.outlet.written_at + HEARTBEAT_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(beat_at, self.permitted_until)):
                await self.wake.wait()
        if self.loop.time() >= beat_at and not self.over:
            await self.outlet.write(HEARTBEAT)

    async def _still_permitted(self) -> bool:
        """Asks at the door again: a key may be revoked by now, a user gone. A fault of ours is no refusal."""
        self.permitted_until = self.loop.time() + REAUTHORIZE_SECONDS
        try:
            await self.hub.readers.read(authorize, self.scope)
        except Refused as refused:
            return refused.status >= 500
        return True

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._close()

    def _close(self) -> None:
        self.over = True
        self.outlet.hurry()
        self.wake.set()


async def _refuse(send: Send, error: ApiError) -> None:
    body = json.dumps({"error": {**error.as_dict(), "request_id": ids.new_id("req")}}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
