#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library defines no external name but dsp_*, and calls nothing that prints
# or ends the process.
set -eu
library=$DSP_TEST_BUILD/.libs/libdspsim.a
command -v nm > /dev/null && test -f "$library" || exit 77

foreign=$(nm -g --defined-only "$library" |
  awk 'NF == 3 && $3 !~ /^(dsp_|__odr_asan)/ { print $3 }')
forbidden=$(nm -u "$library" | awk '
  $2 ~ /^(_exit|abort|exit|g_log|g_message|g_print|g_printerr|perror|printf)$/ ||
  $2 ~ /^(putchar|puts|stderr|stdin|stdout|vprintf|__printf_chk)$/ {
    print $2
  }' | sort -u)
test -z "$foreign" || echo "external but not dsp_*: $foreign"
test -z "$forbidden" || echo "prints or exits: $forbidden"
test -z "$foreign$forbidden"
