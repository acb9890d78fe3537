"""The model store: MONAI-bundle folders, found, checked, loaded, moved in and out."""
