"""From prepared patients to a trained network: who trains, and who is held out to choose the best weights by."""

from dataclasses import dataclass

from torch import nn

from ..datasets.cases import TRAIN, VALIDATION, Case, split_by_patient
from ..datasets.preparation import PreparedData
from ..errors import UserError
from ..events import Progress, silent
from .distributed import World
from .kit import Kit
from .loop import Training
from .runs import Run
from .settings import TrainingSettings


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Attributes:
        network: with the best weights.
        trained_on: the cases it has learned from, and those that the best weights were chosen by.
        seconds: of training.
        ending: ``done``, ``paused`` or ``stopped``.
        notices: what went wrong and was put right.
    """

    network: nn.Module
    trained_on: list[Case]
    seconds: float
    ending: str
    notices: list[str]


def train_network(
    kit: Kit,
    data: PreparedData,
    run: Run,
    settings: TrainingSettings,
    device: str,
    progress: Progress = silent,
    world: World | None = None,
) -> Trained:
    """Train a recipe on the patients with the role ``train``; resumes what the run folder holds.

    Args:
        kit: of the recipe.
        data: prepared patients.
        run: takes checkpoints, curves and examples.
        settings: of the recipe.
        device: of torch.
        progress: is told of each step.
        world: the processes that train together.

    Raises:
        UserError: nobody is left to train on; or see :class:`~CTGANLib.training.loop.Training`.
    """
    learned_from, held_out = hold_out(data, settings.validation_share, settings.seed)
    if not learned_from:
        reasons = " ".join(dict.fromkeys(data.left_out.values()))
        raise UserError("No CT is left to train on.", reasons or "Give cases the role train.")
    training, validation = (
        kit.volumes([data.prepared[case.name] for case in cases]) for cases in (learned_from, held_out)
    )
    recipe = kit.recipe(settings, training, device)
    loop = Training(recipe, training, validation, run, settings, world, progress)
    seconds, ending = loop.run()
    return Trained(recipe.average, learned_from + held_out, seconds, ending, loop.notices)


def hold_out(data: PreparedData, share: float, seed: int) -> tuple[list[Case], list[Case]]:
    """The cases to learn from and those to choose the best weights by: the latter have the role ``validation``, or
    where nobody has it, they are a share of the training patients."""
    training, validation = data.of(TRAIN), data.of(VALIDATION)
    if validation:
        return training, validation
    roles = split_by_patient([case.patient for case in training], seed, test_share=0, validation_share=share)
    return tuple([case for case in training if roles[case.patient] == role] for role in (TRAIN, VALIDATION))
