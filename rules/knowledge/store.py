"""Reads the data file: named sections of text, each compressed on its own and unpacked when first asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAGIC = b"v5lint knowledge 1\n"
FILE_NAME = "knowledge.dat"

#: So many searches in a section take as long as making an index of it.
_FEW_SEARCHES = 12


class Store:
    """The sections of one data file.

    The file begins with `MAGIC` and one line a section (name, place of its bytes, their number), closed by an empty
    line; the zlib streams of the sections follow. A section is text: one record a line, its key first, fields parted
    by tabs. A record is found by searching the text, so that nothing is built that nobody asks for, until a section
    was searched often; the answer is kept, because a run asks for few records many times, and a search takes as long
    as a thousand look-ups.
    """

    def __init__(self, content: bytes, source: str) -> None:
        """Take the bytes of a data file.

        Args:
            content: the whole file.
            source: its path, for messages.

        Raises:
            ValueError: the bytes are no data file of this version.
        """
        if not content.startswith(MAGIC):
            raise ValueError(f"{source} is not a knowledge file of this version: make it again with its collector")
        header, _, self._streams = content[len(MAGIC) :].partition(b"\n\n")
        self._places: dict[str, tuple[int, int]] = {}
        for line in header.decode("ascii").split("\n"):
            name, start, length = line.split(" ")
            self._places[name] = (int(start), int(length))
        self._texts: dict[str, str] = {}
        self._records: dict[tuple[str, str], list[str] | None] = {}
        self._searches: dict[str, int] = {}
        self._indexed: dict[str, dict[str, int]] = {}
        self._lines: dict[str, list[str]] = {}
        self._holders: dict[tuple[str, str, str], tuple[str, str] | None] = {}

    def sections(self) -> list[str]:
        """Give the names of all sections."""
        return list(self._places)

    def text(self, section: str) -> str:
        """Give a section as text that begins and ends with a newline."""
        found = self._texts.get(section)
        if found is None:
            import zlib

            start, length = self._places[section]
            found = zlib.decompress(self._streams[start : start + length]).decode()
            self._texts[section] = found
        return found

    def record(self, section: str, key: str) -> list[str] | None:
        """Give the fields after the key of one record, or None when there is none.

        Args:
            section: the name of a section.
            key: the first field of the record, without tabs and newlines.

        Returns:
            The same list every time: it must not be changed.
        """
        asked = (section, key)
        if asked not in self._records:
            self._records[asked] = self._searched(section, key)
        return self._records[asked]

    def _searched(self, section: str, key: str) -> list[str] | None:
        number = self.number(section, key) if self._is_indexed(section) else -1
        if number is None:
            return None
        if number >= 0:
            return self._lines[section][number + 1].split("\t")[1:]
        text = self.text(section)
        mark = f"\n{key}\t"
        place = text.find(mark)
        if place < 0:
            return None
        start = place + len(mark)
        return text[start : text.index("\n", start)].split("\t")

    def _is_indexed(self, section: str) -> bool:
        """Whether a section has an index of its keys: it gets one when it is searched often."""
        if section not in self._indexed:
            self._searches[section] = self._searches.get(section, 0) + 1
            if self._searches[section] <= _FEW_SEARCHES:
                return False
            lines = self._lines[section] = self.text(section).split("\n")
            index = self._indexed[section] = {}
            for number, line in enumerate(lines[1:]):
                key, tab, _ = line.partition("\t")
                if tab:
                    index.setdefault(key, number)
        return True

    def holder(self, section: str, member: str, within: str) -> tuple[str, str] | None:
        """Find a member in a section of records "key", "label=member,member:other name", ...

        Args:
            section: the name of a section.
            member: the member, without what may follow it after a colon.
            within: what the key begins with.

        Returns:
            The key and the label; to the key ":other name" is added where the member is called otherwise there.
        """
        asked = (section, member, within)
        if asked not in self._holders:
            self._holders[asked] = self._found_holder(section, member, within)
        return self._holders[asked]

    def _found_holder(self, section: str, member: str, within: str) -> tuple[str, str] | None:
        text = self.text(section)
        place = text.find(member)
        while place >= 0:
            end = place + len(member)
            if text[place - 1] in "=," and text[end] in ",:\t\n":
                line = text.rfind("\n", 0, place) + 1
                key = text[line : text.index("\t", line)]
                if key == within or key.startswith(within + "."):
                    label = text[text.rfind("\t", line, place) + 1 : place].partition("=")[0]
                    stop = min(found for sign in ",\t\n" if (found := text.find(sign, end)) >= 0)
                    return key + text[end:stop], label
            place = text.find(member, end)
        return None

    def lines_with(self, section: str, mark: str) -> Iterator[list[str]]:
        """Give the fields of each record whose line holds a piece of text, once for each place where it does."""
        text = self.text(section)
        place = text.find(mark)
        while place >= 0:
            start = text.rfind("\n", 0, place + 1) + 1
            yield text[start : text.index("\n", start)].split("\t")
            place = text.find(mark, place + 1)

    def number(self, section: str, key: str) -> int | None:
        """Give the place of a record among those of its section, from 0 on; None when there is none."""
        if self._is_indexed(section):
            return self._indexed[section].get(key)
        text = self.text(section)
        place = text.find(f"\n{key}\t")
        return None if place < 0 else text.count("\n", 0, place)

    def records(self, section: str) -> Iterator[list[str]]:
        """Give every record of a section, its key first."""
        for line in self.text(section).split("\n"):
            if line:
                yield line.split("\t")


def pack(sections: Mapping[str, list[str]]) -> bytes:
    """Make the bytes of a data file.

    Args:
        sections: name -> lines of the section.
    """
    import zlib

    header = b""
    streams = b""
    for name, lines in sections.items():
        stream = zlib.compress("\n".join(["", *lines, ""]).encode(), 9)
        header += f"{name} {len(streams)} {len(stream)}\n".encode("ascii")
        streams += stream
    return MAGIC + header + b"\n" + streams


def read_store(path: str) -> Store:
    """Open a data file.

    Raises:
        OSError: there is no such file.
        ValueError: it is no data file of this version.
    """
    with open(path, "rb") as file:
        return Store(file.read(), path)
