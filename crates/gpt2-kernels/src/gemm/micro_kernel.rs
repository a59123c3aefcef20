//! The innermost loop of the GEMM: a tile of sums that stays in registers.

use crate::format::Format;
use crate::layout::{DEPTH, Line};
use crate::simd::{Kernel, Vector};

/// Evaluates an expression with the number of rows of a tile, 1 to 14, as a constant.
macro_rules! by_rows {
    ($rows:expr, $name:ident => $value:expr) => {
        by_rows!(@match $rows, $name => $value, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@match $rows:expr, $name:ident => $value:expr, $($count:literal)*) => {
        match $rows {
            $($count => {
                const $name: usize = $count;
                $value
            })*
            // No vector has a larger tile.
            _ => {}
        }
    };
}
pub(crate) use by_rows;

/// Adds the products of some rows of input and some panels of weights to sums. Each sum is one chain of
/// [`Format::multiply_add`] over the factors in order, whatever the shape of the tile.
pub(crate) struct MicroKernel<'a, F: Format> {
    /// One for each row of the tile, at most [`Vector::TILE_ROWS`].
    pub input: &'a [F::Row],
    /// The lines of one or two panels that belong to the factors.
    pub panels: &'a [&'a [F::Line]],
    /// Lines from the one in use to the one to prefetch. The CPU's own prefetching does not use all memory bandwidth.
    pub prefetch_distance: usize,
    /// The sum of row `r` and panel `p` is at `p · stride + r`.
    pub sums: &'a mut [Line],
    pub stride: usize,
    /// Whether the chains begin here, instead of going on from `sums`.
    pub begin: bool,
}

impl<F: Format> MicroKernel<'_, F> {
    #[inline(always)]
    pub fn add<V: Vector>(self) {
        match self.panels.len() {
            1 => self.add_rows::<V, 1>(),
            _ => self.add_rows::<V, 2>(),
        }
    }

    #[inline(always)]
    fn add_rows<V: Vector, const PANELS: usize>(self) {
        by_rows!(self.input.len(), ROWS => V::call(Tile::<F, ROWS, PANELS>(self)));
    }
}

/// [`MicroKernel`] of a shape known to the compiler, so that the sums stay in registers.
struct Tile<'a, F: Format, const ROWS: usize, const PANELS: usize>(MicroKernel<'a, F>);

impl<F: Format, const ROWS: usize, const PANELS: usize> Kernel for Tile<'_, F, ROWS, PANELS> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if const { ROWS > V::TILE_ROWS || PANELS > V::TILE_VECTORS } {
            // Never reached; this keeps the compiler from generating code for it.
            return;
        }
        let MicroKernel { input, panels, prefetch_distance, sums, stride, begin } = self.0;
        let Some((input, [])) = input.split_first_chunk::<ROWS>() else { return };
        let depth = panels[0].len().min(DEPTH);
        let mut lines: [&[F::Line]; PANELS] = [&[]; PANELS];
        for panel in 0..PANELS {
            lines[panel] = &panels[panel][..depth];
        }
        let mut tile = [[V::splat(0.0); PANELS]; ROWS];
        if !begin {
            for row in 0..ROWS {
                for panel in 0..PANELS {
                    tile[row][panel] = V::load(&sums[panel * stride + row].0);
                }
            }
        }
        for index in 0..depth {
            let mut weights = [F::load::<V>(&F::ZERO); PANELS];
            for panel in 0..PANELS {
                V::prefetch(lines[panel].as_ptr().wrapping_add(index + prefetch_distance).cast());
                weights[panel] = F::load::<V>(&lines[panel][index]);
            }
            for row in 0..ROWS {
                let factor = F::splat::<V>(F::factor(&input[row], index));
                for panel in 0..PANELS {
                    tile[row][panel] = F::multiply_add(factor, weights[panel], tile[row][panel]);
                }
            }
        }
        for row in 0..ROWS {
            for panel in 0..PANELS {
                tile[row][panel].store(&mut sums[panel * stride + row].0);
            }
        }
    }
}
