"""The parts of the Slicer application that modules use: slicer.app, files, dialogs, modules."""
