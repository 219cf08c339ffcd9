# SPDX-License-Identifier: Apache-2.0
# fish completion for dspsim; what may come next is for dspsim to say. Names of
# files are completed where it says nothing.

function __dspsim_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l answers ($words[1] complete -- $words[2..-1] "$word" 2>/dev/null)
    if test (count $answers) -gt 0
        printf '%s\n' $answers
    else
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$word")
    end
end

complete -c dspsim -f -a '(__dspsim_complete)'
