#!/usr/bin/env bash
# Installs what the tests of this module run against, unless it is there: Debian packages
# (as root) and the npm packages of package.json.
set -euo pipefail
cd "$(dirname "$0")"

# has reports whether a program or a file is there. Servers are not in the path of every
# user.
has() { PATH=$PATH:/usr/sbin type "$1" >/dev/null 2>&1 || [[ -e $1 ]]; }

missing=''
# need adds the Debian package $1 to the missing ones, unless the system has $2.
need() {
	has "$2" || missing+=" $1"
}
need nginx-light nginx
need libnginx-mod-nchan /usr/lib/nginx/modules/ngx_nchan_module.so
need haproxy haproxy

if [[ -n $missing ]]; then
	if ((EUID != 0)) || ! has apt-get; then
		echo "install these Debian packages or what they contain:$missing" >&2
		exit 1
	fi
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then # the packages would start servers on port 80
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	apt-get -q update
	DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing
fi

bash ../.ci/npm .

# aimock needs Node 20.15. Debian 12 has Node 18, with which it does not start.
node=node_modules/.bin/node
[[ -x $node ]] || node=node
if ! "$node" node_modules/@copilotkit/aimock/dist/cli.js --help >/dev/null 2>&1; then
	npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund "node-linux-$(node -p process.arch)@20.20.2"
	touch node_modules/.package-lock.json
fi
