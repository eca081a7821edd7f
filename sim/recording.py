"""A recorded drive of one car: enough to draw it again from any camera."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import UserError

Array = npt.NDArray[np.float64]

_FORMAT = 1
_WIDTH = {"origin": 3, "quaternion": 4}  # numbers a step; the other arrays have one


@dataclass(frozen=True)
class Recording:
    """One drive, a row for each of its T control steps, as the car was after the step.

    Attributes:
        origin: (T, 3) car origin, m, world frame.
        quaternion: (T, 4) car orientation, unit, xyzw.
        steering_deg: (T,) commanded steering angle, left positive.
        speed_mps: (T,) commanded speed.
        measured_speed_mps: (T,) speed over ground.
        progress: (T,) percent of the lap since the start, 0 to 100.
        reward: (T,) reward of the step.
        time_s: (T,) simulated time since the start.
        track: The track as the user named it: a name, a path or random:SEED.
        reverse: Whether it was driven against the order of its rows.
        control_hz: Control steps a simulated second.
        lap_time_s: The lap's time; None if it was not completed.
        end_reason: Why the drive ended.
    """

    origin: Array
    quaternion: Array
    steering_deg: Array
    speed_mps: Array
    measured_speed_mps: Array
    progress: Array
    reward: Array
    time_s: Array
    track: str
    reverse: bool
    control_hz: int
    lap_time_s: float | None
    end_reason: str

    def __len__(self) -> int:
        return len(self.time_s)

    def save(self, path: str | Path) -> None:
        """Writes the drive as an .npz file without pickles."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["lap_time_s"] = np.nan if self.lap_time_s is None else self.lap_time_s
        with Path(path).open("wb") as file:  # an open file keeps numpy from renaming it
            np.savez_compressed(file, format=_FORMAT, **values)

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Reads a drive that `save` wrote.

        Raises:
            UserError: There is no such file, or it holds no whole recording.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = {name: file[name] for name in file.files}
        except FileNotFoundError:
            raise UserError("there is no such file", where=str(path)) from None
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise _damaged(path, "it is not an .npz file that can be read") from error
        return cls._from_arrays(path, stored)

    @classmethod
    def _from_arrays(
        cls, path: str | Path, stored: dict[str, npt.NDArray[np.generic]]
    ) -> Recording:
        expected = {field.name for field in fields(cls)} | {"format"}
        if missing := sorted(expected - stored.keys()):
            raise _damaged(path, f"{', '.join(missing)} missing")
        if (found := stored["format"].tolist()) != _FORMAT:
            raise _damaged(path, f"its format is {found!r}, this version reads {_FORMAT}")
        steps = stored["time_s"].size
        rows = {}
        for name in expected:
            array = stored[name]
            if cls.__annotations__.get(name) != "Array":
                if array.ndim:
                    raise _damaged(path, f"{name} must be a single value")
                continue
            shape = (steps, _WIDTH[name]) if name in _WIDTH else (steps,)
            if array.shape != shape or array.dtype.kind not in "fiu" or steps == 0:
                raise _damaged(path, f"{name} has the shape {array.shape}, not {shape}")
            rows[name] = array.astype(np.float64)
            if not np.isfinite(rows[name]).all():
                raise _damaged(path, f"{name} has a value that is not finite")
        try:
            lap_time_s = float(stored["lap_time_s"].astype(np.float64))
            control_hz = int(stored["control_hz"].astype(np.int64))
        except (ValueError, TypeError) as error:
            raise _damaged(path, "lap_time_s or control_hz is no number") from error
        return cls(
            **rows,
            track=str(stored["track"]),
            reverse=bool(stored["reverse"]),
            control_hz=control_hz,
            lap_time_s=None if np.isnan(lap_time_s) else lap_time_s,
            end_reason=str(stored["end_reason"]),
        )


def _damaged(path: str | Path, why: str) -> UserError:
    return UserError(
        f"this is no recording of a drive: {why}",
        where=str(path),
        fix="Record the drive again",
    )
