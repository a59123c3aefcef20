//! Dot products of bf16 numbers by AMX: registers that hold tiles of sixteen rows of 64 bytes.
#![expect(unsafe_code, reason = "stable Rust has no intrinsics for these instructions")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::mem::offset_of;
use std::sync::LazyLock;

use crate::layout::{AMX_PAIRS, AMX_ROWS, DEPTH, Line, PairLine, PairRow};

/// Permission to use AMX-TILE and AMX-BF16. A value exists only if the CPU has them and the kernel lets this process use
/// them.
#[derive(Debug, Clone, Copy)]
pub struct Amx(());

impl Amx {
    /// Requests permission from the kernel, once per process.
    pub fn find() -> Option<Self> {
        static PERMITTED: LazyLock<bool> = LazyLock::new(|| cpu_has_amx() && kernel_permits_amx());
        PERMITTED.then_some(Self(()))
    }

    /// Multiplies 1 to [`AMX_ROWS`] rows with one or two panels, and adds the dot products to `sums`. The sum of row `r`
    /// and panel `p` is at `p · stride + r`. If the sums `begin` here, they are overwritten.
    ///
    /// The panels have the same number of lines, in whole groups of [`AMX_PAIRS`]. A group is added as Intel's manual says
    /// of TDPBF16PS: the products of first numbers and those of second numbers are summed apart, both sums are added to
    /// each other and then to the sum in memory; subnormal numbers are 0. With two parts, each combination of parts is
    /// added by itself. The order does not depend on the number of rows and panels.
    ///
    /// # Panics
    /// If the number of rows, lines, panels or sums is not as described.
    #[expect(clippy::unused_self, reason = "the value is the permission")]
    pub fn add_dot_products<const PARTS: usize>(
        self,
        input: &[PairRow<PARTS>],
        panels: &[&[[PairLine; PARTS]]],
        sums: &mut [Line],
        stride: usize,
        begin: bool,
    ) {
        const { assert!(PARTS == 1 || PARTS == 2) }
        let ([first, ..], [.., second]) = (panels, panels) else { return };
        let (rows, lines) = (input.len(), first.len());
        assert!((1..=AMX_ROWS).contains(&rows) && panels.len() <= 2, "{rows} rows, {} panels", panels.len());
        assert!(
            lines == second.len() && lines.is_multiple_of(AMX_PAIRS),
            "{lines} and {} lines",
            second.len()
        );
        assert!(lines <= input[0].parts[0].len(), "{lines} lines");
        let panel = if panels.len() == 2 { stride } else { 0 };
        assert!((panel == 0 || rows <= panel) && panel + rows <= sums.len(), "{} sums", sums.len());
        // The upper half of the rows is one tile, the lower half another. Without a lower half or a second panel, the
        // first is computed twice: the sums are the same and go to the same address.
        let upper = rows.div_ceil(2);
        let (lower, start) = if rows == 1 { (1, 0) } else { (rows - upper, upper) };
        let sums = sums.as_mut_ptr();
        // SAFETY: row indices are below `rows`, and sum indices below `panel + rows`, which was asserted.
        let operands = unsafe {
            Operands {
                config: TileConfig::new(upper as u8, lower as u8),
                sums: [sums, sums.add(panel), sums.add(start), sums.add(panel + start)],
                input: [input.as_ptr().cast(), input.as_ptr().add(start).cast()],
                panels: [first.as_ptr().cast(), second.as_ptr().cast()],
                groups: lines / AMX_PAIRS,
                begin: u64::from(begin),
            }
        };
        if operands.groups > 0 {
            // SAFETY: the CPU has the instructions, see the type, and the operands are as described.
            unsafe { if PARTS == 1 { operands.add_one_part() } else { operands.add_two_parts() } }
        }
    }
}

/// The operand of LDTILECFG. Tiles 0 to 3 hold sums (of the upper rows, then of the lower rows), 4 and 5 rows of input,
/// 6 and 7 lines of panels.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_in_row: [u16; 16],
    rows: [u8; 16],
}

impl TileConfig {
    fn new(upper: u8, lower: u8) -> Self {
        let lines = AMX_PAIRS as u8;
        let (mut bytes_in_row, mut rows) = ([0; 16], [0; 16]);
        bytes_in_row[..8].fill(size_of::<Line>() as u16);
        rows[..8].copy_from_slice(&[upper, upper, lower, lower, upper, lower, lines, lines]);
        Self { palette: 1, start_row: 0, reserved: [0; 14], bytes_in_row, rows }
    }
}

