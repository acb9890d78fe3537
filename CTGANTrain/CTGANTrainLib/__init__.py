"""What the CTGANTrain module adds to CTGANReconstructLib: the tasks and the panel of training."""
