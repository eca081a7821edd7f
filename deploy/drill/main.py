"""``deploy/faults``: the whole drill, on servers of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import yaml
from rich.console import Console

from drill.bench import Bench
from drill.drill import DAMAGED, KILLED, kill_driver, try_fault
from drill.faults import FAULTS
from drill.link import Link
from drill.outcome import Outcome, table
from servers.errors import ServerError
from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.prometheus import Prometheus, Scrape
from servers.server import HOST, free_port

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "dashboards" / "alerts" / "hairpin.rules.yml"
RUN = "drill"
INTERVAL_S = 5.0  # between checkpoints
SPOOL_MB = 192
NAMES = (*(fault.name for fault in FAULTS), KILLED, DAMAGED)


@click.command(
    epilog="\b\nExamples:\n  deploy/faults\n  deploy/faults --hold 20 --only store-stopped"
)
@click.option("--hold", default=60.0, show_default=True, help="How long a fault lasts, seconds.")
@click.option(
    "--patience", default=90.0, show_default=True, help="How long to wait for full speed, seconds."
)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Only this fault (repeat).")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a fault.")
@click.option("--keep", is_flag=True, help="Keep the folder with logs and data.")
def main(hold: float, patience: float, only: tuple[str, ...], as_json: bool, keep: bool) -> None:
    """Break a running training's surroundings, one thing after another, and say what came of it.

    Starts MinIO, MediaMTX and Prometheus of its own and a training on them, which takes all cores
    of this machine for some minutes. Exits with 1 if a bar is missed.
    """
    folder = Path(tempfile.mkdtemp(prefix="hairpin-faults-"))
    click.echo(f"logs in {folder}", err=True)
    chosen = only or NAMES
    outcomes: list[Outcome] = []
    try:
        own_disk = "spool-full" in chosen
        with _bench(folder, hold, patience, spool_on_a_disk_of_its_own=own_disk) as bench:
            for name in chosen:
                click.echo(f"{name} ...", err=True)
                outcome = _try(bench, name)
                outcomes.append(outcome)
                click.echo(f"{name}: {'; '.join(outcome.faults) or 'good'}", err=True)
                if as_json:
                    click.echo(json.dumps(dataclasses.asdict(outcome)))
    except (ServerError, TimeoutError, RuntimeError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if not as_json:
        Console(width=None if sys.stdout.isatty() else 200).print(table(outcomes))
    bad = any(outcome.faults for outcome in outcomes)
    if not (keep or bad):
        import shutil

        shutil.rmtree(folder)
    sys.exit(1 if bad else 0)


def _try(bench: Bench, name: str) -> Outcome:
    if name in (KILLED, DAMAGED):
        return kill_driver(bench, INTERVAL_S, damaged=name == DAMAGED)
    return try_fault(bench, next(fault for fault in FAULTS if fault.name == name))


@contextmanager
def _bench(
    folder: Path, hold_s: float, patience_s: float, *, spool_on_a_disk_of_its_own: bool
) -> Iterator[Bench]:
    """Servers and a training on them; all gone afterwards."""
    minio = Minio(folder / "minio", free_port(), "drill", secrets.token_urlsafe(24))
    mediamtx = Mediamtx(
        folder / "mediamtx", free_port(), free_port(), *(secrets.token_urlsafe(16) for _ in "pr")
    )
    metrics_port = free_port()
    prometheus = Prometheus(
        folder / "prometheus",
        free_port(),
        [Scrape("hairpin", (f"{HOST}:{metrics_port}",))],
        [_impatient(RULES, folder)],
        interval_s=1.0,
    )
    with ExitStack() as stack:
        for server in (minio, mediamtx, prometheus):
            stack.callback(server.stop)
            server.launch()
        for server in (minio, mediamtx, prometheus):
            server.wait()
        link = stack.enter_context(Link(HOST, minio.ports["minio"]))
        spool = folder / "spool"
        spool.mkdir()
        env = {
            **os.environ,
            **minio.env(),
            **mediamtx.env(),
            "HAIRPIN_S3_ENDPOINT": f"http://{HOST}:{link.port}",
            "HAIRPIN_STORAGE": f"s3://{BUCKET}/runs",
            "HAIRPIN_SPOOL": str(spool),
            "PYTHONUNBUFFERED": "1",
        }
        os.environ |= {name: env[name] for name in env if name.startswith("AWS_")}
        os.environ["HAIRPIN_S3_ENDPOINT"] = minio.endpoint  # we look at it directly
        bench = Bench(
            minio=minio,
            link=link,
            mediamtx=mediamtx,
            prometheus=prometheus,
            folder=folder,
            hold_s=hold_s,
            patience_s=patience_s,
            run=RUN,
            metrics_port=metrics_port,
            arguments=["--video", mediamtx.url, "--metrics-port", str(metrics_port)],
            env=env,
            wrapper=_own_disk() if spool_on_a_disk_of_its_own else [],
        )
        bench.start_training(str(_job(folder)), "--run", RUN)
        try:
            yield bench
        finally:
            bench.training.stop(timeout_s=120.0)


def _job(folder: Path) -> Path:
    """A job that goes on for as long as the drill needs, and saves often."""
    path = folder / "job.yaml"
    job = {
        "track": "oval",
        "workers": 2,
        "checkpoint_every_s": INTERVAL_S,
        "keep_last": 10_000,
        "evaluate": {"every_s": 20.0},
        "stop": {"minutes": 600.0},
    }
    path.write_text(yaml.safe_dump(job))
    return path


def _impatient(rules: Path, folder: Path) -> Path:
    """Our alert rules, each firing at once: a fault of a minute is too short for most."""
    content = yaml.safe_load(rules.read_text())
    for group in content["groups"]:
        for rule in group["rules"]:
            rule["for"] = "0s"
            rule.pop("keep_firing_for", None)
    path = folder / rules.name
    path.write_text(yaml.safe_dump(content))
    return path


def _own_disk() -> list[str]:
    """A command that runs another one, whose spool is on a small disk that only that one sees."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={SPOOL_MB}m spool "$HAIRPIN_SPOOL" && exec "$@"'
    return ["unshare", "--mount", *root, "sh", "-c", mount, "sh"]


if __name__ == "__main__":
    main()
