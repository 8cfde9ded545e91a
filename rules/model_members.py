"""V5502: methods and attributes that models no longer have."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules import submodules
from v5lint.rules.parts import members, module_paths
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView


#: How the heads of attention layers were pruned: of a model, and of one layer.
_PRUNES = frozenset({"prune_heads", "_prune_heads"})


class RemovedModelMember(Rule):
    """A method or attribute that models of transformers no longer have.

    ## What it does

    Finds on everything that is known to be a model of transformers, and on `self` in its subclasses: `get_head_mask`,
    `invert_attention_mask`, `get_extended_attention_mask`, `prune_heads`, `to_bettertransformer`,
    `estimate_tokens`, `floating_point_ops`, `parallelize`, `greedy_search` and every other member that a release since
    4.20 took from the base classes of models, or from one of their classes. A subclass that defines it is left alone;
    submodules that moved have a rule of their own (V5507).

    ## Why it breaks

    Measured on 5.23:

        AttributeError: 'BertModel' object has no attribute 'get_head_mask'
        AttributeError: 'BertModel' object has no attribute 'invert_attention_mask'
        AttributeError: 'BertModel' object has no attribute 'prune_heads'

    `get_head_mask` and `prune_heads` are gone since 5.0, `invert_attention_mask` and `get_extended_attention_mask`
    since 5.17: the finding says which.

    ## Example

        head_mask = self.get_head_mask(head_mask, self.config.num_hidden_layers)

    has no replacement: head masks were removed. Masks are built by `transformers.masking_utils`.

    ## Fix safety

    There is no fix, but for names that only changed.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5502"
    name = "removed-model-member"
    since = "5.0"
    tokens = (
        "get_rope_index",
        "head_mask",
        "attention_mask",
        "prune_heads",
        "bettertransformer",
        "memory_hooks",
        "estimate_tokens",
        "floating_point_ops",
        "parallelize",
        "model_parallel",
        "greedy_search",
        "beam_search",
        "contrastive_search",
        "freeze_feature_extractor",
        "encoder_decoder_weights",
        "load_tf_weights",
        "tensor_parallel",
        "logits_during_generation",
        "beam_s",
        "transition_beam_scores",
        "mem_rss_",
        "warnings_issued",
        "assisted_decoding",
        "is_parallelizable",
        "active_adapter",
        "kernelize",
        "dtype_plan",
        "tie_embeddings_and_encoder_decoder",
        # What `generate` and `from_pretrained` were made of, and what programs of their own call.
        "_reorder_cache",
        "_get_logits_warper",
        "_get_initial_cache",
        "_extract_past",
        "_get_generation_mode",
        "_get_decoder_start",
        "_prepare_input_ids_for",
        "_prepare_encoder_decoder",
        "_can_retrieve_inputs",
        "_cache_dependant",
        "_prefill_chunking",
        "_dola_decoding",
        "_get_cache",
        "_get_static_cache",
        "_get_layer_device_map",
        "_validate_assistant",
        "_validate_model_class",
        "_extend_token_type_ids",
        "_tie_or_clone",
        "_load_from_tf",
        "_load_from_flax",
        "_autoset_attn",
        "_check_and_enable",
        "_dynamic_tied_weights",
        "_get_no_split",
        "_supports_flash_attn",
        "_supports_static_cache",
        "_supports_quantized_cache",
        "_supports_cache_class",
        "_set_default_",
        "_is_quantized_training",
        "_fix_state_dict_key",
        "_get_key_renaming",
        "_hook_rss_memory",
        "_can_dispatch",
        "_checkpoint_conversion_mapping",
        "_move_missing_keys",
        "_create_repo",
    )
    attributes = ("framework", "sample")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for found in members.gone(module, ("model",)):
            if submodules.is_submodule(found):
                continue
            new = found.removal.replacement
            fix = members.renamed(module, found.node, new.new, new.since) if new is not None and new.drop_in else None
            yield module.finding(found.node, members.told(found), fix=fix, since=found.removal.gone)
        yield from _pruned(module)


def _pruned(view: ModuleView) -> Iterator[Finding]:
    """The pruning of heads where it is asked of a part of a model: `model.encoder.layer[0].attention.prune_heads`."""
    for call in view.calls(_PRUNES):
        node = call.func
        if not isinstance(node, ast.Attribute) or members.is_prepared(view, node):
            continue
        owners = members.owners(view, node.value, ("model",)) if node.attr != "prune_heads" else []
        is_whole = bool(owners) and not any(isinstance(each.of, LocalClass) for each in owners)
        if is_whole or module_paths.is_part(view, node.value):
            yield view.finding(node, f"models and their layers have no `{node.attr}` since transformers 5.0")
