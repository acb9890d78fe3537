"""What this room offers to training, evaluation, search and publication."""

from ..training.kit import Kit
from .evaluate import RAYCAST_ALONE, evaluate
from .pictures import Pictures
from .preparation import prepare_pictures
from .publish import publish
from .recipe import RenderingRecipe, RenderingSettings
from .render import TASK, NeuralRenderer

KIT = Kit(
    task=TASK,
    settings=RenderingSettings,
    recipe=RenderingRecipe,
    load=NeuralRenderer.from_model,
    wrap=NeuralRenderer,
    evaluate=evaluate,
    publish=publish,
    score="psnr",
    baselines=(RAYCAST_ALONE,),
    search={"learning_rate": (2e-4, 4e-3), "adversarial_weight": (1e-3, 3e-2)},
    prepare=prepare_pictures,
    volumes=Pictures,
)
