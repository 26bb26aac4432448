#!/bin/sh
# libFuzzer on the frame parser, the decision table and the builders: fuzz.sh [seconds]. Needs clang and libclang-rt-dev.
set -eu
cd "$(dirname "$0")"
out="${TMPDIR:-/tmp}/vipd-native-fuzz.$$"
trap 'rm -f "$out"' EXIT
clang++ -std=c++17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I../src -I. \
  -o "$out" fuzz.cc ../src/packets/*.cc ../src/decision/*.cc ../src/os/filter.cc
"$out" -artifact_prefix="${TMPDIR:-/tmp}/vipd-native-fuzz-" -max_len=1600 -max_total_time="${1:-60}"
