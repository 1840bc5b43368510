#!/bin/sh
# Builds tally.wasm from tally.c. On Debian 12:
#     apt-get install clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32
# CC, SYSROOT and OUT may name another clang, wasi sysroot and result.
set -eu
cd "$(dirname "$0")"
exec "${CC:-clang-16}" --target=wasm32-wasi --sysroot="${SYSROOT:-/usr}" \
    -std=c11 -Wall -Wextra -Werror -O2 -s -o "${OUT:-tally.wasm}" tally.c
