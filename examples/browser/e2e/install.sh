#!/usr/bin/env bash
# Installs Chromium, which the tests of this module drive, unless it is there. Without it,
# the tests are skipped.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
	if type "$name" >/dev/null 2>&1; then exit 0; fi
done
if ((EUID != 0)) || ! type apt-get >/dev/null 2>&1; then
	echo 'there is no Chromium; the tests that drive it are skipped' >&2
	exit 0
fi
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends chromium
