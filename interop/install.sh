#!/usr/bin/env bash
# Installs what the tests of this module run against, unless it is there: Debian packages
# (as root) and the npm packages of package.json.
set -euo pipefail
cd "$(dirname "$0")"
