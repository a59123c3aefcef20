//! Products of bf16 numbers by AMX: tiles of sixteen rows of 64 bytes, in registers of their own.
#![expect(unsafe_code, reason = "instructions without intrinsics in stable Rust")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::mem::offset_of;
use std::sync::LazyLock;

use super::{Line, MATRIX_PAIRS, MATRIX_ROWS, PairLine, PairRow};
use crate::gemm::tile::DEPTH;

/// The right to use AMX-TILE and AMX-BF16: a value exists only where the processor has them and the system lets this
/// process use them.
#[derive(Debug, Clone, Copy)]
pub struct Tiles(());

impl Tiles {
    /// The right, if it is to be had. The system is asked once.
    pub fn find() -> Option<Self> {
        static PERMITTED: LazyLock<bool> = LazyLock::new(|| processor_has_them() && system_permits_them());
        PERMITTED.then_some(Self(()))
    }

    /// Adds the products of 1 to [`MATRIX_ROWS`] rows and one or two panels to `sums`, where that of row `r` and panel
    /// `p` is at `p · stride + r`, or puts them there if the sums `begin` here.
    ///
    /// The panels have the same number of lines, whole groups of [`MATRIX_PAIRS`]. The products of a group are added as
    /// Intel's manual says for TDPBF16PS (those of first and of second numbers apart, then to each other, then to the
    /// sum; numbers below the normal range are 0), part by part: that is the same for any number of rows and panels.
    ///
    /// # Panics
    /// If there are other numbers of rows or lines, more panels, or too few sums.
    #[expect(clippy::unused_self, reason = "it is the right to do this")]
    pub fn add<const PARTS: usize>(
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
        assert!(
            (1..=MATRIX_ROWS).contains(&rows) && panels.len() <= 2,
            "{rows} rows, {} panels",
            panels.len()
        );
        assert!(
            lines == second.len() && lines.is_multiple_of(MATRIX_PAIRS),
            "{lines} and {} lines",
            second.len()
        );
        assert!(lines <= input[0].parts[0].len(), "{lines} lines");
        let panel = if panels.len() == 2 { stride } else { 0 };
        assert!((panel == 0 || rows <= panel) && panel + rows <= sums.len(), "{} sums", sums.len());
        // Half of the rows are one tile, the rest another. Where there is no second half, or no second panel, the first
        // takes its place once more: it comes to the same sums, which go to the same place.
        let upper = rows.div_ceil(2);
        let (lower, start) = if rows == 1 { (1, 0) } else { (rows - upper, upper) };
        let sums = sums.as_mut_ptr();
        // SAFETY: all rows are below `rows`, and all sums of the panel `panel + rows`, which was asserted.
        let block = unsafe {
            Block {
                configuration: Configuration::new(upper as u8, lower as u8),
                sums: [sums, sums.add(panel), sums.add(start), sums.add(panel + start)],
                input: [input.as_ptr().cast(), input.as_ptr().add(start).cast()],
                panels: [first.as_ptr().cast(), second.as_ptr().cast()],
                groups: lines / MATRIX_PAIRS,
                begin: u64::from(begin),
            }
        };
        if block.groups > 0 {
            // SAFETY: the processor has the instructions, see the type, and the block is as they need it.
            unsafe { if PARTS == 1 { block.add_whole() } else { block.add_in_parts() } }
        }
    }
}

/// What LDTILECFG reads: tiles 0 to 3 are sums (of the upper rows, then of the lower), 4 and 5 rows of input, 6 and 7
/// lines of panels.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_in_row: [u16; 16],
    rows: [u8; 16],
}

impl Configuration {
    fn new(upper: u8, lower: u8) -> Self {
        let lines = MATRIX_PAIRS as u8;
        let (mut bytes_in_row, mut rows) = ([0; 16], [0; 16]);
        bytes_in_row[..8].fill(size_of::<Line>() as u16);
        rows[..8].copy_from_slice(&[upper, upper, lower, lower, upper, lower, lines, lines]);
        Self { palette: 1, start_row: 0, reserved: [0; 14], bytes_in_row, rows }
    }
}

/// Up to sixteen rows, up to sixteen more, and two panels. The code below knows where each field is.
#[repr(C)]
struct Block {
    configuration: Configuration,
    /// Upper rows and first panel, upper and second, lower and first, lower and second.
    sums: [*mut Line; 4],
    input: [*const u8; 2],
    panels: [*const u8; 2],
    groups: usize,
    begin: u64,
}

const _: () = {
    assert!(size_of::<Configuration>() == 64 && offset_of!(Block, configuration) == 0);
    assert!(
        offset_of!(Block, sums) == 64 && offset_of!(Block, input) == 96 && offset_of!(Block, panels) == 112
    );
    assert!(offset_of!(Block, groups) == 128 && offset_of!(Block, begin) == 136);
    assert!(size_of::<[u32; MATRIX_PAIRS]>() == 64 && MATRIX_PAIRS * size_of::<PairLine>() == 1024);
    // From the high parts of a row to its low parts, and the same in a panel.
    assert!(size_of::<[u32; DEPTH]>() == 1024 && size_of::<PairLine>() == 64);
};

/// One piece of code that configures the tiles, multiplies, and releases them: nothing that the compiler makes runs
/// with tiles in use.
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

impl Block {
    /// Numbers of one part.
    ///
    /// # Safety
    /// There is AMX-BF16, `groups` is not 0, and `input`, `panels` and `sums` point to as many rows, lines of one part
    /// and sums as the configuration and `groups` say.
    unsafe fn add_whole(&self) {
        // SAFETY: the caller sees to it.
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

    /// Numbers of two parts: low times high, high times high, high times low. Low parts are 1024 bytes behind the high
    /// ones in a row, a line behind them in a panel.
    ///
    /// # Safety
    /// As for [`Self::add_whole`], with lines of two parts.
    unsafe fn add_in_parts(&self) {
        // SAFETY: the caller sees to it.
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

/// Whether the processor names AMX-TILE and AMX-BF16 among its features.
fn processor_has_them() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (BF16 | TILE) == BF16 | TILE
}

/// Asks Linux for the right to use the tiles, which is then this process's, with all threads. Kernels before 5.16, and
/// those that were told not to, deny it.
fn system_permits_them() -> bool {
    const ARCH_PRCTL: usize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let result: usize;
    // SAFETY: the call reads and writes no memory of this process.
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
