"""What transformers removed, when, and what replaces it: generated from the wheels, curated where needed."""
