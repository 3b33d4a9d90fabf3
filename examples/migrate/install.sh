#!/usr/bin/env bash
# Installs what the tests of this module run, unless it is there: Node (as root on Debian)
# and the npm packages of package.json.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../.ci/npm .
