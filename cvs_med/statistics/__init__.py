"""Pure statistics on counts and arrays; each is tested against scikit-learn, scipy or a published example."""
