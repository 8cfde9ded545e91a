"""Models that a program builds itself, and never loads: their constructors ask for more than loading gives."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.values import LocalClass

#: What loading gives a constructor: `self` and the configuration.
_LOADED_WITH = 2


def is_made_by_hand(of: LocalClass, init: ast.FunctionDef) -> bool:
    """Whether a constructor cannot do without more than the configuration, and no call of loading gives it the rest."""
    positional = [*init.args.posonlyargs, *init.args.args]
    further = [each.arg for each in positional[_LOADED_WITH : len(positional) - len(init.args.defaults)]]
    by_name = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    further += [each.arg for each, default in by_name if default is None]
    if further:
        return not _is_loaded_with(of, set(further))
    given = [each.arg for each in init.args.args[1:2]]
    return any(  # `super().__init__(model.config)`: what it gets is a model
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "__init__"
        and [ast.unparse(each) for each in node.args[:1]] == [f"{name}.config" for name in given]
        and bool(given)
        for node in ast.walk(init)
    )


def _is_loaded_with(of: LocalClass, further: set[str]) -> bool:
    """Whether a class is loaded somewhere, which gives its constructor what it needs beside the configuration.

    `Tagger.from_pretrained(path, config=config, args=args)`, or that of a class taken out of a table
    (`MODEL_CLASSES = {"bert": (BertConfig, Tagger)}`), where the names of the arguments tell whose it is.
    """
    for view in modules_with(of):
        for mention in view.links.mentions(of.name):
            if _loading(view, view.tree.parents.get(mention)) is not None:
                return True
            table = _table_around(view, mention)
            if table is not None and any(
                (call := _loading(other, node)) is not None and further <= {each.arg for each in call.keywords}
                for other in (view, *view.importers(table))
                for node in other.tree.nodes.get(ast.Attribute, ())
            ):
                return True
    return False


def _loading(view: ModuleView, node: ast.AST | None) -> ast.Call | None:
    """The call of a `from_pretrained`, given its attribute."""
    call = view.tree.parents.get(node) if isinstance(node, ast.Attribute) and node.attr == "from_pretrained" else None
    return call if isinstance(call, ast.Call) and call.func is node else None


def _table_around(view: ModuleView, mention: ast.Name) -> str | None:
    """The name of the table that a class is written in."""
    node: ast.AST | None = view.tree.parents.get(mention)
    while isinstance(node, (ast.Tuple, ast.List, ast.Dict)):
        parent = view.tree.parents.get(node)
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            return parent.targets[0].id
        node = parent
    return None


def modules_with(of: LocalClass) -> Iterator[ModuleView]:
    """The modules of the repository that may name a class, by way of packages that import it for others, too."""
    yield of.view
    yield from of.view.importers(of.name)
