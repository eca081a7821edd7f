"""The command ``hairpin``: finds the subcommand, and says errors the way users need them.

Nothing heavy is imported here or at the top of a command's module, so that ``--help`` is quick.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from hairpin import __version__
from hairpin.options import examples

# Command: the module and attribute it lives in, and its line in the overview.
COMMANDS = {
    "train": ("hairpin.train_cmd:train", "Train a car to lap from its camera."),
    "evaluate": ("hairpin.evaluate_cmd:evaluate", "Drive a trained policy and count laps."),
    "submit": ("hairpin.submit_cmd:submit", "Train on a Ray cluster."),
    "jobs": ("hairpin.jobs_cmd:jobs", "List the trainings of a cluster."),
    "logs": ("hairpin.jobs_cmd:logs", "Print what a training on a cluster has said."),
    "stop": ("hairpin.jobs_cmd:stop", "Stop a training on a cluster; it saves first."),
    "gate": ("hairpin.gate_cmd:gate", "Let participants of a workshop in to a cluster."),
    "runs": ("hairpin.runs_cmd:runs", "List the runs of a storage."),
    "show": ("hairpin.runs_cmd:show", "Numbers, checkpoints and files of a run."),
    "storage": (
        "hairpin.storage_cmd:storage",
        "List, copy, verify and clear what is kept of runs.",
    ),
    "export": (
        "hairpin.export_cmd:export",
        "Write a policy as a file for a car: ONNX, DeepRacer, torch.",
    ),
    "play": ("hairpin.play_cmd:play", "Make a video of a run's best policy."),
    "import": ("hairpin.import_cmd:import_model", "Make a job of a DeepRacer model."),
    "tracks": ("hairpin.tracks_cmd:tracks", "List, draw and import tracks."),
    "validate": ("hairpin.validate_cmd:validate", "Check a reward function before it trains."),
    "reward": ("hairpin.reward_cmd:reward", "Draw what a reward function pays over a track."),
    "rewards": ("hairpin.rewards_cmd:rewards", "List, read and copy sample reward functions."),
    "bench": ("hairpin.bench_cmd:bench", "Measure speed, on its own and against others."),
    "doctor": ("hairpin.doctor_cmd:doctor", "Check this machine and say what to mend."),
}

FAULT, USER_ERROR, INTERRUPTED = 1, 2, 130  # exit codes; 130 is what a shell reports for Ctrl-C


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns a command, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with a suggestion for a misspelt command."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from sim.errors import did_you_mean

            raise click.UsageError(f"no command {name!r}. {did_you_mean(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the overview without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "hairpin train                the default job: a car that laps in minutes",
        "hairpin train --show-job     what that job is, as a file to edit",
        "hairpin train my_car/        a folder with your reward_function.py",
    ),
)
@click.version_option(__version__, prog_name="hairpin")
def cli() -> None:
    """Train a toy race car to lap from its camera, on a laptop or a cluster."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits: 0 done, 2 the user can mend it, 1 a fault of ours."""
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; errors are said on stderr."""
    from hairpin.messages import show_warnings

    show_warnings()
    try:
        result = cli.main(args=args, prog_name="hairpin", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        return _say(_usage_message(error))
    except Exception as error:
        from hairpin.messages import user_message, write_traceback

        message = user_message(error)
        if message is not None:
            return _say(message)
        click.echo(f"error: {write_traceback(error)}", err=True)
        return FAULT


def _say(message: str) -> int:
    click.echo(f"error: {message}", err=True)
    return USER_ERROR


def _usage_message(error: click.ClickException) -> str:
    message = error.format_message()
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    if context is None or "Did you mean" in message:
        return message
    return f"{message.rstrip('.')}. See {context.command_path} --help."
