"""What the metadata of all our bundles have in common, in MONAI's bundle format."""

import monai
import numpy as np
import torch

from .. import __version__

LICENSE = "CC-BY-4.0"
LICENSE_TEXT = """These weights are licensed under the Creative Commons Attribution 4.0 International License
(https://creativecommons.org/licenses/by/4.0/). They were learned from the CTs that docs/README.md names, each under
the license given there; attribution to those collections travels with the weights.
"""


def bundle_metadata(name: str, task: str, description: str, sources: list[str], formats: dict, ours: dict) -> dict:
    """A bundle's metadata.

    Args:
        name: of the model, for people.
        task: in a sentence.
        description: of what it makes.
        sources: the collections and licenses of the training data.
        formats: ``network_data_format``: inputs and outputs.
        ours: entries under ``ctgan``.
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
        "data_source": "; ".join(sorted({source for source in sources if source})),
        "intended_use": "Research. Not for diagnosis.",
        "network_data_format": formats,
        "ctgan": {"license": LICENSE, **ours},
    }
