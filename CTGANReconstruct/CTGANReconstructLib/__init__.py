"""Between Slicer and the CTGANLib command line: nodes and files, jobs and panels."""
