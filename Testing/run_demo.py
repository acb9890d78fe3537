"""The main job on the sample patient: ``python3 Testing/run_demo.py``. Needs nothing but Python 3.10 or newer.

Writes reconstruction.nrrd, segmentation.seg.nrrd, scene.mrb and report.png into demo-output/.
"""

import sys

import environment

if __name__ == "__main__":
    sys.exit(environment.run(["-m", "demo", str(environment.REPOSITORY / "demo-output")]))
