"""The runtime that rewritten training scripts import: the reference LoRA fine-tune and the validation checks."""
