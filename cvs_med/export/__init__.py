"""A run's networks in forms that other software runs."""
