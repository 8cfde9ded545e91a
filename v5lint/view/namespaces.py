"""What makes of a dict another one, or an object whose attributes are its keys: `OmegaConf.create({...}).training`."""

from __future__ import annotations

from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.values import Value, Values

#: Callables whose results have as attributes what they are made with.
NAMESPACES = frozenset(
    "types.SimpleNamespace argparse.Namespace easydict.EasyDict munch.Munch munch.munchify box.Box addict.Dict "
    "attrdict.AttrDict ml_collections.ConfigDict ml_collections.config_dict.ConfigDict omegaconf.OmegaConf.create "
    "omegaconf.DictConfig omegaconf.dictconfig.DictConfig".split()
)

#: Callables that make a dict, or what is read like one, of the dicts that they are given.
COPIES = frozenset(
    "builtins.dict collections.OrderedDict collections.ChainMap copy.copy copy.deepcopy types.MappingProxyType "
    "omegaconf.OmegaConf.to_container omegaconf.OmegaConf.to_object omegaconf.OmegaConf.merge "
    "omegaconf.OmegaConf.unsafe_merge".split()
)

#: The last names of them all, which a call is asked for before it is followed.
NAMES = frozenset(each.rpartition(".")[2] for each in NAMESPACES | COPIES)

#: Those of what makes objects with attributes.
NAMESPACE_NAMES = frozenset(each.rpartition(".")[2] for each in NAMESPACES)

#: Those of them whose keyword arguments say how to copy, and are no entries.
_DICTS_ALONE = frozenset(
    "omegaconf.OmegaConf.create omegaconf.DictConfig omegaconf.dictconfig.DictConfig munch.munchify".split()
)


def path_of(callee: Value) -> str:
    """The dotted path of what is called: of a function, a class, or a method that is asked of a class; else ""."""
    if isinstance(callee, Method) and isinstance(callee.owner, External) and not callee.bound:
        return f"{callee.owner.path}.{callee.name}"
    return callee.path if isinstance(callee, External) else ""


def is_namespace(callees: Values) -> bool:
    """Whether a call gives something whose attributes are the keys that it is made with."""
    return any(path_of(each) in NAMESPACES for each in callees)


def is_made_with(callees: Values) -> bool:
    """Whether the keyword arguments of a call become entries: `dict(a=1)`, `SimpleNamespace(a=1)`."""
    return External("builtins.dict") in callees or (is_namespace(callees) and takes_keywords(callees))


def is_copy(callees: Values) -> bool:
    """Whether a call gives a dict, or a namespace, of what it is given."""
    return any(path_of(each) in COPIES or path_of(each) in NAMESPACES for each in callees)


def takes_keywords(callees: Values) -> bool:
    """Whether the keyword arguments of such a call become entries."""
    paths = {path_of(each) for each in callees}
    return paths.isdisjoint(_DICTS_ALONE) and not any("OmegaConf" in each for each in paths)
