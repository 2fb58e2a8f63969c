"""Foreground masks for images that nobody has drawn them for."""
