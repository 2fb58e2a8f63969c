"""The pages of the review app, a module each."""
