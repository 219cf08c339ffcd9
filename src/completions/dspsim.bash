# SPDX-License-Identifier: Apache-2.0
# bash completion for dspsim; what may come next is for dspsim to say. Names of
# files are completed where it says nothing.

_dspsim() {
  local line=${COMP_LINE:0:COMP_POINT} words answers
  # What bash breaks at "=" is one word to dspsim.
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  mapfile -t answers < <("${words[0]}" complete -- "${words[@]:1}" 2> /dev/null)
  COMPREPLY=("${answers[@]%%$'\t'*}")
  # It replaces only what is behind the last "=".
  if [[ ${words[-1]} == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#*=}")
  fi
  [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
  return 0
}

complete -o default -F _dspsim dspsim
