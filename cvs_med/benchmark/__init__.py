"""Speed as ratios of things measured in turn in one run: absolute times of a shared machine say little."""
