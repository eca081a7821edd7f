"""Settings: what is refused, and what the stop rules mean."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from learner.settings import PPOSettings, StopSettings, TrainSettings


def test_an_unknown_key_gets_a_suggestion() -> None:
    with pytest.raises(ValidationError, match="'learning_rate'"):
        PPOSettings(learning_rat=1e-3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "text",
    ["completion=95", "completion=0", "completion", "laps=3", "completion=x", "completion>0.9"],
)
def test_an_until_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"completion=0\.95"):
        StopSettings(until=text)


def test_the_goal() -> None:
    assert StopSettings(until="completion=0.95").goal == ("completion", 0.95)
    assert StopSettings(until="lap_time = 9.5").goal == ("lap_time", 9.5)
    assert StopSettings(minutes=1.0).goal is None


def test_without_a_rule_it_stops_at_full_completion_or_after_ten_minutes() -> None:
    stop = StopSettings().or_default()
    assert stop.minutes == 10.0
    assert stop.goal == ("completion", 1.0)
    assert StopSettings(steps=5).or_default().minutes is None


def test_every_field_is_described() -> None:
    for model in (PPOSettings, StopSettings, TrainSettings):
        for name, field in model.model_fields.items():
            assert field.description, name
