"""The scripts that `v5lint-runtime new` writes, one a task: whole programs with `$names` for what is decided first."""
