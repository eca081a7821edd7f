"""Drives an exported model in the simulator, as a run's policy is evaluated."""

from __future__ import annotations

from pathlib import Path

from hairpin.evaluate import MAX_CARS, Evaluation
from hairpin.export.drive import load_model
from sim.trial import run_trials, start_points
from sim.world import World


def evaluate_model(
    path: Path, *, track: str | None = None, starts: int = 20, record: bool = False
) -> Evaluation:
    """Drives the model of a file greedily, once from each of evenly spread starts.

    Args:
        path: An export, or a DeepRacer model's archive or graph.
        track: What to drive on; by default the track it was trained on, if the file says which
            and it is one of ours.
        starts: How many starts.
        record: Whether to keep what a video needs.

    Raises:
        UserError: The file cannot drive, or the track is not usable.
    """
    model = load_model(path)
    settings = model.world_settings(track)
    world = World(settings, num_cars=min(starts, MAX_CARS))
    try:
        trials = run_trials(world, model.act, start_points(starts), record=record)
    finally:
        world.close()
    training = model.about.get("training", {})
    return Evaluation(
        path.name,
        str(training.get("checkpoint", path.name)),
        int(training.get("step", 0)),
        settings.track,
        settings.camera,
        trials,
    )
