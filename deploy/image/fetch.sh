#!/bin/sh
# Fetches a package of the npm registry into a folder of its name, up to its first dash, and checks it:
# fetch.sh NAME VERSION SHA512. apt's own helper does it, so that the base needs no curl.
set -eu
name=$1 version=$2 sha512=$3
/usr/lib/apt/apt-helper download-file "${NPM_REGISTRY:?}/$name/-/$name-$version.tgz" package.tgz "SHA512:$sha512"
mkdir "${name%%-*}"
tar --extract --gzip --file package.tgz --directory "${name%%-*}" --strip-components 1 --no-same-owner
rm package.tgz
