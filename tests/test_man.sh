#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages have nothing that mandoc warns of.
command -v mandoc > /dev/null || exit 77
set -- "$DSP_TEST_SOURCE"/man/*.[157]
test -e "$1" || exit 77
exec mandoc -T lint -W warning "$@"
