"""Exported models as drivers: each runs in the program that others would run it with."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from hairpin.deepracer.frozen_graph import MAX_BYTES, check_policy_graph
from hairpin.deepracer.graph_names import POLICY, input_of
from hairpin.deepracer.metadata import ModelMetadata, parse_metadata
from hairpin.export.packages import need
from sim.camera import CAMERAS
from sim.errors import UserError
from sim.settings import ActionSettings, WorldSettings

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
SUFFIXES = (".onnx", ".pb", ".tar.gz", ".pt2")
GRAPH, METADATA = "agent/model.pb", "model_metadata.json"  # in a model.tar.gz
_MAX_METADATA_BYTES = 2**20


@dataclass(frozen=True)
class DrivenModel:
    """A model that was loaded to drive.

    Attributes:
        path: The file.
        about: What is known of it: the sidecar's content, or that of model_metadata.json.
        camera: What it sees with: fast or deepracer.
        actions: Its action space.
        run: (n, height, width) uint8 images to (n, A) probabilities or (n, 2) means, float32.
    """

    path: Path
    about: Mapping[str, Any]
    camera: str
    actions: Any
    run: Callable[[Images], Floats]

    def act(self, images: Images) -> NDArray[Any]:
        """Greedy actions, (n,) int64 or (n, 2) float32, as `sim.world.World` takes them."""
        outputs = self.run(images)
        return outputs.argmax(axis=1) if self.actions.type == "discrete" else outputs

    def world_settings(self, track: str | None, **changes: Any) -> WorldSettings:
        """The world it was trained for, as far as the file says.

        Args:
            track: What to drive on; by default the track of its training, if it is one of ours.
            **changes: Other settings.
        """
        world = {**self.about.get("world", {}), **changes}
        track = track or self.about.get("training", {}).get("track")
        if track is None:
            raise UserError(
                "the file does not say what track it is for", where=str(self.path), fix="--track T"
            )
        return WorldSettings.model_validate(
            {**world, "track": track, "camera": self.camera, "actions": self.actions}
        )


def load_model(path: Path) -> DrivenModel:
    """Loads an export, or a DeepRacer model's archive or graph.

    What it is for stands in the file itself (ONNX, torch), in the sidecar beside it, or in
    model_metadata.json: in the archive, or beside a graph or its folder.

    Raises:
        UserError: The file cannot be read, is none of these, or a package to run it is missing.
    """
    kind = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if kind is None:
        raise UserError(
            "this is not a kind of model that can drive", where=str(path), fix=f"One of {SUFFIXES}."
        )
    if not path.is_file():
        raise UserError("there is no such file", where=str(path))
    if kind == ".onnx":
        run, about = _load_onnx(path)
    elif kind == ".pt2":
        run, about = _load_torch(path)
    else:
        data, about = _read_archive(path) if kind == ".tar.gz" else _read_graph(path)
        run = run_graph(data, str(path))
        sidecar = path.with_name(path.name + ".json")
        if sidecar.is_file():
            about = {**about, **_json(sidecar.read_bytes(), str(sidecar))}
    metadata = {key: about[key] for key in ModelMetadata.model_fields if key in about}
    settings = parse_metadata(metadata, str(path)).actions()
    actions: Any = TypeAdapter(ActionSettings).validate_python(settings)
    return DrivenModel(path, about, _camera(about, path), actions, run)


def _camera(about: Mapping[str, Any], path: Path) -> str:
    """The camera of ours whose images the model takes; a DeepRacer model's are 160x120."""
    said = about.get("camera", {"height_px": 120, "width_px": 160})
    for name, camera in CAMERAS.items():
        if isinstance(said, dict) and said.get("height_px") == camera.height:
            return name
    raise UserError("no camera of ours has the images that it takes", where=str(path))


