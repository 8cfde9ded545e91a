"""The subcommands of `v5lint-runtime`, one module each: `zero_shot.py` is `v5lint-runtime zero-shot`.

What `cli.py` knows of a module here:

* `SUMMARY`: one line for `v5lint-runtime --help`.
* `add_arguments(parser)`: its options. `--output DIR` is added for every subcommand by `cli.py`.
* `parents()`, where there are options that are made elsewhere: parsers whose options are added as well.
* `WRITES`: the files and folders that it makes in `--output`, where it leaves it to `cli.py` to ask for `--overwrite`
  before one is replaced. A command without it asks by itself.
* `run(arguments) -> int`: does the work; 0 nothing failed, 1 a check failed. It raises an error of `errors.py` where
  it cannot do its work, which `cli.py` shows as one line and exit status 2.

Importing such a module must be cheap: torch, transformers and the like are imported inside `run`.
"""
