"""The rules of v5lint: one module a family, registered with the engine through the entry point `v5lint.rules`."""
