"""model_metadata.json: the action space, the sensors and the network of a DeepRacer model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from hairpin.deepracer.foreign import Float, Foreign, Int, check
from hairpin.deepracer.small_file import read_json
from sim.actions import DiscreteActions, make_actions
from sim.errors import UserError
from sim.settings import MAX_SPEED_MPS, MAX_STEERING_DEG, MIN_SPEED_MPS

if TYPE_CHECKING:
    from hairpin.job import Job

METADATA_NAME = "model_metadata.json"
MAX_ACTIONS = 1000  # DeepRacer's console stops at 30
# The version that means what our simulator does: the car of version 3 with its wheels of 0.035 m,
# physics that waits for the policy (4), and wheels that turn as they are told to (5). It is also
# what deepracer-for-cloud writes. What 6 changes is not documented.
VERSION = 5
NETWORKS = {  # DeepRacer's names, and our presets
    "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW": "deepracer",
    "DEEP_CONVOLUTIONAL_NETWORK": "deepracer_deep",
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP": "deepracer_deeper",
}
SHALLOW = "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"

Network = Literal[
    "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "DEEP_CONVOLUTIONAL_NETWORK",
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP",
]
Sensor = Literal[
    "observation",
    "FRONT_FACING_CAMERA",
    "LEFT_CAMERA",
    "STEREO_CAMERAS",
    "LIDAR",
    "SECTOR_LIDAR",
    "DISCRETIZED_SECTOR_LIDAR",
]
CAMERAS = ("observation", "FRONT_FACING_CAMERA", "LEFT_CAMERA", "STEREO_CAMERAS")

_STEERING = f"Steering angles are {-MAX_STEERING_DEG:g} to {MAX_STEERING_DEG:g} degrees."
_SPEED = f"Speeds are {MIN_SPEED_MPS:g} to {MAX_SPEED_MPS:g} m/s."


class Action(Foreign):
    """One action of a list. An index beside it means nothing: the place in the list is it."""

    steering_angle: Float = Field(
        ge=-MAX_STEERING_DEG, le=MAX_STEERING_DEG, description=_STEERING + " Left is positive."
    )
    speed: Float = Field(ge=MIN_SPEED_MPS, le=MAX_SPEED_MPS, description=_SPEED)


class SteeringBounds(Foreign):
    """The lowest and the highest steering angle, degrees."""

    low: Float = Field(ge=-MAX_STEERING_DEG, le=MAX_STEERING_DEG, description=_STEERING)
    high: Float = Field(ge=-MAX_STEERING_DEG, le=MAX_STEERING_DEG, description=_STEERING)


class SpeedBounds(Foreign):
    """The lowest and the highest speed, m/s."""

    low: Float = Field(ge=MIN_SPEED_MPS, le=MAX_SPEED_MPS, description=_SPEED)
    high: Float = Field(ge=MIN_SPEED_MPS, le=MAX_SPEED_MPS, description=_SPEED)


class ActionBounds(Foreign):
    """A continuous action space."""

    steering_angle: SteeringBounds = Field(description="It has low and high, in degrees.")
    speed: SpeedBounds = Field(description="It has low and high, in m/s.")

    @model_validator(mode="after")
    def _ordered(self) -> ActionBounds:
        for name, bounds in (("steering_angle", self.steering_angle), ("speed", self.speed)):
            if not bounds.low < bounds.high:
                raise ValueError(
                    f"{name}: low ({bounds.low:g}) is not below high ({bounds.high:g})"
                )
        return self


class LidarConfig(Foreign):
    """How DISCRETIZED_SECTOR_LIDAR sums up what it measures; nothing of ours reads it."""

    num_sectors: Int = Field(
        default=8, ge=1, le=64, description="A divisor of 64: the number of sectors."
    )
    num_values_per_sector: Int = Field(
        default=8, ge=1, le=1000, description="1 or more: values that a sector can have."
    )
    clipping_dist: Float = Field(
        default=2.0, ge=0.15, le=12.0, description="0.15 to 12 m: what is farther is not there."
    )

    @model_validator(mode="after")
    def _divides(self) -> LidarConfig:
        if 64 % self.num_sectors:
            raise ValueError(f"num_sectors: {self.num_sectors} does not divide 64")
        return self


class _Fields(Foreign):
    """All but the action space, which has one of two shapes."""

    sensor: tuple[Sensor, ...] = Field(
        default=("observation",),
        description="A list of one camera and, if need be, one lidar.",
    )
    lidar_config: LidarConfig = Field(
        default=LidarConfig(),
        description="It has num_sectors, num_values_per_sector and clipping_dist.",
    )
    neural_network: Network = Field(
        default="DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", description="One of three names."
    )
    training_algorithm: Literal["clipped_ppo", "sac"] = Field(
        default="clipped_ppo", description="clipped_ppo or sac."
    )
    action_space_type: Literal["discrete", "continuous"] | None = Field(
        default=None, description="discrete or continuous; left out, the action space tells."
    )
    version: Int | None = Field(
        default=None, ge=1, le=6, description="1 to 6: the version of car and simulation."
    )

    @model_validator(mode="after")
    def _one_camera(self) -> _Fields:
        cameras = [name for name in self.sensor if name in CAMERAS]
        if len(cameras) != 1 or len(self.sensor) > 2:
            raise ValueError(
                f"sensor: {', '.join(self.sensor) or 'none'}. It is exactly one of "
                f"{', '.join(CAMERAS)}, and at most one lidar"
            )
        return self


class ModelMetadata(_Fields):
    """A model_metadata.json, with what it leaves out filled in as DeepRacer does.

    Attributes:
        action_space: A tuple of actions, of which a policy chooses the place, or the bounds of a
            continuous action space.
    """

    action_space: tuple[Action, ...] | ActionBounds
    action_space_type: Literal["discrete", "continuous"] = "discrete"
    version: int = 1

    def actions(self) -> dict[str, Any]:
        """The action space as the `actions` of a job."""
        space = self.action_space
        if isinstance(space, ActionBounds):
            return {
                "type": "continuous",
                "steering_deg": [space.steering_angle.low, space.steering_angle.high],
                "speed_mps": [space.speed.low, space.speed.high],
            }
        return {"type": "discrete", "pairs": [[a.steering_angle, a.speed] for a in space]}


def read_metadata(path: Path) -> ModelMetadata:
    """Reads a model_metadata.json.

    Raises:
        UserError: It cannot be read, or a field is malformed or out of range. A speed or an angle
            that the car cannot do is refused, not clipped: the simulator of DeepRacer drives such
            an action otherwise than the file says, and the policy would not be told.
    """
    return parse_metadata(read_json(path), str(path))


def parse_metadata(data: Mapping[str, Any], where: str) -> ModelMetadata:
    """Makes a `ModelMetadata` of a file's values; `where` names the file.

    Raises:
        UserError: As for `read_metadata`.
    """
    if "action_space" not in data:
        raise UserError(
            "is missing",
            where=f"{where}: action_space",
            fix="It is a list of steering_angle and speed, or low and high of each.",
        )
    space = _action_space(data["action_space"], where)
    kind: Literal["discrete", "continuous"] = "discrete" if type(space) is tuple else "continuous"
    fields = check(_Fields, data, where)
    if fields.action_space_type not in (None, kind):
        raise UserError(
            f"{fields.action_space_type!r} does not go with the action_space, which is {kind}",
            where=f"{where}: action_space_type",
            fix="A list is discrete; low and high of steering_angle and speed are continuous.",
        )
    if fields.training_algorithm == "sac" and kind == "discrete":
        raise UserError(
            "'sac' does not go with a discrete action_space",
            where=f"{where}: training_algorithm",
            fix="Write clipped_ppo, or low and high of steering_angle and speed.",
        )
    version = fields.version or (2 if "sensor" in data else 1)
    given = {name: getattr(fields, name) for name in _Fields.model_fields}
    return ModelMetadata.model_construct(
        **{**given, "action_space": space, "action_space_type": kind, "version": version}
    )


def metadata_of(job: Job) -> dict[str, Any]:
    """The content of a model_metadata.json for what `job` trains.

    The actions stand in the order of the policy's outputs. The network of a preset that DeepRacer
    has no name for is written as the shallow one, because its tools refuse names they don't know.
    """
    actions = make_actions(job.actions)
    if isinstance(actions, DiscreteActions):
        space: Any = [
            {"steering_angle": float(steering), "speed": float(speed), "index": index}
            for index, (steering, speed) in enumerate(actions.pairs)
        ]
    else:
        (steering_low, speed_low), (steering_high, speed_high) = actions.low, actions.high
        space = {
            "steering_angle": {"low": float(steering_low), "high": float(steering_high)},
            "speed": {"low": float(speed_low), "high": float(speed_high)},
        }
    network_of = {preset: network for network, preset in NETWORKS.items()}
    return {
        "action_space": space,
        "sensor": ["FRONT_FACING_CAMERA"],
        "neural_network": network_of.get(job.preset, SHALLOW),
        "training_algorithm": "clipped_ppo",
        "action_space_type": job.actions.type,
        "version": str(VERSION),
    }


class _ActionList(Foreign):
    action_space: tuple[Action, ...] = Field(
        description=f"A list of 1 to {MAX_ACTIONS} actions, each with steering_angle and speed.",
    )


class _ActionBox(Foreign):
    action_space: ActionBounds = Field(
        description="It has steering_angle and speed, each with low and high."
    )


def _action_space(space: Any, where: str) -> tuple[Action, ...] | ActionBounds:
    if isinstance(space, Mapping):
        return check(_ActionBox, {"action_space": space}, where).action_space
    if isinstance(space, list) and not 1 <= len(space) <= MAX_ACTIONS:
        raise UserError(
            f"has {len(space)} actions",
            where=f"{where}: action_space",
            fix=f"A list has 1 to {MAX_ACTIONS}.",
        )
    return check(_ActionList, {"action_space": space}, where).action_space
