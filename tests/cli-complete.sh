#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What may come next on a command line, as dspsim says and as the scripts of
# bash, zsh and fish (those that are installed) pass it on.
# shellcheck disable=SC1091,SC2154,SC2016,SC2317 # tests/cli.sh; programs in
# quotes; functions by name
. "$DSP_TEST_SOURCE/tests/cli.sh"
scripts=$DSP_TEST_SOURCE/src/completions

# The shells ask whatever "dspsim" is on the path.
mkdir -p "$work/bin"
printf '#!/bin/sh\nexec %s "$@"\n' "$DSPSIM" > "$work/bin/dspsim"
chmod +x "$work/bin/dspsim"
PATH=$work/bin:$PATH
export PATH

# A line, its last word being typed, and what may be there, by grep -e. "none":
# nothing is known.
lines() {
  cat << 'END'
comp|^compare$
predict --mo|^--mode=$
predict --mode=|^--mode=infer$
predict --mode=t|^--mode=train$
predict --mode |^infer$
predict -c dgx-h|^dgx-h100$
predict --cluster=dgx-h|^--cluster=dgx-h100$
predict transformer-2d-7|^transformer-2d-720m$
predict latte-1 dgx-h|^dgx-h100$
predict --gpus 8 transformer-2d-7|^transformer-2d-720m$
predict --method=uly|^--method=ulysses$
predict --he|^--help$
--ver|^--version$
help cali|^calibrate$
list mod|^models$
show mod|^model$
show latte|^latte-1$
show model latte|^latte-1$
predict --gpus |none
predict latte-1 dgx-h100 x|none
score |none
zebra |none
END
}

# ask LINE: the answers of dspsim itself.
ask() {
  # shellcheck disable=SC2086 # it is words
  case $1 in
    *' ') dspsim complete -- $1 '' ;;
    *) dspsim complete -- $1 ;;
  esac
}

bash_asks() {
  bash --norc -c '. "$0"/dspsim.bash; compopt() { :; }
    COMP_LINE="dspsim $1" COMP_POINT=${#COMP_LINE}; _dspsim
    before=; [[ $1 == *=* ]] && before=${1%%=*}= before=${before##* }
    for r in "${COMPREPLY[@]}"; do
      [[ -n $r ]] && printf "%s\n" "$before$r"
    done' "$scripts" "$1"
}

# What zsh would offer is what _describe is given.
zsh_asks() {
  zsh -f -c 'line="dspsim $1" words=(${=line}); CURRENT=$#words
    if [[ $1 == *" " ]]; then words+=(""); CURRENT=$#words; fi
    _call_program() { shift; eval "$*"; }
    _describe() { print -l -- ${(P)4}; }
    _files() { :; }
    compset() { :; }
    . "$0"/_dspsim' "$scripts" "$1"
}

fish_asks() {
  fish --no-config -c 'cd (mktemp -d); source $argv[1]/dspsim.fish
    complete -C "dspsim $argv[2]"; rmdir $PWD' "$scripts" "$1"
}

# check ASK LINE PATTERN
check() {
  answers=$("$1" "$2" | sed 's/[:	].*//')
  if test "$3" = none; then
    test -z "$answers" || fail "$1 '$2': nothing is known, got: $answers"
  else
    printf '%s\n' "$answers" | grep -q -e "$3" ||
      fail "$1 '$2': not among the answers: $3; got: $answers"
  fi
}

asks=ask
for shell in bash zsh fish; do
  if command -v $shell > /dev/null; then
    asks="$asks ${shell}_asks"
  else
    echo "no $shell, its script is not tested"
  fi
done
lines > "$work/lines"
for asks in $asks; do
  while IFS='|' read -r line pattern; do
    check "$asks" "$line" "$pattern" < /dev/null
  done < "$work/lines"
done

# Descriptions come behind a tab, and every command is offered.
dspsim complete '' | grep -q '^help	list the commands' ||
  fail 'no description of help'
for command in $(dspsim help | sed -n 's/^  \([a-z][-a-z]*\)  .*/\1/p'); do
  dspsim complete '' | grep -q "^$command	" || fail "$command is not offered"
done
exit "$failed"
