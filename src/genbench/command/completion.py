"""Completion of genbench's words in bash, zsh and fish: the shell asks `genbench completion query LINE`."""

from collections.abc import Sequence

from hydra.errors import HydraException
from hydra.plugins.completion_plugin import DefaultCompletionPlugin
from omegaconf.errors import OmegaConfBaseException

from genbench.command.composition import search_path
from genbench.errors import UserError

# What a word ends with when more is to come, so that no space is added: key= and group. and folder/.
SCRIPTS = {
    "bash": """\
_genbench() {
    local line word part candidate
    line=${COMP_LINE:0:COMP_POINT}
    word=${line##* }
    part=${COMP_WORDS[COMP_CWORD]}
    [[ $part == "=" ]] && part=
    COMPREPLY=()
    while IFS= read -r candidate; do
        # bash breaks words at = and :, and wants what comes after.
        [[ -n $candidate ]] && COMPREPLY+=("${candidate:$(( ${#word} - ${#part} ))}")
    done < <(genbench completion query "$line" 2> /dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *[=./] ]] && COMPREPLY[0]+=" "
}
complete -o nospace -F _genbench genbench""",
    "zsh": """\
_genbench() {
    local -a whole open
    local candidate
    for candidate in ${(f)"$(genbench completion query "${words[1,CURRENT-1]} $PREFIX" 2> /dev/null)"}; do
        if [[ $candidate == *[=./] ]]; then open+=("$candidate"); else whole+=("$candidate"); fi
    done
    (( ${#whole} )) && compadd -Q -- "${whole[@]}"
    (( ${#open} )) && compadd -Q -S '' -- "${open[@]}"
}
autoload -Uz compinit
(( ${+functions[compdef]} )) || compinit
compdef _genbench genbench""",
    "fish": """\
complete -c genbench -f -a '(genbench completion query (commandline -cp) 2> /dev/null)'""",
}


def answer(words: Sequence[str], verbs: Sequence[str]) -> None:
    """Print a shell's script, or what a line could go on with.

    Args:
        words: bash, zsh or fish; or query and the line up to the cursor.
        verbs: their names.

    Raises:
        UserError: it is neither.
    """
    if len(words) == 1 and words[0] in SCRIPTS:
        print(SCRIPTS[words[0]])
    elif len(words) == 2 and words[0] == "query":
        print("\n".join(candidates(words[1], verbs)))
    else:
        raise UserError('completion: write eval "$(genbench completion bash)", or zsh, or fish')


def candidates(line: str, verbs: Sequence[str]) -> list[str]:
    """Whole words that the line's last one could become.

    Args:
        line: from `genbench` to the cursor.
        verbs: all of them.
    """
    words = line.split()[1:]
    if not words or (len(words) == 1 and not line.endswith(" ")):
        return [verb for verb in verbs if verb.startswith(words[0] if words else "")]
    verb, rest = words[0], line.split(None, 2)[2] if len(words) > 1 else ""
    if verb not in verbs:
        return []
    with search_path(None) as hydra:
        try:
            found = DefaultCompletionPlugin(hydra.config_loader)._query(verb, rest)
        except (HydraException, OmegaConfBaseException, SystemExit):  # a word before is wrong: there is nothing to say
            return []
    return [word for word in found if not word.startswith(("hydra.", "hydra/hydra", "recipe", "words"))]
