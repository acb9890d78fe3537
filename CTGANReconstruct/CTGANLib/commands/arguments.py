"""Options that several tasks share."""

import argparse
from pathlib import Path

DEVICES = ("auto", "cpu", "cuda", "mps")


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=DEVICES, help="where torch computes")


def add_distances(parser: argparse.ArgumentParser, default: str) -> None:
    """Distances of the acquisition in mm; ``default`` says what holds without them."""
    parser.add_argument("--source-to-detector-distance", type=float, metavar="MM", help=f"default: {default}")
    parser.add_argument("--source-to-isocenter-distance", type=float, metavar="MM", help=f"default: {default}")
    parser.add_argument("--pixel-spacing", type=float, metavar="MM", help=f"on the detector; default: {default}")


def given_distances(arguments: argparse.Namespace) -> dict[str, float]:
    """Those of :func:`add_distances` that were given, by name."""
    names = ("source_to_detector_distance", "source_to_isocenter_distance", "pixel_spacing")
    return {name: value for name in names if (value := getattr(arguments, name)) is not None}


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="a model of the store, or its folder; default: the first")


def chosen_model(arguments: argparse.Namespace, task: str):
    """The model that :func:`add_model`'s option names, or the first of the task."""
    from ..models.store import find_model, first_model

    return find_model(arguments.model) if arguments.model else first_model(task)


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER", help="CTs, with or without MANIFEST.tsv")
