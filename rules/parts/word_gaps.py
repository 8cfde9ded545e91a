"""What stands between the words of a command: where one word becomes two, the same has to stand between them."""

from __future__ import annotations

from v5lint.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.scripts.script import Word
    from v5lint.view.script import ScriptView

#: Between the words of a shell, where a line may go on in the next one.
_BLANK = pattern(r"[ \t\r\n\\^`]*\Z")

#: Between the items of a list: in one line, and each in a line of YAML.
_ITEMS = pattern(r"(?P<quote>[\"']?)(?:[ \t]*,[ \t]*|[ \t]*\r?\n[ \t]*-[ \t]+)(?P=quote)\Z")


def between(view: ScriptView, words: Sequence[Word], place: int) -> str | None:
    """What has to stand between two words that take the place of one.

    Args:
        view: the script.
        words: those of the command.
        place: that of the word, which is not the first.

    Returns:
        A space, or what stands between the items of a list; None where the word is in another list than the one before.
    """
    gap = view.text[words[place - 1].end : words[place].start]
    if _BLANK.match(gap):
        return " "
    return gap if _ITEMS.match(gap) else None
