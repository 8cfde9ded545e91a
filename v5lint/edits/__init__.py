"""Rewriting: text edits that leave every byte outside of them as it was.

A slice of the text (a call, a dict, an import statement) is parsed with LibCST, changed, rendered and spliced back, so
that its comments and layout live on and nothing else is touched. LibCST is imported here only, when a fix is wanted.
"""