/// Up to sixteen upper rows, up to sixteen lower rows, and two panels. The assembly below relies on the offset of each
/// field.
#[repr(C)]
struct Operands {
    config: TileConfig,
    /// Upper rows and first panel, upper and second, lower and first, lower and second.
    sums: [*mut Line; 4],
    input: [*const u8; 2],
    panels: [*const u8; 2],
    groups: usize,
    begin: u64,
}

const _: () = {
    assert!(size_of::<TileConfig>() == 64 && offset_of!(Operands, config) == 0);
    assert!(offset_of!(Operands, sums) == 64);
    assert!(offset_of!(Operands, input) == 96 && offset_of!(Operands, panels) == 112);
    assert!(offset_of!(Operands, groups) == 128 && offset_of!(Operands, begin) == 136);
    assert!(size_of::<[u32; AMX_PAIRS]>() == 64 && AMX_PAIRS * size_of::<PairLine>() == 1024);
    // Distance from the high parts to the low parts, in a row and in a panel.
    assert!(size_of::<[u32; DEPTH]>() == 1024 && size_of::<PairLine>() == 64);
};

/// Configures the tiles, multiplies, and releases the tiles in one piece of assembly: no code of the compiler runs while
/// tiles are in use.
macro_rules! tiles {
    ($block:expr, parts: $parts:literal, $($group:literal,)*) => {
        asm!(
            "ldtilecfg [{block}]",
            "mov {upper}, [{block} + 96]",
            "mov {lower}, [{block} + 104]",
            "mov {first}, [{block} + 112]",
            "mov {second}, [{block} + 120]",
            "mov {groups}, [{block} + 128]",
            "cmp qword ptr [{block} + 136], 0",
            "je 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "mov {sums}, [{block} + 64]",
            "tileloadd tmm0, [{sums} + {line}]",
            "mov {sums}, [{block} + 72]",
            "tileloadd tmm1, [{sums} + {line}]",
            "mov {sums}, [{block} + 80]",
            "tileloadd tmm2, [{sums} + {line}]",
            "mov {sums}, [{block} + 88]",
            "tileloadd tmm3, [{sums} + {line}]",
            "3:",
            $($group,)*
            "add {upper}, 64",
            "add {lower}, 64",
            concat!("add {first}, 1024*", $parts),
            concat!("add {second}, 1024*", $parts),
            "dec {groups}",
            "jnz 3b",
            "mov {sums}, [{block} + 64]",
            "tilestored [{sums} + {line}], tmm0",
            "mov {sums}, [{block} + 72]",
            "tilestored [{sums} + {line}], tmm1",
            "mov {sums}, [{block} + 80]",
            "tilestored [{sums} + {line}], tmm2",
            "mov {sums}, [{block} + 88]",
            "tilestored [{sums} + {line}], tmm3",
            "tilerelease",
            block = in(reg) $block,
            upper = out(reg) _,
            lower = out(reg) _,
            first = out(reg) _,
            second = out(reg) _,
            groups = out(reg) _,
            sums = out(reg) _,
            line = in(reg) size_of::<Line>(),
            lines = in(reg) size_of::<[PairLine; $parts]>(),
            row = in(reg) size_of::<PairRow<$parts>>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

impl Operands {
    /// Adds dot products of numbers of one part.
    ///
    /// # Safety
    /// The CPU has AMX-BF16 and the kernel permits it, `groups` is not 0, and `input`, `panels` and `sums` point to as many
    /// rows, lines and sums as `config` and `groups` say.
    unsafe fn add_one_part(&self) {
        // SAFETY: the caller guarantees it.
        unsafe {
            tiles!(
                self, parts: 1,
                "tileloadd tmm4, [{upper} + {row}]",
                "tileloadd tmm6, [{first} + {lines}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{second} + {lines}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
            );
        }
    }

    /// Adds dot products of numbers of two parts: low by high, high by high, high by low. Low parts follow the high parts
    /// after 1024 bytes in a row, and after one line in a panel.
    ///
    /// # Safety
    /// As for [`Self::add_one_part`].
    unsafe fn add_two_parts(&self) {
        // SAFETY: the caller guarantees it.
        unsafe {
            tiles!(
                self, parts: 2,
                "tileloadd tmm4, [{upper} + {row} + 1024]",
                "tileloadd tmm6, [{first} + {lines}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{second} + {lines}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {row} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{upper} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{lower} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{first} + {lines} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{second} + {lines} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
            );
        }
    }
}

fn cpu_has_amx() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE
}

/// Requests permission to use the tiles for all threads of this process. Kernels before 5.16 deny it, and so do kernels
/// configured to deny it.
fn kernel_permits_amx() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let result: usize;
    // SAFETY: the system call reads and writes no memory of this process.
    unsafe {
        asm!(
            "syscall",
            inout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}
