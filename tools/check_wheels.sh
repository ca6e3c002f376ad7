#!/usr/bin/env bash
# Is there a binary wheel of every pinned requirement, for every Python that hitgraph names?
#
#   tools/check_wheels.sh            # 3.11, 3.12 and 3.13, on this platform
#   tools/check_wheels.sh 3.13
#
# Downloads the wheels, some 200 MB a Python, into a folder that is removed again. torch alone is
# only looked up in the index: its wheel takes 500 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
pip() { "${PYTHON:-python3}" -m pip --disable-pip-version-check "$@"; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -v '^torch==' constraints.txt > "$folder/requirements.txt"
torch=$(sed -n 's/^torch==//p' constraints.txt)
[ $# -gt 0 ] || set -- 3.11 3.12 3.13

for version in "$@"; do
  only=(--only-binary=:all: --python-version "$version")
  pip download --quiet "${only[@]}" --no-deps \
    --requirement "$folder/requirements.txt" --dest "$folder/$version"
  if ! pip index versions "${only[@]}" torch 2> /dev/null | grep '^Available' | grep -qwF "$torch"
  then
    echo "Python $version: no wheel of torch $torch" >&2
    exit 1
  fi
  wheels=$(find "$folder/$version" -name '*.whl' | wc -l)
  size=$(du -sh "$folder/$version" | cut -f1)
  echo "Python $version: $wheels wheels downloaded ($size), and torch $torch is in the index"
done
