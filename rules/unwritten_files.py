"""V5413: a file of a tokenizer or processor that is read from where it was saved, and no longer written."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import joined_paths, library
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_MAP = "special_tokens_map.json"
_SETTINGS = "preprocessor_config.json"

#: Files of vocabularies, which tokenizers of the Rust backend keep in `tokenizer.json` alone.
_VOCABULARIES = ("added_tokens.json", "vocab.txt", "vocab.json", "merges.txt")

#: The tokenizers of which that was measured, by the beginnings of their names; those in Python write them still.
_RUST = ("BertTokenizer", "CLIPTokenizer", "GPT2Tokenizer", "RobertaTokenizer", "WhisperTokenizer")
_RUST_TYPES = frozenset({"bert", "clip", "gpt2", "roberta", "whisper"})

#: Processors of which it was measured that they write one file for all their parts.
_PROCESSORS = ("CLIPProcessor", "Wav2Vec2Processor", "WhisperProcessor")

_SAVES = "save_pretrained"
_WRITERS = frozenset({"dump", "write_text", "write", "save", "write_bytes"})


class UnwrittenTokenizerFile(Rule):
    """A file of a tokenizer or processor that is read from the folder it was saved to, and no longer written.

    ## What it does

    Finds `tokenizer.save_pretrained(folder)` in a function that names `special_tokens_map.json`, `added_tokens.json`,
    `vocab.txt`, `vocab.json` or `merges.txt` of the same folder afterwards, and `processor.save_pretrained(folder)`
    with `preprocessor_config.json`, as `os.path.join(folder, name)`, `folder / name`, `folder + "/" + name` or in an
    f-string. The last four files only of BERT's, CLIP's, GPT-2's, RoBERTa's and Whisper's tokenizers: those that are
    written in Python, as that of Wav2Vec2, write theirs as before. Places that write the file are left alone.

    ## Why it breaks

    Measured on 4.57.6 and 5.24.0: a tokenizer of the Rust backend writes `tokenizer.json` and `tokenizer_config.json`
    and nothing else, with and without `Fast` in its name; a processor writes `processor_config.json` in place of
    `preprocessor_config.json` (an image processor or feature extractor alone writes the latter still). Opening
    one is a FileNotFoundError, and what asks whether it exists goes the other way.

    ## Example

        tokenizer.save_pretrained(folder)
        with open(os.path.join(folder, "special_tokens_map.json")) as file:
            tokens = json.load(file)

    write

        tokens = tokenizer.special_tokens_map

    ## Fix safety

    No fix: what the file was read for is not in sight.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5413"
    name = "unwritten-tokenizer-file"
    since = "5.0"
    tokens = (_MAP, _SETTINGS, *_VOCABULARIES)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        named = [each for each in module.tree.nodes.get(ast.Constant, ()) if _file(each)]
        for node in module.links.calls_named(_SAVES) if named else ():
            folder = next(iter(node.args), None) or next(
                (each.value for each in node.keywords if each.arg == "save_directory"), None
            )
            gone = _no_longer_written(module, node)
            if folder is None or not gone or module.guards.is_dead(node):
                continue
            around = module.links.function_around(node)
            for constant in named:
                if _file(constant) not in gone or module.links.function_around(constant) is not around:
                    continue
                path = _path(module, constant, module.source(joined_paths.unwrapped(folder)))
                if path is None or module.span(path) < module.span(node) or _is_written(module, path):
                    continue
                said = f"`{_file(constant)}` is not written since transformers 5.0 by `{module.source(node.func)}`"
                yield module.finding(path, f"{said}, and is read here")


def _file(node: ast.AST) -> str:
    """The name of a file that a constant is, or ends in; "" where it is none of these."""
    text = node.value if isinstance(node, ast.Constant) else None
    if not isinstance(text, str) or "\n" in text:
        return ""
    last = text.rpartition("/")[2]
    return last if last in (_MAP, _SETTINGS, *_VOCABULARIES) else ""


def _no_longer_written(view: ModuleView, node: ast.Call) -> set[str]:
    """The files that a call of `save_pretrained` wrote under 4.x, and does not any more."""
    if not isinstance(node.func, ast.Attribute):
        return set()
    gone: set[str] = set()
    for value in view.values(node.func.value):
        of = value.of if isinstance(value, Instance) else value
        names = library.library_classes(view, of) if isinstance(of, External) and of.package == "transformers" else []
        for name in names:
            kind = lookup.kind_of(name)
            if kind.endswith("tokenizer") or name in _PROCESSORS:
                gone.add(_MAP)
            if name in _PROCESSORS:
                gone.add(_SETTINGS)
            if name.startswith(_RUST) or (
                kind == "auto_tokenizer" and _loaded_types(view, node.func.value) <= _RUST_TYPES
            ):
                gone.update(_VOCABULARIES)
    return gone


def _loaded_types(view: ModuleView, node: ast.expr) -> set[str]:
    """The model types of the checkpoints from which an object may be loaded; an empty one where that is not known."""
    call = view.links.defining_call(node)
    texts = (
        [getattr(each, "value", None) for each in CallSite(view, call).values_of(*library.CHECKPOINT)] if call else []
    )
    return {lookup.checkpoint_model_type(each) if isinstance(each, str) else "" for each in texts} or {""}


def _path(view: ModuleView, constant: ast.AST, folder: str) -> ast.expr | None:
    """The expression that joins a folder with the name of a file; None where it is another folder's."""
    path = joined_paths.joined(view, constant)
    if path is not None:
        return path[0] if view.source(path[1]) == folder else None
    if isinstance(constant, ast.Constant) and constant.value in (f"{folder[1:-1]}/{_file(constant)}",):
        return constant if folder[:1] in "'\"" else None
    return None


def _is_written(view: ModuleView, path: ast.expr) -> bool:
    """Whether the file is written there: opened for it, or what something else is saved or copied to."""
    above = view.tree.parents.get(path)
    if not isinstance(above, ast.Call):
        return getattr(above, "attr", "") in _WRITERS
    name = getattr(above.func, "attr", getattr(above.func, "id", ""))
    if name in _WRITERS or name.startswith(("copy", "move", "rename")):
        return above.args[:1] != [path]
    modes = [each.value for each in above.args[1:2] if isinstance(each, ast.Constant)]
    modes += [
        each.value.value for each in above.keywords if each.arg == "mode" and isinstance(each.value, ast.Constant)
    ]
    return any(isinstance(each, str) and set(each) & set("wax") for each in modes)
