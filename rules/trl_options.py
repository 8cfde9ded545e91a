"""V5311: options of command lines that trl's classes lost before the releases that work beside transformers 5."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import trl_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.script import ScriptView


class RemovedTrlOption(Rule):
    """An option of a command line, or a key of the file that it names, which trl's classes no longer have.

    ## What it does

    Finds, in shell scripts, Dockerfiles, YAML and their like, options of `trl sft`, `trl dpo` and its other commands,
    and of scripts of the repository whose parser fills classes of trl (`TrlParser((ScriptArguments, SFTConfig,
    ModelConfig))`), that the newest release refuses: `--max_seq_length`, `--torch_dtype`, `--max_prompt_length`,
    `--rloo_k`, ...; also as keys of the file behind `--config`. In Python V5214 finds the same arguments. Options that
    a class of the repository declares are left alone, and so is a project whose requirements keep a release of trl
    that has them, and that trains beside transformers 5 (0.12 or newer).

    ## Why it breaks

    Beside transformers 5 a newer trl is installed (see V5213), whose parser refuses what no class has. Measured with
    trl 1.16.0 on 5.24, for each of 73 options:

        ValueError: Some specified arguments are not used by the HfArgumentParser: ['--max_seq_length', '512']
        ValueError: Unknown arguments from config file: ['--max_seq_length', '512']. Please remove them, ...

    ## Example

        trl sft --model_name_or_path Qwen/Qwen2-0.5B --max_seq_length 512

    becomes

        trl sft --model_name_or_path Qwen/Qwen2-0.5B --max_length 512

    ## Fix safety

    What has only another name now is renamed on the command line, safely unless the requirements of the project admit
    a release of trl that does not have the new name. Keys of files and options without a successor are left to a
    person.

    ## References

    - https://huggingface.co/docs/trl/clis
    """

    code = "V5311"
    name = "removed-trl-option"
    since = "5.0"
    tokens = (*trl_options.options(), ".yaml", ".yml")
    anywhere = True
    kinds = ("script",)

    def check(self, module: ScriptView) -> Iterator[Finding]:
        """See Rule."""
        if any(module.project.is_first_party(each, module.path) for each in ("trl", "transformers")):
            return
        yield from trl_options.findings(module)
