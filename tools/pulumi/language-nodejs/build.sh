#!/bin/sh
# Builds the language host: build.sh OUTPUT
set -eu
cd "$(dirname "$0")"
source=$(go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)/nodejs/cmd/pulumi-language-nodejs
[ -d "$source" ] || { go mod download github.com/pulumi/pulumi/sdk/v3; source=$(go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)/nodejs/cmd/pulumi-language-nodejs; }
build=$(mktemp -d ./build-XXXXXX)
trap 'rm -rf "$build"' EXIT INT TERM
for file in "$source"/*.go; do
  case $file in *_test.go) ;; *) cp "$file" "$build/" && chmod u+w "$build/$(basename "$file")" ;; esac
done
cp host/options.go "$build/"
go build -trimpath -ldflags "-s -w" -o "$1" "$build"
