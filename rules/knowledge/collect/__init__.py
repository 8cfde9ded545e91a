"""Makes the data file of the knowledge from the wheels; nothing here is imported when v5lint runs."""
