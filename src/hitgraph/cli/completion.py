"""Let the shell complete commands, options, and the names of pipelines and recipes.

    hitgraph completion bash >> ~/.bashrc
    hitgraph completion zsh >> ~/.zshrc

Prints a script for the shell; it holds what this version of hitgraph knows.
"""

import argparse
import sys

ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"

SCRIPT = """\
_hitgraph() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" known=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    case "$word" in
    -*)
        case "${{COMP_WORDS[1]}}" in
{options}
        esac ;;
    esac
    COMPREPLY=($(compgen -W "$known" -- "$word"))
    case "$word" in -*) ;; *) COMPREPLY+=($(compgen -f -- "$word")) ;; esac
}}
complete -o filenames -F _hitgraph hitgraph
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh"))


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli import COMMANDS, OK, make_parser, options_of
    from hitgraph.cli.study import STUDIES
    from hitgraph.pipeline_files import shipped_pipelines
    from hitgraph.recipe_files import shipped_recipes

    options = options_of(make_parser(*COMMANDS))
    values = {
        f"{command} {option}": choices
        for command in COMMANDS
        for option, choices in options[command].items()
        if choices
    }
    values |= {f"{command} --pipeline": shipped_pipelines() for command in COMMANDS}
    values["train train"] = shipped_recipes()
    values["study study"] = list(STUDIES)
    script = SCRIPT.format(
        commands=" ".join(COMMANDS),
        values="\n".join(
            f'    "{key}") known="{" ".join(words)}" ;;' for key, words in values.items() if words
        ),
        options="\n".join(
            f'        {command}) known="{" ".join(options[command])}" ;;' for command in COMMANDS
        ),
    )
    sys.stdout.write((ZSH if args.shell == "zsh" else "") + script)
    return OK
