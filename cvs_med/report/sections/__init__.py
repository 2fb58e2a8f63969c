"""The sections of a report in their order, each written from the facts of a run."""
