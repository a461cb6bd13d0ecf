# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced. build_in FOLDER [MESON-OPTION...]: configures and builds the source tree around this file there,
# quietly as long as it works. $SOURCE: the tree.

build_in() {
    folder=$1
    shift
    mkdir -p "$folder" || return 1
    if [ -f "$folder/build.ninja" ]; then
        # The options may be others than last time.
        set -- setup --reconfigure "$@"
    else
        set -- setup "$@"
    fi
    if ! meson "$@" "$folder" "$SOURCE" >"$folder/setup.log" 2>&1; then
        cat "$folder/setup.log" >&2
        echo "meson could not configure the build in $folder" >&2
        return 1
    fi
    if ! ninja -C "$folder" >"$folder/ninja.log" 2>&1; then
        cat "$folder/ninja.log" >&2
        echo "the build in $folder failed" >&2
        return 1
    fi
}
