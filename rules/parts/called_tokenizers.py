"""What is called as only tokenizers of transformers are, in files that import nothing of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.view.module import ModuleView

#: The methods of a tokenizer that became its call.
METHODS = ("encode_plus", "batch_encode_plus", "prepare_seq2seq_batch")

#: Arguments of a tokenizer of transformers; those of a few other libraries (see below) take some of them.
_TELLING = frozenset(
    "add_special_tokens is_split_into_words pad_to_max_length padding return_attention_mask return_offsets_mapping "
    "return_special_tokens_mask return_tensors return_token_type_ids".split()
)

#: Libraries whose tokenizers take some of the same.
_OTHERS = (b"paddlenlp", b"mindnlp", b"mindformers")


def is_called_like_one(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call gives what only tokenizers of transformers take, in a repository that has no other."""
    if not any(each.arg in _TELLING for each in call.keywords):
        return False
    project, path = view.project, view.path
    own = [f"def {method}" for method in METHODS]
    if any(each in view.text or project.mentioning(each.encode(), path) for each in own):
        return False
    if any(project.mentioning(each, path) for each in _OTHERS):
        return False
    return any(project.mentioning(each, path) for each in (b"from transformers import", b"import transformers"))
