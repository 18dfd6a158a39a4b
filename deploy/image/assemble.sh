#!/bin/sh
# Puts together what is in the image beside Cufflink: assemble.sh FOLDER. Node, the libraries that it is linked with, the
# base's certificates and time zones, and what says which packages of the base they are of, for scanners. No shell, no
# package manager.
set -eu
out=$1
node=/opt/tools/node/bin/node
owned=/tmp/owned

install -D "$node" "$out/usr/local/bin/node"
install -D -m 644 /opt/tools/node/LICENSE "$out/usr/share/doc/node/LICENSE"

# A line is `NAME => PATH (ADDRESS)`, that of the loader `PATH (ADDRESS)`.
ldd "$node" | sed -n 's/^.* => \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*$/\1/p' >/tmp/libraries
while read -r library; do
  install -D "$library" "$out$library"
  dpkg --search "$(readlink -f "$library")" >>"$owned" 2>/dev/null ||
    dpkg --search "$(readlink -f "$library" | sed 's|^/usr||')" >>"$owned"
done </tmp/libraries

install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$out/usr/share"
cp -a /usr/share/zoneinfo "$out/usr/share/zoneinfo"
install -D -m 644 /etc/os-release "$out/etc/os-release"
{ echo "ca-certificates: "; echo "tzdata: "; echo "base-files: "; } >>"$owned"

# As scanners look for them in an image without a package manager, with their licences.
mkdir -p "$out/var/lib/dpkg/status.d"
sed 's/:.*//' "$owned" | sort -u | while read -r package; do
  dpkg-query --status "$package" >"$out/var/lib/dpkg/status.d/$package"
  install -D -m 644 "/usr/share/doc/$package/copyright" "$out/usr/share/doc/$package/copyright"
done

echo 'cufflink:x:65532:65532:Cufflink:/var/lib/cufflink:/nonexistent' >"$out/etc/passwd"
echo 'cufflink:x:65532:' >"$out/etc/group"
echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
# Where a runtime mounts what the kernel has.
mkdir -p "$out/etc/cufflink/components" "$out/dev" "$out/proc" "$out/sys" "$out/run"
install -d -m 1777 "$out/tmp"

# The kernel itself reads the first line: no shell is needed.
cat >"$out/usr/local/bin/cufflink" <<'PROGRAM'
#!/usr/local/bin/node --disable-sigusr1
import("/opt/cufflink/node_modules/cufflink/dist/daemon/main.js");
PROGRAM
chmod 755 "$out/usr/local/bin/cufflink"
