"""PythonQt's behavior on top of PySide6: properties are attributes, signals take Slicer's two ways to connect."""
