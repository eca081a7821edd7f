"""A small client of the cluster's API, as its administrator."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Collection, Iterator
from typing import Any

from rig.site import API_PORT, Site

TIMEOUT_S = 10.0
WATCH_S = 240
RETRY_S = 0.5


class ApiError(OSError):
    """The API server's answer is an error."""


class Api:
    """The API of a cluster on this machine.

    Args:
        site: The cluster, whose keys have been made.
    """

    def __init__(self, site: Site) -> None:
        self._host = site.node_address
        self._tls = ssl.create_default_context(cafile=str(site.keys / "authority.crt"))
        self._tls.load_cert_chain(site.keys / "admin.crt", site.keys / "admin.key")

    def get(self, path: str) -> Any:
        """The parsed answer to a GET.

        Raises:
            ApiError: The answer is an error.
            OSError: There is no answer.
        """
        with self._answer(path, TIMEOUT_S) as answer:
            return json.load(answer)

    def create(self, path: str, item: dict[str, Any]) -> None:
        """Creates an object, unless it is there.

        Args:
            path: The path of the kind's list.
            item: The object.

        Raises:
            ApiError: The API server refuses it.
            OSError: There is no answer.
        """
        self._ask("POST", path, json.dumps(item), {http.client.CREATED, http.client.CONFLICT})

    def delete(self, path: str) -> None:
        """Deletes an object, if it is there.

        Raises:
            ApiError: The API server refuses it.
            OSError: There is no answer.
        """
        self._ask("DELETE", path, None, {http.client.OK, http.client.NOT_FOUND})

    def ready(self) -> bool:
        """Whether the API server says that it can be used."""
        try:
            with self._answer("/readyz", TIMEOUT_S):
                return True
        except (OSError, http.client.HTTPException):
            return False

    def follow(self, path: str) -> Iterator[dict[str, Any]]:
        """All objects of a kind by their uid: now, and again after every change, for ever.

        Args:
            path: The path of the kind's list, such as ``/api/v1/pods``.
        """
        while True:
            try:
                listed = self.get(path)
                objects = {item["metadata"]["uid"]: item for item in listed["items"]}
                version = listed["metadata"]["resourceVersion"]
                yield objects
                while True:
                    for event in self._events(path, version):
                        item = event["object"]
                        version = item["metadata"]["resourceVersion"]
                        if event["type"] == "BOOKMARK":
                            continue
                        if event["type"] == "DELETED":
                            objects.pop(item["metadata"]["uid"], None)
                        else:
                            objects[item["metadata"]["uid"]] = item
                        yield objects
            except (OSError, ValueError, http.client.HTTPException):
                time.sleep(RETRY_S)

    def _events(self, path: str, version: str) -> Iterator[dict[str, Any]]:
        """What happened since a version, until the server ends the watch."""
        options = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "1",
            "timeoutSeconds": str(WATCH_S),
        }
        query = urllib.parse.urlencode(options)
        with self._answer(f"{path}?{query}", WATCH_S + TIMEOUT_S) as answer:
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("message", "the watch failed"))
                yield event

    def _answer(self, path: str, timeout_s: float) -> http.client.HTTPResponse:
        return self._send("GET", path, None, {http.client.OK}, timeout_s)

    def _ask(self, method: str, path: str, body: str | None, fine: Collection[int]) -> None:
        with self._send(method, path, body, fine, TIMEOUT_S) as answer:
            answer.read()

    def _send(
        self, method: str, path: str, body: str | None, fine: Collection[int], timeout_s: float
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(
            self._host, API_PORT, context=self._tls, timeout=timeout_s
        )
        headers = {"Connection": "close", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if answer.status not in fine:
            with answer:
                text = answer.read(300).decode(errors="replace")
            raise ApiError(f"{path}: {answer.status}: {text}")
        return answer
