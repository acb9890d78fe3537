"""What this room offers to training, evaluation, search and publication."""

from ..training.kit import Kit
from .evaluate import evaluate
from .preparation import SliceDataset, prepare_slices
from .publish import publish
from .recipe import SlicesRecipe
from .settings import SlicesSettings
from .synthesize import Synthesizer

KIT = Kit(
    task="slices",
    settings=SlicesSettings,
    recipe=SlicesRecipe,
    load=Synthesizer.from_model,
    wrap=Synthesizer,
    evaluate=evaluate,
    publish=publish,
    score="minus_kid",
    search={"learning_rate": (5e-5, 5e-4), "balance": (0.1, 0.6)},
    prepare=prepare_slices,
    volumes=SliceDataset,
)
