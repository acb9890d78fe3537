"""The main job on the sample patient, from radiograph files to a Slicer scene and a picture."""
