"""What transformers removed, when, and what replaces it: generated from the real wheels, curated by hand where needed."""
