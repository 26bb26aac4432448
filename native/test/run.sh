#!/bin/sh
# The pure floors of the addon under AddressSanitizer and UBSan: packets, decisions, announcements, filters. No Node, no root.
set -eu
cd "$(dirname "$0")"
out="${TMPDIR:-/tmp}/vipd-native-test.$$"
trap 'rm -f "$out"' EXIT
"${CXX:-g++}" -std=c++17 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
  -I../src -I. -o "$out" main.cc packets_test.cc decisions_test.cc announcements_test.cc filters_test.cc floods_test.cc \
  ../src/packets/*.cc ../src/decision/*.cc ../src/os/filter.cc
"$out"
