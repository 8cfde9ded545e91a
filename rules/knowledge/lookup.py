"""Answers what rules ask about transformers, huggingface_hub and peft: the one module of the knowledge to import.

Every answer is about names, never about installed packages: nothing is imported. Releases are written "5.23" or
"5.23.0", or come as the tuples of `v5lint.releases`; where a release may be left out, the newest known one is meant.
A name that no release ever had is unknown, which is not the same as removed.
"""

from __future__ import annotations

from v5lint.rules.knowledge.callables import (
    Advice,
    Parameters,
    argument_advice,
    members,
    parameters,
    removed_member,
    removed_parameter,
)
from v5lint.rules.knowledge.classes import (
    ClassFacts,
    ancestors,
    class_facts,
    feature_methods,
    is_model_class,
    is_subclass,
    kind_of,
    kinds,
    processor_arguments,
    processor_parts,
    vision_feature_extractors,
)
from v5lint.rules.knowledge.data import newest, store
from v5lint.rules.knowledge.families import (
    ModelType,
    checkpoint_model_type,
    head_names,
    leaf_names,
    linear_names,
    model_type,
    model_types,
)
from v5lint.rules.knowledge.removals import (
    Removal,
    Replacement,
    appeared_in,
    dropped_names,
    home_of,
    module_status,
    removed_in,
    resolves,
)
from v5lint.rules.knowledge.surfaces import (
    environment_advice,
    names_of,
    removed_choice,
    removed_environment_variable,
    removed_script,
    removed_task,
)
from v5lint.rules.knowledge.unquantized import unquantized_layers

__all__ = [
    "Advice",
    "ClassFacts",
    "ModelType",
    "Parameters",
    "Removal",
    "Replacement",
    "ancestors",
    "appeared_in",
    "argument_advice",
    "checkpoint_model_type",
    "class_facts",
    "dropped_names",
    "environment_advice",
    "feature_methods",
    "head_names",
    "home_of",
    "is_model_class",
    "is_subclass",
    "kind_of",
    "kinds",
    "leaf_names",
    "linear_names",
    "members",
    "model_type",
    "model_types",
    "module_status",
    "names_of",
    "newest",
    "parameters",
    "processor_arguments",
    "processor_parts",
    "removed_choice",
    "removed_environment_variable",
    "removed_in",
    "removed_member",
    "removed_parameter",
    "removed_script",
    "removed_task",
    "resolves",
    "store",
    "unquantized_layers",
    "vision_feature_extractors",
]
