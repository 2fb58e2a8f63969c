"""The steps, oldest first. A step once released is never changed."""
