#!/usr/bin/env bash
# Runs the tests of crates/gpt2-kernels on an emulated CPU with AMX-BF16 (Bochs as a Sapphire Rapids, under Debian's cloud
# kernel), and fails if they fail. For x86-64 Debian 12 or later, as root or with sudo. Takes about 15 minutes on two
# cores the first time, 5 thereafter. Not part of the gate.
#
#   tests/amx/run.sh [arguments of the test binary, such as --test-threads=1 tiles]
#
# Installs g++, make, cpio, genisoimage, isolinux and syslinux-common. Downloads Bochs' sources, its BIOS and the kernel
# from Debian 13 into $AMX_WORK (default: /tmp/gpt2-eval-amx) and builds Bochs there. Nothing of Debian 13 is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
work=${AMX_WORK:-/tmp/gpt2-eval-amx}
mkdir -p "$work" && cd "$work"

step() { printf '\n=== %s (%s)\n' "$1" "$(date -u +%H:%M:%S)"; }

install_tools() {
    local as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    $as_root apt-get update -q
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends \
        g++ make cpio genisoimage isolinux syslinux-common
}

# Sets apt up for Debian 13, in this folder only, from the mirror that this machine uses.
use_debian_13() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
    mkdir -p apt/lists/partial apt/archives/partial
    : >apt/status
    for kind in deb deb-src; do
        echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
    done >apt/sources.list
    cat >apt/apt.conf <<EOF
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
APT::Sandbox::User "";
EOF
    export APT_CONFIG=$work/apt/apt.conf
    apt-get update -q
}

# Patches what Bochs 3.0 lacks or gets wrong. Linux uses tiles only on CPUs with XFD (extended feature disable): the first
# instruction on tiles traps, and the kernel then makes room for their state.
patch_bochs() {
    cd "$1/cpu"
    # XFD: two registers, two bits of CPUID, and the trap.
    sed -i '/Bit32u xcr0_suppmask, ia32_xss_suppmask;/a\  Bit64u ia32_xfd, ia32_xfd_err;' cpu.h
    sed -i '/^  BX_CPU_THIS_PTR msr.ia32_xss = 0;/a\  BX_CPU_THIS_PTR ia32_xfd = BX_CPU_THIS_PTR ia32_xfd_err = 0;' init.cc
    sed -i -e '/::handle_unknown_rdmsr(/,/^}/s/^{$/&\
  if (index == BX_MSR_IA32_XFD) { *msr = BX_CPU_THIS_PTR ia32_xfd; return true; }\
  if (index == BX_MSR_IA32_XFD_ERROR) { *msr = BX_CPU_THIS_PTR ia32_xfd_err; return true; }/' \
        -e '/::handle_unknown_wrmsr(/,/^}/s/^{$/&\
  if (index == BX_MSR_IA32_XFD) { BX_CPU_THIS_PTR ia32_xfd = val_64; handleAvxModeChange(); return true; }\
  if (index == BX_MSR_IA32_XFD_ERROR) { BX_CPU_THIS_PTR ia32_xfd_err = val_64; return true; }/' msr.cc
    sed -i -e '/leaf->eax |= (1<<3);/a\    leaf->eax |= (1<<4);' \
        -e '/leaf->ecx = (cpu->ia32_xss_suppmask & (1 << subfunction)) != 0;/a\      if (subfunction == xcr0_t::BX_XCR0_XTILEDATA_BIT) leaf->ecx |= (1<<2);' cpuid.cc
    sed -i -e 's/^  if (! long64_mode() || ! BX_CPU_THIS_PTR cr4.get_OSXSAVE() ||$/& (BX_CPU_THIS_PTR ia32_xfd \& BX_XCR0_XTILEDATA_MASK) ||/' \
        -e '/::BxNoAMX(/,/^}/s/^  BX_ASSERT(0);$/  BX_CPU_THIS_PTR ia32_xfd_err |= BX_XCR0_XTILEDATA_MASK;\
  exception(BX_NM_EXCEPTION, 0);/' proc_ctrl.cc
    # XSAVE, with which the kernel switches threads: Bochs takes tiles in use for unused, swaps rows and bytes of the
    # configuration, and leaves out half of the rows.
    sed -i -e '/::xsave_tiledata_state_xinuse(/,/^}/s/tile_use_tracker == 0);.*/tile_use_tracker != 0) \&\& ! (BX_CPU_THIS_PTR ia32_xfd \& BX_XCR0_XTILEDATA_MASK);/' \
        -e '/::x\(save\|rstor\)_tiledata_state(/,/^}/s/row < BX_TILE_REGISTERS/row < BX_TILE_MAX_ROWS/' \
        -e '/::xsave_tilecfg_state(/,/^}/{s/tilecfg\[n\].rows/tilecfg[n].OTHER/;s/tilecfg\[n\].bytes_per_row/tilecfg[n].rows/;s/OTHER/bytes_per_row/}' xsave.cc
    # VDPBF16PS: its memory operand is a vector, and a short displacement counts vectors.
    sed -i '/BX_IA_EVEX_VDPBF16PS_/s/OP_mVdq32/OP_mVdq/' decoder/ia_opcodes_evex.def
    cd "$work"
}

