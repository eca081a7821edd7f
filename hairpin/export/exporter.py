"""Exports a checkpoint: builds the file, checks it as others will read it, then publishes it."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hairpin.deepracer.graph_names import FRONT_CAMERA, POLICY, input_of
from hairpin.deepracer.metadata import metadata_of
from hairpin.export.check import CheckFailed, CheckResult, compare, file_outputs, torch_outputs
from hairpin.export.description import Layout, describe, sums
from hairpin.export.drive import GRAPH, METADATA
from hairpin.export.frames import record_frames
from hairpin.export.layers import Layers
from hairpin.export.names import COMMAND, IMAGE, MEAN, PROBABILITIES
from hairpin.export.packages import need
from hairpin.job import Job
from hairpin.stored_job import job_of
from learner.state import read_weights
from rollout_workers.network import NETWORKS
from rollout_workers.policy import Policy
from sim.actions import make_actions
from sim.errors import UserError
from storage import Run

Format = Literal["onnx", "deepracer", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "deepracer": ".tar.gz", "torch": ".pt2"}
CHECK_FRAMES = 1000


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        sidecar: The JSON beside it.
        size_bytes: The file's size.
        check: How it compares with the policy in torch.
        about: The sidecar's content.
    """

    path: Path
    sidecar: Path
    size_bytes: int
    check: CheckResult
    about: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Itself as JSON-able values."""
        return {
            "file": str(self.path),
            "sidecar": str(self.sidecar),
            "size": self.size_bytes,
            **self.about,
        }


def export_run(
    run: Run,
    ref: str,
    kind: Format,
    output: Path | None = None,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Exported:
    """Exports a checkpoint of `run`.

    The file is written beside its place, run on `CHECK_FRAMES` images of a real drive, held
    against the policy in torch, and only then moved to its place, with its sidecar.

    Args:
        run: The run.
        ref: ``best``, ``latest``, or what else names a checkpoint.
        kind: The format.
        output: The file to write, or a folder for it; by default the run's name, here.
        say: Is told in one line what is being done.

    Raises:
        UserError: The format does not suit the run, a package is missing, or the place cannot be
            written to.
        StorageError: There is no such checkpoint, or it and those before it are damaged.
        CheckFailed: The file does not do what the policy does; nothing is left of it.
    """
    job = job_of(run)
    check_format(kind, job)
    target = _target(run.name, kind, output)
    info, files = run.read_checkpoint(ref)
    weights = read_weights(files)
    actions, network = make_actions(job.actions), NETWORKS[job.preset]
    layers = Layers.of(network, weights)
    about = describe(run, job, info, _layout(kind, layers.is_discrete))
    say(f"checkpoint {info.name}: {info.step:,} steps, network {network.name}")
    if kind == "onnx":
        from hairpin.export.onnx_file import onnx_model

        data = onnx_model(layers, actions, about)
    elif kind == "torch":
        from hairpin.export.torch_file import torch_program

        data = torch_program(layers, actions, about)
    else:
        data = _archive(layers, job)
    policy = Policy(network, actions.space)
    policy.set_weights(weights)
    say(f"recording {CHECK_FRAMES:,} images of a drive on {Path(job.track).name}")
    frames = record_frames(job, policy, CHECK_FRAMES)
    try:
        folder = Path(tempfile.mkdtemp(prefix=".hairpin-export-", dir=target.parent))
    except OSError as error:
        raise UserError(f"cannot write there ({error.strerror})", where=str(target)) from error
    try:
        made = folder / target.name
        made.write_bytes(data)
        say("running it on them, and the policy in torch as well")
        found = file_outputs(made, frames)
        expected = torch_outputs(job, weights, frames)
        result = compare(expected, found, is_discrete=layers.is_discrete)
        if not result.passed:
            raise CheckFailed(
                f"{target.name}: the same action on {result.same_action} of {result.frames} "
                f"images, largest difference {result.max_difference:.2g} "
                f"(allowed {result.tolerance:g}); nothing was written"
            )
        about |= {"check": result.as_dict(), "files": sums({target.name: data})}
        sidecar = target.with_name(target.name + ".json")
        (folder / sidecar.name).write_text(json.dumps(about, indent=2, allow_nan=False) + "\n")
        os.replace(made, target)
        os.replace(folder / sidecar.name, sidecar)
    except OSError as error:
        raise UserError(f"cannot write there ({error.strerror})", where=str(target)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Exported(target, sidecar, len(data), result, about)


def check_format(kind: Format, job: Job) -> None:
    """Raises `UserError` if `job`'s policy cannot be exported so, or a package is missing."""
    if kind == "deepracer" and NETWORKS[job.preset].crop_top:
        raise UserError(
            f"a policy of the preset {job.preset!r} does not fit a DeepRacer car, whose image is "
            "160x120",
            where="--format deepracer",
            fix="Train with --preset deepracer, or export it with --format onnx.",
        )
    if kind == "onnx":
        need("onnx", "onnx")
        need("onnxruntime", "onnx")
    elif kind == "deepracer":
        need("tensorflow", "tensorflow")


def _target(run_name: str, kind: Format, output: Path | None) -> Path:
    suffix = SUFFIXES[kind]
    target = output or Path()
    if target.is_dir():
        target = target / (run_name + suffix)
    if not target.name.endswith(suffix):
        raise UserError(f"a file of this format ends in {suffix}", where=f"--output {target}")
    if not target.absolute().parent.is_dir():
        raise UserError("there is no such folder", where=str(target.parent))
    return target.absolute()


def _layout(kind: Format, is_discrete: bool) -> Layout:
    if kind == "deepracer":
        said = (
            "probabilities of the actions"
            if is_discrete
            else "mean of steering and speed; clip to [-1, 1], then scale to the bounds"
        )
        return Layout(input_of(FRONT_CAMERA), "NHWC", "float32", {POLICY: said})
    own = (
        {PROBABILITIES: "probabilities of the actions"}
        if is_discrete
        else {MEAN: "mean of steering and speed, in units of their ranges, [-1, 1]"}
    )
    command = "steering angle in degrees, left positive, and speed in m/s, of the likeliest action"
    return Layout(IMAGE, "NHW", "uint8", {COMMAND: command, **own})


def _archive(layers: Layers, job: Job) -> bytes:
    """A model.tar.gz; the same policy gives the same bytes."""
    from hairpin.deepracer.graph_writer import frozen_graph

    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for name, data in (
            (GRAPH, frozen_graph(layers)),
            (METADATA, (json.dumps(metadata_of(job), indent=2) + "\n").encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()
