"""The car's numbers, those of the 1/18 DeepRacer car as its public robot description gives them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Car:
    """Dimensions and masses of the car.

    The car origin lies midway between the axles at the height of the wheel contacts; the body
    frame is x forward, y left, z up.
    """

    wheelbase_m: float = 0.164
    track_m: float = 0.162
    wheel_radius_m: float = 0.035
    mass_kg: float = 7.54
    length_m: float = 0.3235
    width_m: float = 0.1961
    body_height_m: float = 0.07
    com_height_m: float = 0.055  # low enough that a car slides before it rolls over
    nose_m: float = 0.14  # reward parameters measure x and y this far ahead of the origin
    suspension_hz: float = 8.0  # stiff: 4 mm of sag, and stable down to 60 Hz physics
    suspension_damping: float = 0.7  # of critical

    @property
    def inertia_kgm2(self) -> tuple[float, float, float]:
        """Principal moments of a uniform box of the car's size about x, y, z, kg m^2."""
        x2, y2, z2 = self.length_m**2, self.width_m**2, self.body_height_m**2
        twelfth = self.mass_kg / 12.0
        return twelfth * (y2 + z2), twelfth * (x2 + z2), twelfth * (x2 + y2)

    @property
    def wheels_m(self) -> tuple[tuple[float, float], ...]:
        """x, y of the wheels in the body frame: front left, front right, rear left, rear right."""
        a, t = self.wheelbase_m / 2.0, self.track_m / 2.0
        return (a, t), (a, -t), (-a, t), (-a, -t)


CAR = Car()
GRAVITY_MPS2 = 9.81
