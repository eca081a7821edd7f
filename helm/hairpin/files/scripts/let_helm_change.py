"""Before an upgrade or a rollback: lets Helm change the groups of workers.

The autoscaler writes how many workers there are into the RayCluster's list of groups. For
Kubernetes the list is one value, and from then on the autoscaler's: Helm, which applies on the
server's side, would be refused every change in it. This takes the list from all who have written
it, and leaves the list itself as it is.

usage: let_helm_change.py NAME
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TRIES = 10
CONFLICT, ABSENT = 409, 404


def ask(url: str, patch: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the API server answers."""
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text('utf-8')}"}
    data = None
    if patch is not None:
        headers["Content-Type"] = "application/merge-patch+json"
        data = json.dumps(patch).encode()
    request = urllib.request.Request(
        url, data=data, headers=headers, method="PATCH" if data else "GET"
    )
    trust = urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
    with opener.open(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def writes_groups(owner: dict[str, Any]) -> bool:
    """Whether an entry of managedFields is of one who has written, not applied, the groups."""
    fields = owner.get("fieldsV1", {}).get("f:spec", {})
    return owner.get("operation") == "Update" and "f:workerGroupSpecs" in fields


def main() -> int:
    """Does it, again if somebody writes at the same time."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    namespace = (ACCOUNT / "namespace").read_text("utf-8")
    path = f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters/{sys.argv[1]}"
    url = f"https://{host}:{port}{path}"
    try:
        for _ in range(TRIES):
            metadata = ask(url)["metadata"]
            owners = metadata.get("managedFields", [])
            left = [owner for owner in owners if not writes_groups(owner)]
            if left == owners:
                return 0
            version = metadata["resourceVersion"]
            try:
                ask(url, {"metadata": {"managedFields": left, "resourceVersion": version}})
                return 0
            except urllib.error.HTTPError as error:
                if error.code != CONFLICT:
                    raise
            time.sleep(0.2)
        reason = "it changes all the time"
    except urllib.error.HTTPError as error:
        if error.code == ABSENT:
            return 0
        reason = f"the API server answers {error.code}"
    except OSError as error:
        reason = f"the API server does not answer ({error}). Look at networkPolicy.apiServer"
    print(f"error: Helm cannot be let change RayCluster {sys.argv[1]}: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
