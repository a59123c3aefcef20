//! The innermost loop: a tile of sums that stays in registers.

use crate::format::Format;
use crate::vector::{Line, Task, Vector};

/// Factors of a row that are multiplied before the sums go back to memory: so many lines of a panel fit the
/// first-level cache. (Inputs in f32, pairs of inputs in bf16.)
pub const DEPTH: usize = 256;

/// Up to [`DEPTH`] factors of one row, at a distance from the next row that the compiler knows (no register holds it)
/// and that spreads the rows over the sets of the cache (17 lines, not 16).
pub type InputRow = [f32; DEPTH + 16];

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

/// Sums for some rows of input and some panels of weights; each sum is one chain of [`Format::multiply_add`] over the
/// factors in order, whatever the shape of the tile.
pub struct TileSums<'a, F: Format> {
    /// One for each row of the tile.
    pub input: &'a [F::Row],
    /// Lines of each panel for the same inputs; one or two panels.
    pub panels: &'a [&'a [F::Line]],
    /// Where the sums are: that of row `r` and panel `p` at `p · stride + r`.
    pub sums: &'a mut [Line],
    /// How many lines behind those of a panel the lines are that will be needed next: each is asked for when its
    /// counterpart is used, since what the processor foresees by itself falls short of what memory can deliver.
    pub ahead: usize,
    /// From one panel to the next in `sums`.
    pub stride: usize,
    /// Whether the chains begin here, or go on from what `sums` holds.
    pub begin: bool,
}

impl<F: Format> TileSums<'_, F> {
    /// Adds the products.
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

/// [`TileSums`] of a shape that the compiler knows, so that it keeps them in registers.
struct Tile<'a, F: Format, const ROWS: usize, const PANELS: usize>(TileSums<'a, F>);

impl<F: Format, const ROWS: usize, const PANELS: usize> Task for Tile<'_, F, ROWS, PANELS> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if const { ROWS > V::TILE_ROWS || PANELS > V::TILE_VECTORS } {
            // Never asked for; nothing is compiled for it.
            return;
        }
        let TileSums { input, panels, ahead, sums, stride, begin } = self.0;
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
                V::prefetch(lines[panel].as_ptr().wrapping_add(index + ahead).cast());
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
