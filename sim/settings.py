"""What a world can be told: typed, documented, unknown keys refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.errors import did_you_mean

MAX_STEERING_DEG = 30.0  # the DeepRacer car's mechanical limit
MIN_SPEED_MPS = 0.1
MAX_SPEED_MPS = 4.0

SteeringDeg = Annotated[float, Field(ge=-MAX_STEERING_DEG, le=MAX_STEERING_DEG)]
SpeedMps = Annotated[float, Field(ge=MIN_SPEED_MPS, le=MAX_SPEED_MPS)]


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error with a suggestion."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    hint = did_you_mean(str(key), cls.model_fields)
                    raise ValueError(f"unknown key {key!r}. {hint}")
        return data


class DiscreteActionSettings(Settings):
    """A finite list of actions: every steering angle with every speed, or explicit pairs."""

    type: Literal["discrete"] = "discrete"
    steering_deg: list[SteeringDeg] = Field(
        default=[-30.0, -15.0, 0.0, 15.0, 30.0],
        min_length=1,
        description="Steering angles, degrees, left positive; combined with every speed.",
    )
    speed_mps: list[SpeedMps] = Field(
        default=[1.0, 2.0], min_length=1, description="Speeds, m/s; combined with every angle."
    )
    pairs: list[tuple[SteeringDeg, SpeedMps]] | None = Field(
        default=None,
        min_length=1,
        description="Explicit (steering degrees, speed m/s) pairs; replaces the two lists.",
    )


class ContinuousActionSettings(Settings):
    """Any steering angle and any speed between bounds."""

    type: Literal["continuous"]
    steering_deg: tuple[SteeringDeg, SteeringDeg] = Field(
        default=(-30.0, 30.0), description="Lowest and highest steering angle, degrees."
    )
    speed_mps: tuple[SpeedMps, SpeedMps] = Field(
        default=(1.0, 2.0), description="Lowest and highest speed, m/s."
    )

    @model_validator(mode="after")
    def _ordered(self) -> ContinuousActionSettings:
        for name in ("steering_deg", "speed_mps"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(
                    f"{name}: the first bound ({low}) must be below {high}, the second"
                )
        return self


ActionSettings = Annotated[
    DiscreteActionSettings | ContinuousActionSettings, Field(discriminator="type")
]


class WorldSettings(Settings):
    """One simulated world: a track, cars on it, what they see and what they are paid for."""

    track: str = Field(
        default="hairpin",
        description="A track of the library, the path of a route file (.npy), or random:SEED.",
    )
    direction: Literal["forward", "reversed", "alternating"] = Field(
        default="forward", description="Driving direction; alternating flips it every episode."
    )
    reward: str = Field(
        default="centre_line",
        description="The path of a file with reward_function(params), or the name of one of ours.",
    )
    reward_timeout_s: float = Field(
        default=1.0,
        gt=0.0,
        le=60.0,
        description="A call of the reward function is ended after so long, s; its step counts 0.",
    )
    reward_memory_mb: int = Field(
        default=4096,
        ge=256,
        description="Address space of a process that runs the reward function, MB.",
    )
    camera: Literal["fast", "deepracer"] = Field(
        default="fast", description="Observation: fast is 80x60 gray, deepracer is 160x120 gray."
    )
    actions: ActionSettings = Field(
        default=DiscreteActionSettings(), description="The action space."
    )
    control_hz: int = Field(default=15, ge=1, le=120, description="Camera frames and actions, Hz.")
    physics_hz: int = Field(
        default=120, ge=60, le=2000, description="Physics steps, Hz; a multiple of control_hz."
    )
    friction: float = Field(
        default=0.5, gt=0.0, le=3.0, description="Tyre friction coefficient mu (dimensionless)."
    )
    start_offset: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="First start position, as a fraction of the lap."
    )
    round_robin: float = Field(
        default=0.05,
        ge=0.0,
        lt=1.0,
        description="How far the start moves on after each training episode, fraction of the lap.",
    )
    episode_s: float = Field(
        default=120.0, gt=0.0, description="An episode is cut off after so much simulated time, s."
    )

    @model_validator(mode="after")
    def _rates_divide(self) -> WorldSettings:
        if self.physics_hz % self.control_hz:
            nearest = self.control_hz * max(1, self.physics_hz // self.control_hz)
            raise ValueError(
                f"physics_hz ({self.physics_hz}) must be a multiple of control_hz "
                f"({self.control_hz}); try {nearest}"
            )
        return self
