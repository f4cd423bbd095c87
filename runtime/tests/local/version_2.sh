#!/bin/sh
# Runs the tests of the local backend on a host with control groups of version 2 only: a Debian guest under QEMU
# (software emulation, about six minutes). Needs root and: apt-get install -y mmdebstrap qemu-system-x86 cpio e2fsprogs
# Arguments choose tests, as for the test program itself. The guest has no network but its own.
set -eu
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program=$(cargo test -p rebar-runtime --test local --no-run --message-format=json 2>/dev/null |
  sed -n 's/.*"name":"local".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
# Leaves the image in the cache, from where the guest gets it.
"$program" life::a_stale_writer
temporary="$(dirname "$program")/../../tmp"

packages=busybox-static,ca-certificates,dbus,iproute2,kmod,linux-image-cloud-amd64,nftables,procps,systemd,systemd-sysv
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/root" ${REBAR_DEBIAN_MIRROR:-}
kernel=$(basename "$work"/root/usr/lib/modules/*)

mkdir -p "$work/root/cache/images" "$work/root$(realpath "$temporary")" "$work/start/bin" "$work/start/modules"
find "$temporary/rebar-local/cache/images" -mindepth 1 -maxdepth 1 -type d ! -name '*.partial' \
  -exec cp -a {} "$work/root/cache/images/" \;
cp "$program" "$work/root/tests"
# Only looked for: the image is in the cache.
ln -s /bin/false "$work/root/usr/bin/mmdebstrap"

cat > "$work/root/go.sh" <<GUEST
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RUST_BACKTRACE=0
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
modprobe -a overlay bridge veth nf_tables nft_masq nft_chain_nat
REBAR_TEST_CACHE=/cache REBAR_TEST_NODES=3 REBAR_TEST_REQUIRE_ALL=1 /tests ${*:-life truth two_deploys second foreign collisions broken many}
echo "tests ended with \$?"
sync
echo o > /proc/sysrq-trigger
sleep 10
GUEST
cat > "$work/start/init" <<'GUEST'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev /new
/bin/busybox mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
  /bin/busybox insmod /modules/$module.ko
done
while ! [ -b /dev/vda ]; do /bin/busybox sleep 1; done
/bin/busybox mount -t ext4 /dev/vda /new
/bin/busybox mount -o move /dev /new/dev
exec /bin/busybox switch_root /new /go.sh
GUEST
chmod +x "$work/root/go.sh" "$work/start/init"
cp "$work/root/bin/busybox" "$work/start/bin/"
find "$work/root/usr/lib/modules/$kernel/kernel/drivers" -name 'virtio*.ko' -exec cp {} "$work/start/modules/" \;
(cd "$work/start" && find . | cpio --quiet -o -H newc | gzip -1) > "$work/start.gz"
truncate -s 4G "$work/disk"
mke2fs -q -t ext4 -d "$work/root" "$work/disk"

timeout 1800 qemu-system-x86_64 -accel tcg,thread=multi -smp 2 -m 2500 -nographic -no-reboot -nic none \
  -kernel "$work/root/boot/vmlinuz-$kernel" -initrd "$work/start.gz" -append 'console=ttyS0 quiet panic=5' \
  -drive "file=$work/disk,if=virtio,format=raw" < /dev/null | tee "$work/log"
grep -q 'tests ended with 0' "$work/log"