build_bochs() {
    # A mirror may lack the file that describes the sources. apt checks the checksum of the sources without it too.
    apt-get source -q --download-only bochs || ls bochs_3.0*.orig.tar.*
    tar -xf bochs_3.0*.orig.tar.*
    patch_bochs bochs-3.0
    cd bochs-3.0
    ./configure --with-nogui --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex --enable-amx --enable-pci \
        --enable-long-phy-address --enable-all-optimizations --disable-debugger --disable-debugger-gui \
        --disable-docbook >configure.log
    make -j"$(nproc)" >make.log 2>&1
    cd "$work"
}

fetch_kernel_and_bios() {
    local kernel
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
    apt-get download -q bochsbios vgabios "$kernel"
    for package in bochsbios_*.deb vgabios_*.deb "$kernel"_*.deb; do
        dpkg -x "$package" root
    done
}

build_tests() {
    mkdir -p initial iso
    rustc --edition 2024 -O -C target-feature=+crt-static -o initial/init "$here/init.rs"
    # A target directory of its own: in the workspace's, the flags would rebuild every dependency.
    local tests
    tests=$(CARGO_TARGET_DIR=$work/target RUSTFLAGS="-C target-feature=+crt-static" \
        cargo test --release --locked --manifest-path "$repository/Cargo.toml" --package gpt2-kernels \
        --target x86_64-unknown-linux-gnu --no-run --test kernels 2>&1 |
        tee /dev/stderr | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    cp "$tests" initial/kernels
    strip initial/*
    (cd initial && printf 'init\nkernels\n' | cpio -o -H newc --quiet | gzip -1) >iso/initrd.gz
}

# Passes its arguments to the test binary.
run_tests() {
    cp root/boot/vmlinuz-* iso/vmlinuz
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 iso/
    cat >iso/isolinux.cfg <<EOF
default linux
label linux
  kernel /vmlinuz
  append initrd=/initrd.gz console=ttyS0 rdinit=/init panic=-1 acpi=off mitigations=off tsc=reliable -- $*
EOF
    genisoimage -quiet -o boot.iso -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table iso
    cat >bochsrc <<EOF
config_interface: textconfig
display_library: nogui
cpu: model=sapphire_rapids, count=1, ips=100000000, ignore_bad_msrs=1, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=$work/root/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$work/root/usr/share/vgabios/vgabios.bin
pci: enabled=1, chipset=i440fx
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.txt
speaker: enabled=0
panic: action=fatal
error: action=ignore
info: action=ignore
log: bochs.txt
EOF
    rm -f serial.txt
    bochs-3.0/bochs -q -f bochsrc </dev/null >bochs.out 2>&1 &
    local bochs=$! second=0
    trap 'kill '$bochs' 2>/dev/null || true' EXIT
    until grep -aqs -e 'the tests ended' -e 'Kernel panic' serial.txt || [ $((second += 1)) -gt 3600 ]; do
        kill -0 $bochs 2>/dev/null || break
        sleep 1
    done
    sleep 2
    grep -a -A 100000 'Run /init' serial.txt || tail -n 20 serial.txt bochs.txt
    grep -aq 'the tests ended with exit status: 0' serial.txt
}

step "Tools"
install_tools
step "Debian 13's lists, beside this machine's own"
use_debian_13
step "Bochs"
[ -x bochs-3.0/bochs ] || build_bochs
step "Kernel and BIOS"
[ -e root/usr/share/vgabios/vgabios.bin ] || fetch_kernel_and_bios
step "Tests"
build_tests
step "The tests, on the emulated CPU"
run_tests "${@:---test-threads=2}"