def run_graph(data: bytes, where: str) -> Callable[[Images], Floats]:
    """Loads a frozen graph into TensorFlow, after `check_policy_graph` has passed it.

    Raises:
        UserError: It is not the graph of a policy, or TensorFlow is missing.
    """
    graph = check_policy_graph(data, where)
    # TensorFlow reads both when it is imported; the second keeps sums in the usual order.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    need("tensorflow", "tensorflow")
    import tensorflow.compat.v1 as tf

    definition = tf.GraphDef()
    loaded = tf.Graph()
    try:
        definition.ParseFromString(data)
        with loaded.as_default():
            tf.import_graph_def(definition, name="")
        session = tf.Session(graph=loaded)
        probe = np.zeros((1, graph.height, graph.width, 1), np.float32)
        session.run(f"{POLICY}:0", {f"{input_of(graph.sensor)}:0": probe})
    except (ValueError, tf.errors.OpError, _decode_error()) as error:
        said = str(error).strip().splitlines()
        raise UserError(
            f"TensorFlow cannot run it ({said[0] if said else type(error).__name__})", where=where
        ) from error

    def run(images: Images) -> Floats:
        pixels = images[..., None].astype(np.float32)
        found: Floats = session.run(f"{POLICY}:0", {f"{input_of(graph.sensor)}:0": pixels})
        return found

    return run


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError


def _load_onnx(path: Path) -> tuple[Callable[[Images], Floats], dict[str, Any]]:
    need("onnxruntime", "onnx")
    import onnxruntime

    from hairpin.export.names import IMAGE, OUTPUTS, PROPERTY

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its own classes of errors have no common base
        said = str(error).strip().splitlines()
        raise UserError(
            f"onnxruntime cannot load it ({said[0] if said else type(error).__name__})",
            where=str(path),
        ) from error
    names = {one.name for one in session.get_outputs()}
    about = session.get_modelmeta().custom_metadata_map.get(PROPERTY)
    own = next((name for name in OUTPUTS if name in names), None)
    if about is None or own is None or [one.name for one in session.get_inputs()] != [IMAGE]:
        raise UserError(
            "this ONNX model is not an export of Hairpin's",
            where=str(path),
            fix="Make one with `hairpin export RUN --format onnx`.",
        )

    def run(images: Images) -> Floats:
        found: Floats = session.run([own], {IMAGE: images})[0]
        return found

    return run, _json(about, str(path))


def _load_torch(path: Path) -> tuple[Callable[[Images], Floats], dict[str, Any]]:
    import torch

    from hairpin.export.names import OUTPUTS
    from hairpin.export.torch_file import PROPERTY

    extra = {PROPERTY: ""}
    try:
        module = torch.export.load(str(path), extra_files=extra).module()
    except Exception as error:  # whatever its reader trips over
        raise UserError(
            f"torch cannot load it ({type(error).__name__})",
            where=str(path),
            fix="Make it with `hairpin export RUN --format torch`, with this or an older torch.",
        ) from error

    def run(images: Images) -> Floats:
        with torch.no_grad():
            outputs = module(torch.from_numpy(images))
        own = next(name for name in OUTPUTS if name in outputs)
        found: Floats = outputs[own].numpy()
        return found

    return run, _json(extra[PROPERTY], str(path))


def _read_archive(path: Path) -> tuple[bytes, dict[str, Any]]:
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name not in (GRAPH, METADATA) or not member.isfile():
                    continue
                limit = MAX_BYTES if name == GRAPH else _MAX_METADATA_BYTES
                content = archive.extractfile(member)
                if content is None or member.size > limit:
                    raise UserError(f"{name} is too large", where=str(path))
                parts[name] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"this is no whole .tar.gz archive ({error})", where=str(path)) from error
    for name in (GRAPH, METADATA):
        if name not in parts:
            raise UserError(f"the archive has no {name}", where=str(path))
    return parts[GRAPH], _json(parts[METADATA], f"{path}: {METADATA}")


def _read_graph(path: Path) -> tuple[bytes, dict[str, Any]]:
    for folder in (path.parent, path.parent.parent):
        metadata = folder / METADATA
        if metadata.is_file():
            return path.read_bytes(), _json(metadata.read_bytes(), str(metadata))
    raise UserError(
        f"there is no {METADATA} beside it or in the folder above",
        where=str(path),
        fix="It says what the policy's outputs mean.",
    )


def _json(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UserError(f"this is not valid JSON ({error})", where=where) from error
    if not isinstance(content, dict):
        raise UserError("this is not a JSON object", where=where)
    return content
