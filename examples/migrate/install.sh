#!/usr/bin/env bash
# Installs what the tests of this module run, unless it is there: Node (as root on Debian)
# and the npm packages of package.json.
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
