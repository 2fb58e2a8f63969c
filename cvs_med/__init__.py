"""Classify medical images from a handful of labelled examples, by segmenting them (CvS, arXiv 2111.00042)."""
