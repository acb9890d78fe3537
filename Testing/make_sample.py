"""Make the sample patient of Resources/SampleData from LIDC-IDRI-0001: PA and lateral DX radiographs and the CT.

    PYTHONPATH=CTGANReconstruct python3 Testing/make_sample.py ../shared/data/ct/lidc_0001.nii.gz

The radiographs are projected from the CT at its own resolution with the project's projector; the CT to compare with is
on the standard grid of 2.5 mm, table removed. LIDC-IDRI-0001 is held out of all training.
"""

import argparse
from pathlib import Path

from CTGANLib.imaging.dicom import anonymous_study
from CTGANLib.imaging.drr import Patient, acquisition_for
from CTGANLib.imaging.geometry import View
from CTGANLib.imaging.radiographs import write_radiograph
from CTGANLib.imaging.standardize import FIELD_SIZE, standardize
from CTGANLib.imaging.volumes import read_volume, write_volume

SAMPLE = Path(__file__).resolve().parents[1] / "Resources" / "SampleData"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path, help="the CT of LIDC-IDRI-0001")
    volume = read_volume(parser.parse_args().ct)
    write_volume(standardize(volume, FIELD_SIZE), SAMPLE / "chest_ct.nrrd")
    study, patient = anonymous_study(), Patient(volume)
    for name, view in (("pa", View.PA), ("lateral", View.LLAT)):
        radiograph = patient.radiograph(acquisition_for(view, patient.isocenter))
        write_radiograph(radiograph, SAMPLE / f"chest_{name}.dcm", study)


if __name__ == "__main__":
    main()
