"""From a run folder and new photographs to a derived diagnosis, its reason, and a warning where there is none."""
