#!/usr/bin/env bash
# Installs what the tests of this module run against, unless it is there: Node (as root on
# Debian) and the npm packages of package.json.
set -euo pipefail
cd "$(dirname "$0")"

bash ../../.ci/npm .

# The conformance suite needs Node 22, which Debian 12 and 13 do not have.
works() {
	PATH=$PWD/node_modules/.bin:$PATH node node_modules/@modelcontextprotocol/conformance/dist/index.js list --client >/dev/null
}
if ! works 2>/dev/null; then
	npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "node-linux-$(node -p process.arch)@22.23.3"
	touch node_modules/.package-lock.json
	works
fi
