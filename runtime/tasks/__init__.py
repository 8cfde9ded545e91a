"""What a backbone is used for once it is loaded: one module a task, each usable from Python and behind a command.

`predict`, `embed`, `zero_shot`, `retrieval`, `dense` and `segmentation` do the work; `images`, `checkpoint` and
`options` are what they share.
"""
