"""The sample patient in Slicer's Sample Data module: files that ship with the extension, so no network is needed."""

import hashlib
from pathlib import Path

import slicer

from .resources import codeFolder, sharedResource

SAMPLE_NAME = "CTGAN sample patient"
_CATEGORY = "CTGAN"
_FILES = {
    "chest_pa.dcm": "Chest PA",
    "chest_lateral.dcm": "Chest lateral",
    "chest_ct.nrrd": "Chest CT",
}


def sampleFiles() -> list[Path]:
    """PA and lateral radiograph and the CT they were projected from, of one patient."""
    return [sharedResource("SampleData") / name for name in _FILES]


def loadSample(source=None) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Load PA and lateral radiograph and CT, as a click in the Sample Data module does.

    What that module loads by itself forgets its file, and with it the tags that say how a radiograph was taken.

    Args:
        source: the ``SampleData.SampleDataSource``; None: what :func:`registerSampleData` has registered.
    """
    import SampleData

    logic = SampleData.SampleDataLogic()
    source = source or logic.sourceForSampleName(SAMPLE_NAME)
    paths = logic.downloadSourceIntoCache(source)  # copies, so that nobody saves into the extension's own folder
    return [
        slicer.util.loadVolume(path, {"name": name, **source.loadFileProperties})
        for path, name in zip(paths, source.nodeNames, strict=True)
    ]


def registerSampleData() -> None:
    """Add the sample patient to the Sample Data module, if its files are there.

    The checksums, of files of some MB, tell the module when an update of the extension brought other ones.
    """
    import SampleData

    files = sampleFiles()
    if not all(file.is_file() for file in files):
        return
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_CATEGORY,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(codeFolder() / "Resources" / "Icons" / "CTGANReconstruct.png"),
        uris=[file.as_uri() for file in files],
        fileNames=[f"CTGAN_{file.name}" for file in files],
        nodeNames=list(_FILES.values()),
        checksums=[f"SHA256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files],
        loadFileTypes=["VolumeFile"] * len(files),
        loadFileProperties={"singleFile": True},
        customDownloader=loadSample,
    )
