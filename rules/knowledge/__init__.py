"""What transformers removed, when, and what replaces it: generated from the wheels, curated where needed."""

#: The newest transformers release that the data and the rules were checked against.
NEWEST = "5.24"
