"""Submits a folder as a training with Ray's own client, and waits until it is over.

    export RAY_ADDRESS=http://127.0.0.1:8265 RAY_AUTH_TOKEN=...
    python deploy/samples/submit.py sunday deploy/samples/laps --minutes 5

The first argument names the run, the second is the folder, the others are those of `hairpin train`.
It wants the cluster's version of Ray: pip install "ray[default]==2.60.0".
"""

from __future__ import annotations

import os
import shlex
import sys
import time

from ray.job_submission import JobSubmissionClient

POLL_S = 1.0


def main(run: str, folder: str, *options: str) -> int:
    """Submits and waits; the exit code is 0 if the training has finished."""
    headers = {"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
    client = JobSubmissionClient(os.environ["RAY_ADDRESS"], headers=headers)
    job = client.submit_job(
        submission_id=run,
        entrypoint=shlex.join(["hairpin", "train", ".", "--run", run, "--durable", *options]),
        runtime_env={"working_dir": folder},
    )
    while not (status := client.get_job_status(job)).is_terminal():
        time.sleep(POLL_S)
    print(client.get_job_logs(job)[-2000:])
    if status == "SUCCEEDED":
        print(f"{job}: {status}")
        return 0
    print(f"{job}: {status}: {client.get_job_info(job).message}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
