#!/bin/sh
# Stands in for nixos-rebuild on the sandbox's machines: `build --flake path:FOLDER#ATTRIBUTE` alone. What it makes is
# real: a system in the store, a result link, lines as nix prints them. What it evaluates is not: a system is the files
# of its folder. A file stand-in.sh among them may define evaluate, fetch, build, switch and booted, which print, wait, fail
# and break things where nix would.
set -eu
lib=/usr/local/lib/stand-in
if [ "${1-}" != build ] || [ "${2-}" != --flake ]; then
  echo "stand-in: only build --flake is known" >&2
  exit 2
fi
ref=${3%%#*} attribute=${3#*#}
folder=${ref#path:} folder=${folder#git+file://}
case $folder in *\?dir=*) folder=${folder%%\?dir=*}/${folder#*\?dir=} ;; esac
exec >&2

echo "building the system configuration..."
echo "(this is the sandbox's stand-in for NixOS: nothing is evaluated, fetched or built)"
cd "$folder" || { echo "error: path '$folder' does not exist"; exit 1; }
[ -f flake.nix ] || { echo "error: source tree referenced by '$ref' does not contain a '/flake.nix' file"; exit 1; }
evaluate() { :; }
fetch() { :; }
build() { :; }
# shellcheck disable=SC1091 # the test's
[ ! -f stand-in.sh ] || . ./stand-in.sh
grep -q "\"attribute\": *\"$attribute\"" machine.json ||
  {
    echo "error: flake '$ref' does not provide attribute 'packages.x86_64-linux.nixosConfigurations.\"$attribute\".config.system.build.toplevel'," \
      "'legacyPackages.x86_64-linux.nixosConfigurations.\"$attribute\".config.system.build.toplevel' or" \
      "'nixosConfigurations.\"$attribute\".config.system.build.toplevel'"
    exit 1
  }
evaluate
# A lock that is missing is made, as nix does it.
case " $* " in
*' --no-write-lock-file '*) [ -e flake.lock ] || echo "warning: not writing modified lock file of flake '$ref'" ;;
*) [ -e flake.lock ] || echo '{}' >flake.lock ;;
esac
hash=$(find . -path ./.git -prune -o -type f ! -name flake.lock -print | sort | xargs sha256sum | sha256sum | cut -c1-32)
system=/nix/store/$hash-nixos-system-$attribute-26.05
if [ ! -e "$system" ]; then
  echo "these 2 derivations will be built:"
  echo "  /nix/store/$hash-etc.drv"
  echo "  $system.drv"
  echo "these 3 paths will be fetched (1.0 MiB download, 4.0 MiB unpacked):"
  for part in a b c; do echo "  /nix/store/$hash-$part"; done
  for part in a b c; do echo "copying path '/nix/store/$hash-$part' from 'https://cache.nixos.org'..."; done
  fetch
  echo "building '/nix/store/$hash-etc.drv'..."
  build
  echo "building '$system.drv'..."
  mkdir -p "$system.new/bin" "$system.new/configuration"
  find . -maxdepth 1 -type f -exec cp {} "$system.new/configuration" \;
  [ ! -d hooks ] || cp -r hooks "$system.new/configuration"
  cp "$lib/switch-to-configuration" "$system.new/bin/"
  echo "26.05.20260401.stand-in" >"$system.new/nixos-version"
  version=$(cat kernel 2>/dev/null || echo 6.12.1)
  mkdir -p "/nix/store/kernel-$version/lib/modules/$version"
  for part in kernel initrd kernel-modules; do ln -s "/nix/store/kernel-$version" "$system.new/$part"; done
  mv "$system.new" "$system"
fi
ln -sfn "$system" "$OLDPWD/result"
