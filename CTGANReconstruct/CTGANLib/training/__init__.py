"""What all recipes share: data sets, the training loop, metrics and evaluation."""
