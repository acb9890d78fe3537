"""Stands in for the module SampleData: writes down the registered sources; nothing is downloaded."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import slicer


@dataclass
class SampleDataSource:
    """One sample, as the module was told of it."""

    category: str | None
    sampleName: str | None
    sampleDescription: str | None
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str]
    checksums: list[str]
    loadFiles: list
    loadFileTypes: list
    loadFileProperties: dict
    thumbnailFileName: str | None
    customDownloader: Any


sources: list[SampleDataSource] = []


def _listed(value: Any, length: int) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value] * length


class SampleDataLogic:
    """The logic of the SampleData module."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileType: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
        loadFileTypes: Any = None,
        sampleDescription: str | None = None,
    ) -> None:
        """Adds a source; lists of different length are refused."""
        uris = _listed(uris, 1)
        lists = [_listed(value, len(uris)) for value in (fileNames, nodeNames, checksums, loadFiles)]
        types = _listed(loadFileTypes or loadFileType, len(uris))
        if any(len(values) != len(uris) for values in (*lists, types)):
            raise ValueError(f"sample '{sampleName}': uris, fileNames, nodeNames and checksums differ in length")
        if thumbnailFileName and not Path(thumbnailFileName).is_file():
            raise ValueError(f"sample '{sampleName}': no thumbnail {thumbnailFileName}")
        names, nodes, sums, loads = lists
        sources.append(
            SampleDataSource(
                category, sampleName, sampleDescription, uris, names, nodes, sums, loads, types,
                loadFileProperties or {}, thumbnailFileName, customDownloader,
            )
        )  # fmt: skip

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        """The registered sample of that name."""
        return next((source for source in sources if source.sampleName == sampleName), None)

    def downloadSourceIntoCache(self, source: SampleDataSource) -> list[str]:
        """Copies a sample's files, which must be on this machine (file: addresses), into the cache."""
        cache = Path(slicer.app.temporaryPath) / "RemoteIO"
        cache.mkdir(exist_ok=True)
        paths = []
        for uri, name in zip(source.uris, source.fileNames, strict=True):
            address = urlsplit(uri)
            if address.scheme != "file":
                raise ConnectionError(f"the harness has no network: {uri}")
            paths.append(str(shutil.copyfile(url2pathname(address.path), cache / name)))
        return paths


def click(sampleName: str) -> list:
    """The harness's own: what the module's button for a sample does."""
    source = _source(sampleName)
    return source.customDownloader(source) if source.customDownloader else downloadSamples(sampleName)


def downloadSamples(sampleName: str) -> list:
    """Loads a registered sample, and returns all its nodes. As in Slicer they forget their files, and a
    ``customDownloader`` does not count."""
    source = _source(sampleName)
    loaded = []
    for path, node_name in zip(SampleDataLogic().downloadSourceIntoCache(source), source.nodeNames, strict=True):
        properties = {**source.loadFileProperties, **({"name": node_name} if node_name else {})}
        node = slicer.util.loadNodeFromFile(path, properties=properties)
        slicer.mrmlScene.RemoveNode(node.GetStorageNode())
        node.SetAndObserveStorageNodeID(None)
        loaded.append(node)
    return loaded


def _source(sampleName: str) -> SampleDataSource:
    source = SampleDataLogic().sourceForSampleName(sampleName)
    if source is None:
        raise ValueError(f"no sample data '{sampleName}'")
    return source


def downloadSample(sampleName: str) -> Any:
    """As ``downloadSamples``, but returns the first node only."""
    return downloadSamples(sampleName)[0]


def build() -> ModuleType:
    """The module SampleData."""
    module = sys.modules[__name__]
    slicer.modules.sampleDataSources = {}
    return module
