"""Two radiographs to a CT."""
