"""The files of a run on the disk: its folder, its lock, its checkpoints, and weights that are checked before use."""
