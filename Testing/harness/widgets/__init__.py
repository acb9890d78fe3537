"""Stand-ins for the widgets of CTK and of Slicer, and the loader that puts them into .ui files."""
