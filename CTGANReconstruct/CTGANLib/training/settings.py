"""What every training can be told; each recipe adds its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a run that all recipes share.

    Attributes:
        steps: optimizer steps in all.
        batch_size: patients a step, over all devices.
        learning_rate: at its height.
        seed: of everything random.
        validation_share: share of the training patients held out to choose the best weights by, where the data set
            names none for it.
        validations: how often the held-out patients are scored in the whole run.
        patience: training ends early after so many scores without a better one.
    """

    steps: int = 1200
    batch_size: int = 2
    learning_rate: float = 6e-4
    seed: int = 0
    validation_share: float = 0.1
    validations: int = 40
    patience: int = 12
