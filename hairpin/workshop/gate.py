"""The workshop's gate: Ray's job API for participants, who have a password each and not the token.

Ray has one token for all, and whoever has it runs what he likes on the head. The gate has it, and
lets participants submit trainings, and list, follow, stop and delete their own: their jobs are
called TENANT.NAME at Ray and NAME to them. Ray's own command and ours work through it as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    WSMsgType,
    WSServerHandshakeError,
    web,
)

from hairpin.jobs.note import USED_KEY
from hairpin.workshop.allowance import open_allowance, read_secret
from hairpin.workshop.parcels import (
    MAX_PACKAGE_BYTES,
    check_options,
    check_package,
    check_request,
    is_training,
    job_at_ray,
)
from hairpin.workshop.rules import read_rules
from sim.errors import UserError
from storage import StorageError

logger = logging.getLogger(__name__)

CONNECT_S, ANSWER_S = 10.0, 60.0
TENANT = web.RequestKey("tenant", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """An HTTP application that stands before a cluster's job server.

    Args:
        folder: Of the workshop's files.
        storage: Where the cluster keeps its runs.
        address: The job server, http://HOST:8265.
        token: Ray's.
    """

    def __init__(self, folder: Path, storage: str, address: str, token: str) -> None:
        self._folder, self._storage, self._address = folder, storage, address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._checked: set[str] = set()  # packages that were looked into
        self._session: ClientSession

    def application(self) -> web.Application:
        """What aiohttp serves."""
        limit = MAX_PACKAGE_BYTES + 1
        app = web.Application(middlewares=[self._words, self._who], client_max_size=limit)
        app.cleanup_ctx.append(self._connected)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/api/version", self._pass_on)
        app.router.add_get("/api/packages/gcs/{name}", self._has_package)
        app.router.add_put("/api/packages/gcs/{name}", self._put_package)
        app.router.add_get("/api/jobs/", self._list)
        app.router.add_post("/api/jobs/", self._submit)
        app.router.add_get("/api/jobs/{job}", self._details)
        app.router.add_delete("/api/jobs/{job}", self._pass_on)
        app.router.add_post("/api/jobs/{job}/stop", self._pass_on)
        app.router.add_get("/api/jobs/{job}/logs", self._pass_on)
        app.router.add_get("/api/jobs/{job}/logs/tail", self._tail)
        return app

    async def _connected(self, app: web.Application) -> Any:
        timeout = ClientTimeout(sock_connect=CONNECT_S, sock_read=ANSWER_S)
        async with ClientSession(headers=self._headers, timeout=timeout) as session:
            self._session = session
            yield

    @web.middleware
    async def _who(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets nobody in without a participant's password."""
        if request.path != "/healthz":
            headers = request.headers
            said = headers.get("Authorization", "") or headers.get("X-Ray-Authorization", "")
            tenant = self._tenant_of(said.removeprefix("Bearer ").strip())
            if tenant is None:
                return web.Response(status=403 if said else 401, text="a participant's password")
            request[TENANT] = tenant
        return await handler(request)

    @web.middleware
    async def _words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Says errors in a line."""
        try:
            return await handler(request)
        except (UserError, StorageError) as error:
            return web.Response(status=400, text=str(error))
        except (ClientError, TimeoutError) as error:
            logger.warning("the cluster does not answer: %r", error)
            text = f"the cluster does not answer ({type(error).__name__}); try again in a minute"
            return web.Response(status=502, text=text)

    def _tenant_of(self, password: str) -> str | None:
        found = None
        for tenant in read_rules(self._folder).participants:
            kept = read_secret(self._folder, tenant)
            if kept and hmac.compare_digest(kept.encode(), password.encode()):
                found = tenant
        return found

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "service": "hairpin-gate"})

    async def _has_package(self, request: web.Request) -> web.Response:
        answer = await self._pass_on(request)  # it is kept for a while by being asked for
        if answer.status == 200 and request.match_info["name"] not in self._checked:
            return web.Response(status=404, text="not sent through the gate")
        return answer

    async def _put_package(self, request: web.Request) -> web.Response:
        data = await request.read()
        check_package(data)
        answer = await self._ask("PUT", request.path, data=data)
        if answer.status == 200:
            self._checked.add(request.match_info["name"])
        return answer

    async def _submit(self, request: web.Request) -> web.Response:
        tenant = request[TENANT]
        try:
            said = await request.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise UserError("this is not a request for a job", where="request")
        wanted = check_request(said, tenant)
        package = wanted["runtime_env"].get("working_dir", "").removeprefix("gcs://")
        if package and package not in self._checked:
            raise UserError("the job's folder did not come through here", fix="Submit it again.")
        if is_training(wanted["entrypoint"]):
            await self._check(wanted["entrypoint"], tenant)
        answer = await self._ask("POST", "/api/jobs/", json=wanted)
        return self._renamed(answer, tenant)

    async def _check(self, command: str, tenant: str) -> None:
        """Raises `UserError` if the participant may not train this, or not now."""
        jobs = await self._jobs_of(tenant)
        used = [float((job["metadata"] or {}).get(USED_KEY) or 0.0) for job in jobs]
        allowance = open_allowance(self._folder, self._storage, tenant)
        check_options(command, allowance)
        allowance.check_used(max(used, default=0.0))
        await asyncio.to_thread(allowance.check_stored)

    async def _list(self, request: web.Request) -> web.Response:
        tenant = request[TENANT]
        return web.json_response([_seen_by(tenant, job) for job in await self._jobs_of(tenant)])

    async def _details(self, request: web.Request) -> web.Response:
        return self._renamed(await self._pass_on(request), request[TENANT])

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        url = self._address + self._path_at_ray(request)
        ours = web.WebSocketResponse()
        try:
            async with self._session.ws_connect(url) as theirs:
                await ours.prepare(request)
                with contextlib.suppress(ConnectionError):  # who followed has left
                    async for message in theirs:
                        if message.type == WSMsgType.TEXT:
                            await ours.send_str(message.data)
                    await ours.close()
        except WSServerHandshakeError as error:
            return web.Response(status=error.status, text="there is no such job")
        return ours

    async def _jobs_of(self, tenant: str) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._address}/api/jobs/") as answer:
            answer.raise_for_status()
            jobs = await answer.json()
        return [job for job in jobs if (job["submission_id"] or "").startswith(f"{tenant}.")]

    async def _pass_on(self, request: web.Request) -> web.Response:
        return await self._ask(request.method, self._path_at_ray(request))

    def _path_at_ray(self, request: web.Request) -> str:
        job = request.match_info.get("job")
        if job is None:
            return request.path
        rest = request.path.removeprefix(f"/api/jobs/{job}")
        return f"/api/jobs/{job_at_ray(job, request[TENANT])}{rest}"

    async def _ask(self, method: str, path: str, **content: Any) -> web.Response:
        async with self._session.request(method, self._address + path, **content) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )

    def _renamed(self, answer: web.Response, tenant: str) -> web.Response:
        if answer.status != 200 or not isinstance(answer.body, bytes):
            return answer
        return web.json_response(_seen_by(tenant, json.loads(answer.body)))


def _seen_by(tenant: str, job: dict[str, Any]) -> dict[str, Any]:
    """Ray's description of a job, with the name that its participant knows."""
    name = str(job["submission_id"]).removeprefix(f"{tenant}.")
    return {**job, "submission_id": name}
