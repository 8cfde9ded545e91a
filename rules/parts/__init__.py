"""Parts of rules: what they ask about transformers' objects in a module, and the edits that they share.

No rule is defined here: those are the modules of the folder above.
"""
