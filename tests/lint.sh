#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh CC FLAG...: what other programs find wrong with the sources. Runs in
# the source tree; a program that is not installed is named and passed over.
set -u
status=0
compiler=$1
shift

# check PROGRAM ARGUMENT...
check() {
  if ! command -v "$1" > /dev/null; then
    echo "lint: no $1, passed over"
  elif "$@"; then
    echo "lint: $1: nothing"
  else
    echo "lint: $1: see above"
    status=1
  fi
}

sources=$(find src tests -name '*.[ch]' | sort)
scripts=$(grep -lE '^#!/bin/(ba)?sh' bootstrap .ci/run tests/*.sh)
# shellcheck disable=SC2086 # lists of names without blanks
{
  check clang-format --dry-run -Werror $sources
  check shellcheck $scripts
  check codespell --quiet-level 3 --skip '*.svg' src tests/*.[ch] tests/*.sh \
    man models hwprofiles plots configure.ac Makefile.am bootstrap
  check mandoc -T lint -W warning man/*.[157]
  check cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -Isrc \
    --enable=warning,portability,performance --inline-suppr \
    --suppress=missingIncludeSystem -DDSP_PKGDATADIR='""' src
}
exit $status
