#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lint.sh FLAG...: what other programs find wrong with the sources, compiled
# with these flags. Runs in the source tree; a program that is not installed is
# named and passed over.
set -u
status=0

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
units=$(find src -name '*.c' | sort)
scripts=$(grep -lE '^#!/bin/(ba)?sh' bootstrap .ci/run man/*.sh tests/*.sh)
texts=$(find src tests man models hwprofiles plots -type f \
  ! -path 'tests/data/*' ! -path 'tests/golden/*')
# The analyzer wants Annex K of C11, which the C library has not, and does not
# see that g_autofree frees.
tidy=-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
tidy=$tidy,-clang-analyzer-unix.Malloc

# shellcheck disable=SC2086 # lists of names without blanks
{
  check shellcheck $scripts
  check clang-format --dry-run -Werror $sources
  check codespell --quiet-level 3 --ignore-words-list fromat,sorce,nd $texts \
    configure.ac Makefile.am bootstrap ./*.md
  check mandoc -T lint -W warning man/*.[157]
  check cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -Isrc \
    --library=gtk --enable=warning,portability,performance --inline-suppr \
    --suppress=missingIncludeSystem -DDSP_PKGDATADIR='""' src
  check clang-tidy --quiet --warnings-as-errors='*' --checks=$tidy \
    $units -- "$@"
}
exit $status
