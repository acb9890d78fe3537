"""What all our bundles have in common: metadata in MONAI's bundle format, and parts of their cards."""

import monai
import numpy as np
import torch
from torch import nn

from .. import __version__
from ..datasets.cases import Case

LICENSE = "CC-BY-4.0"
LICENSE_TEXT = """These weights are licensed under the Creative Commons Attribution 4.0 International License
(https://creativecommons.org/licenses/by/4.0/). They were learned from the CTs that docs/README.md names, each under
the license given there; attribution to those collections travels with the weights.
"""


def bundle_metadata(
    name: str,
    task: str,
    description: str,
    formats: dict,
    trained_on: list[Case],
    hours: float,
    device: str,
    ours: dict,
) -> dict:
    """A bundle's metadata.

    Args:
        name: of the model, for people.
        task: in a sentence.
        description: of what it makes.
        formats: ``network_data_format``: inputs and outputs.
        trained_on: the training cases, with the collections and licenses that they come from.
        hours: of training.
        device: it was trained on.
        ours: further entries under ``ctgan``.
    """
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": __version__,
        "changelog": {__version__: "trained"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {},
        "name": name,
        "task": task,
        "description": description,
        "authors": "CTGAN for 3D Slicer",
        "copyright": LICENSE,
        "data_source": "; ".join(sorted({case.source for case in trained_on if case.source})),
        "intended_use": "Research. Not for diagnosis.",
        "network_data_format": formats,
        "ctgan": {
            "license": LICENSE,
            "trained_on": [case.name for case in trained_on],
            "hours": round(hours, 2),
            "device": device,
            **ours,
        },
    }


def network_definition(network: nn.Module) -> dict:
    """What the bundle's configuration says of a network that remembers its ``arguments``."""
    return {"_target_": f"{type(network).__module__}.{type(network).__name__}", **network.arguments}


def listed(trained_on: list[Case]) -> str:
    """The training cases with the collections and licenses that they come from, as a card lists them."""
    return "\n".join(f"- `{case.name}`: {case.source or 'no license given'}" for case in trained_on)
