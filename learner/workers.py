"""Calls of the rollout workers: with patience, for a worker may hang, and with their failures.

Importing this module must not import torch: the workers do it with what is sent to them.
"""

from __future__ import annotations

import time
from typing import Any

from learner.patience import Patience
from rollout_workers.env_runner import RolloutWorker
from rollout_workers.fragment import WorkerFailure
from sim.errors import UserError


def answers(
    group: Any, method: str, workers: list[int], kwargs: list[dict[str, Any]], patience: Patience
) -> list[Any]:
    """Calls a method of some workers; those that let us wait too long are left out from now on.

    RLlib asks those that are left out before each iteration whether they answer again, and
    `learner.ppo.HairpinPPO.restore_env_runners` takes them back.

    Args:
        group: RLlib's ``EnvRunnerGroup``, with remote workers.
        method: The method's name.
        workers: Indices of the workers.
        kwargs: Its arguments, for each of them.
        patience: How long is waited; is told how long it took.

    Returns:
        What those that answered returned.
    """
    began = time.perf_counter()
    found = _call(group, method, workers, kwargs, patience.seconds)
    silent = set(workers) - {worker for worker, _ in found}
    if not silent:
        patience.note(time.perf_counter() - began)
    for worker in silent & set(group.healthy_env_runner_ids()):
        group._worker_manager.set_actor_state(worker, healthy=False)
    return [answer for _, answer in found]


def checked(result: Any) -> Any:
    """A worker's result, or its failure raised here.

    Raises:
        UserError: It could not build its world, by a fault of the user.
        RuntimeError: Something raised in it.
    """
    if isinstance(result, WorkerFailure):
        if isinstance(result.error, UserError):
            raise result.error
        raise RuntimeError(f"worker {result.worker} failed:\n{result.traceback}")
    return result


def states(group: Any, timeout_s: float) -> dict[int, Any]:
    """Random states and worlds' states of the workers that are up, by index."""
    if group.num_remote_env_runners() == 0:
        return {0: group.local_env_runner.get_state()}
    workers = group.healthy_env_runner_ids()
    return dict(_call(group, "get_state", workers, [{}] * len(workers), timeout_s))


def set_states(group: Any, found: dict[int, Any]) -> None:
    """The way back from `states`; workers that are not in it keep theirs."""
    if group.num_remote_env_runners() == 0:
        if 0 in found:
            group.local_env_runner.set_state(found[0])
        return
    known = [worker for worker in group.healthy_env_runner_ids() if worker in found]
    if known:
        group.foreach_env_runner(
            "set_state",
            kwargs=[{"state": found[worker]} for worker in known],
            remote_worker_ids=known,
            local_env_runner=False,
        )


def send_kernels(group: Any, workers: list[int], patience: Patience) -> None:
    """Sends workers what one of the others has compiled, if there is another."""
    others = [worker for worker in group.healthy_env_runner_ids() if worker not in workers]
    if not others:
        return
    for files in answers(group, "kernels", others[:1], [{}], patience):
        group.foreach_env_runner(
            "take_kernels",
            kwargs={"files": files},
            remote_worker_ids=workers,
            local_env_runner=False,
            timeout_seconds=0.0,  # it is the first of what they then do in this order
        )


def _call(
    group: Any, method: str, workers: list[int], kwargs: list[dict[str, Any]], timeout_s: float
) -> list[tuple[int, Any]]:
    """Index and answer of those workers that answered in time."""
    found: list[tuple[int, Any]] = group.foreach_env_runner(
        [_indexed_call] * len(workers),
        kwargs=[{"method": method, "kwargs": each} for each in kwargs],
        remote_worker_ids=workers,
        local_env_runner=False,
        timeout_seconds=timeout_s,
    )
    return found


def _indexed_call(worker: RolloutWorker, *, method: str, kwargs: dict[str, Any]) -> tuple[int, Any]:
    return worker.worker_index, getattr(worker, method)(**kwargs)
