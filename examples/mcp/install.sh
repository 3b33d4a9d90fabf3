#!/usr/bin/env bash
# Installs what the tests of this module run against, unless it is there: Node (as root on
# Debian) and the npm packages of package.json.
set -euo pipefail
cd "$(dirname "$0")"

if ! type node npm >/dev/null 2>&1; then
	if ((EUID != 0)) || ! type apt-get >/dev/null 2>&1; then
		echo 'install node and npm' >&2
		exit 1
	fi
	apt-get -q update
	DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends nodejs npm
fi

# npm records in node_modules which lock file it has installed.
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
	npm ci --ignore-scripts --no-audit --no-fund
fi
# The conformance suite needs Node 22, which Debian 12 and 13 do not have.
works() {
	PATH=$PWD/node_modules/.bin:$PATH node node_modules/@modelcontextprotocol/conformance/dist/index.js list --client >/dev/null
}
if ! works 2>/dev/null; then
	npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "node-linux-$(node -p process.arch)@22.23.3"
	touch node_modules/.package-lock.json
	works
fi
