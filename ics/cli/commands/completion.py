"""`ics completion`: scripts that ask this program for candidates, by the protocol of `typer.completion`."""

from typing import Final

from ics.cli import output
from ics.cli.arguments import completion

_SCRIPTS: Final = {
    completion.Shell.BASH: r"""
_ics_completion() {
    local IFS=$'\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _ICS_COMPLETE=complete_bash "$1" ) )
}
complete -o default -F _ics_completion ics
""",
    completion.Shell.ZSH: r"""
#compdef ics
_ics_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _ICS_COMPLETE=complete_zsh ics)
}
compdef _ics_completion ics
""",
    completion.Shell.FISH: (
        "complete --command ics --no-files"
        ' --arguments "(env _ICS_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args'
        ' _TYPER_COMPLETE_ARGS=(commandline -cp) ics)"'
        ' --condition "env _ICS_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=is-args'
        ' _TYPER_COMPLETE_ARGS=(commandline -cp) ics"'
    ),
}


def run(args: completion.Completion) -> int:
    """Print the script and return the exit code."""
    script = _SCRIPTS[args.shell].strip()
    return output.emit(args, {"shell": args.shell.value, "script": script}, script.splitlines())
