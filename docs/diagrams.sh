#!/bin/sh
# Draws the diagrams of docs, in light and in dark colors. Needs Graphviz.
set -eu
cd "$(dirname "$0")"
for source in *.dot; do
	name=${source%.dot}
	dot -Tsvg -o "$name-light.svg" "$source"
	sed -e 's/#1f2328/#f0f6fc/g' -e 's/#59636e/#9198a1/g' -e 's/#f6f8fa/#151b23/g' -e 's/#0969da/#1f6feb/g' \
		-e 's/#9a6700/#d29922/g' -e 's/#1a7f37/#3fb950/g' -e 's/#cf222e/#f85149/g' "$source" |
		dot -Tsvg -o "$name-dark.svg"
done
