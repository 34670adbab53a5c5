"""The README as a page: its opening, its contents, its links, and the files that it names."""

import re

from tests.docs.readme import ROOT, TEXT, blocks

NOT_OURS = (".venv", ".node", ".git")
MADE_WHEN_NEEDED = ("tests/kept/",)


def test_it_opens_with_three_sentences_and_the_two_commands():
    opening = TEXT.partition("**Contents:**")[0]
    first = opening.split("\n\n")[1]
    assert len(re.findall(r"[.!?](?:\s|$)", first)) == 3
    assert "".join(blocks(text=opening)) == "$ regtest/demo\n$ tests/run\n"


def test_every_chapter_is_in_the_contents():
    contents = re.findall(r"^\[.+\]\(#(.+)\)", TEXT.partition("## ")[0], re.MULTILINE)
    chapters = [anchor(chapter) for chapter in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)]
    assert contents == [chapter for chapter in chapters if chapter != "licence"]


def test_every_link_leads_somewhere():
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / target).exists(), target


def anchor(heading: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_file_that_is_named_is_there():
    folders = [re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS]
    named = set(re.findall(rf"(?<![\w/.~@-])((?:{'|'.join(folders)})/[\w./@-]*[\w/])", TEXT))
    assert "systemd/bwm@.service" in named
    assert [name for name in named if not (ROOT / name).exists() and name not in MADE_WHEN_NEEDED] == []


def test_every_table_has_a_head_and_every_heading_stands_alone():
    """Else a page shows the rows as text, or the heading as a row."""
    page = re.sub(r"^( *)```.*?^\1```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    for table in re.findall(r"(?:^ *\|.*\|\s*?\n)+", page, re.MULTILINE):
        assert re.match(r" *\|.*\n *\|[-|]+\|\s*\n", table), table.splitlines()[0]
    assert re.findall(r"^[^\n]+\n#+ .*$", page, re.MULTILINE) == []
