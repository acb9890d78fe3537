"""What every training can be told; each recipe adds its own."""

from dataclasses import dataclass

from ..errors import UserError


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

    Raises:
        UserError: a value makes no sense.
    """

    steps: int = 1200
    batch_size: int = 2
    learning_rate: float = 6e-4
    seed: int = 0
    validation_share: float = 0.1
    validations: int = 40
    patience: int = 12

    def __post_init__(self) -> None:
        self.check("steps", 1)
        self.check("batch_size", 1)
        self.check("learning_rate", 1e-12)
        self.check("seed", 0)
        self.check("validation_share", 0, 1)
        self.check("validations", 0)
        self.check("patience", 1)

    def check(self, name: str, least: float, most: float = 1e9) -> None:
        """Check that a setting lies between two values, these included.

        Raises:
            UserError: it does not, or is not a number.
        """
        value = getattr(self, name)
        if not least <= value <= most:
            raise UserError(f"The setting {name} cannot be {value}.", f"Choose a value from {least:g} to {most:g}.")
