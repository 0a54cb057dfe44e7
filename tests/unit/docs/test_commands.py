"""Every command in the documents names its test; those that need no network run here."""

import pathlib
import re
import shutil

import pytest

from devnet import identities, plan
from ics.cli import panels
from tests import documents
from tests.unit.cli import calls

PAGES = documents.pages()


def name(page: pathlib.Path) -> str:
    return page.stem


def project(folder: pathlib.Path) -> pathlib.Path:
    """A copy of the stacks, with alice's secrets."""
    root = folder / "project"
    root.mkdir()
    shutil.copy(documents.ROOT / "Pulumi.yaml", root)
    shutil.copytree(documents.ROOT / "stacks", root / "stacks")
    credentials = root / ".devnet" / "alice"
    credentials.mkdir(parents=True)
    alice = identities.validator(plan.host("alice"))
    words = alice.account.mnemonic
    assert words is not None
    for file, text in (("seed", alice.seed.reveal().hex()), ("account", words.reveal_text())):
        (credentials / file).write_text(text)
        (credentials / file).chmod(0o600)
    return root


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_offline_commands_of_page_run(page: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Blocks run in the order of the page in one project, so a later block finds the files of earlier ones."""
    blocks = documents.blocks(page)
    offline = [block for block in blocks if block.kind in ("offline", "file")]
    if not any(block.kind == "offline" for block in offline):
        return
    reader = documents.reader(tmp_path, project(tmp_path), {"WORDS_FILE": ".devnet/alice/account"})
    for block in offline:
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_page_run_elsewhere_are_covered(page: pathlib.Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (documents.ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in documents.blocks(page):
        if block.kind == "story":
            documents.check_story(block)
        if block.kind == "make":
            assert {command.text for command in block.commands} <= {f"make {target}" for target in targets}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_named_in_page_exist(page: pathlib.Path) -> None:
    known = {"ics", *(f"ics {name}" for name in calls.groups_and_commands())}
    for text in documents.named(page):
        words = re.match(r"ics(?: [a-z][-a-z|]*)*", text)
        assert words is not None
        typed = words[0].split()
        heads = [" ".join([*typed[:-1], last]) for last in typed[-1].split("|")]
        for head in heads:
            while head not in known and head.count(" ") > 1:
                head = head.rpartition(" ")[0]  # an argument, such as the stack's name
            assert head in known, f"{page.name}: `{text}`: there is no {head}"


def test_readme_lists_every_command_under_its_panel() -> None:
    section = (documents.ROOT / "README.md").read_text().split("## Commands\n")[1]
    lines = section.split("```")[1].strip("\n").splitlines()
    listed: dict[str, set[str]] = {}
    panel = ""
    for line in lines:
        panel = line[:12].strip() or panel
        for entry in filter(None, (part.strip() for part in line[12:].split(","))):
            group, _, names = entry.partition(" ")
            listed.setdefault(panel, set()).update(f"{group} {name}".strip() for name in names.split("|"))
    commands = calls.every()

    assert listed == {
        panel: {name for name in commands if name.split()[0] in {entry.name for entry in entries}}
        for panel, entries in panels.PANELS.items()
    }


# -- the reading itself --------------------------------------------------------------------------------


def read(*lines: str) -> list[documents.Block]:
    return list(documents._blocks("p.md", list(lines)))


def test_console_block_is_parsed_into_commands() -> None:
    blocks = read("text", "```console offline", "$ ics x \\", "    y", "out …", "…", "$ ics z", "```", "more")
    commands = (
        documents.Command(3, "ics x \\\n    y", ("out …", "…")),
        documents.Command(7, "ics z"),
    )
    assert blocks == [documents.Block("p.md", 2, "offline", commands=commands)]
    assert commands[0].pattern().search("out  1\nanything")
    assert not commands[0].pattern().search("ou 1\nanything")


def test_file_block_is_parsed() -> None:
    blocks = read("```yaml file=stacks/x.yaml", "a: 1", "```", "```yaml", "b: 1", "```")
    assert blocks == [documents.Block("p.md", 1, "file", "stacks/x.yaml", content="a: 1\n")]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("```console", "$ ics x", "```"), "say who runs it"),
        (("```console story", "$ ics x", "```"), "say who runs it"),
        (("```bash", "ics x", "```"), "commands stand in a ```console block"),
        (("```", "$ ics x", "```"), "commands stand in a ```console block"),
        (("```console offline", "ics x", "```"), "the first line of a console block is a command"),
        (("```console offline", "```"), "no command in it"),
        (("    ics status --stack alice",), "a command outside of a ```console block"),
        (("    ICS_ENGINE=apply ics up",), "a command outside of a ```console block"),
    ],
)
def test_block_without_runner_is_refused(lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(documents.Broken, match=re.escape(why)):
        read(*lines)


def test_story_that_does_not_run_the_command_is_refused() -> None:
    [block] = read(
        "```console story=tests/network/test_volume.py", "$ ics sign-state reset X --confirm Y", "```"
    )
    documents.check_story(block)
    [block] = read("```console story=tests/network/test_volume.py", "$ ics purge X --confirm Y", "```")
    with pytest.raises(documents.Broken, match='has no "purge"'):
        documents.check_story(block)


def test_failing_or_different_command_output_is_refused(tmp_path: pathlib.Path) -> None:
    reader = documents.reader(tmp_path, tmp_path, {"NAME": "world"})
    [good] = read("```console offline", "$ echo hello NAME", "hello world", "```")
    reader.follow(good)
    for lines, why in ((("$ false",), "exit code 1"), (("$ echo hello", "bye"), "shows")):
        [block] = read("```console offline", *lines, "```")
        with pytest.raises(AssertionError, match=why):
            reader.follow(block)
