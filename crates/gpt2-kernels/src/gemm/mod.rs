//! GEMM with packed weights: the matrix is cut into tiles, which tasks compute block by block.

mod block;
mod micro_kernel;
mod packed_input;

use std::cell::Cell;

use rayon::prelude::*;

pub(crate) use block::{Block, MAX_ROWS};
pub(crate) use micro_kernel::{MicroKernel, by_rows};
pub(crate) use packed_input::PackedInput;

use crate::exponential::gelu_tanh;
use crate::format::Format;
use crate::layout::{LANES, Line, padded};
use crate::packed_matrix::{AnyPanels, PackedMatrix, with_panels};
use crate::panels::Panels;
use crate::parallel::{MatrixTile, matrix_tiles, with_scratch};
use crate::simd::{Kernel, SimdLevel, Vector};

/// What [`gemm`] does with the matrix product and its bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// `output = input · weights + bias`.
    Plain,
    /// `output = gelu_new(input · weights + bias)`, GPT-2's activation, within 1e-6 · max(1, |x|) of the exact value.
    GeluTanh,
    /// `output += input · weights + bias`: a residual connection.
    AddToOutput,
}

thread_local! {
    /// A thread's memory for sums.
    pub(crate) static SUMS: Cell<Vec<Line>> = Cell::default();
}

/// `output = epilogue(input · weights + bias)`, on all threads of the current Rayon pool.
///
/// Each element is one chain of fused multiply-adds over the inputs in order, starting at zero; then the bias is added. So
/// no bit of a row depends on the other rows, the threads or the SIMD level.
///
/// With weights in bf16 (see [`Precision`](crate::Precision)) the input is rounded as the weights are, and the order of the
/// sums may depend on the SIMD level, but not on the other rows or the threads. [`SimdLevel::Avx512Bf16`] and
/// [`SimdLevel::Amx`] take subnormal numbers for 0, and [`SimdLevel::Amx`] adds 32 products before it adds them to a sum.
/// An infinite input of [`Precision::Bf16x3`](crate::Precision::Bf16x3) gives NaN.
///
/// # Shapes
/// - `input`: `[rows, inputs]`
/// - `weights`: `[inputs, outputs]`
/// - `bias`: `[outputs]`
/// - `output`: `[rows, outputs]`
///
/// # Panics
/// If the length of a slice does not match its shape.
pub fn gemm(
    simd_level: SimdLevel,
    input: &[f32],
    rows: usize,
    weights: &PackedMatrix,
    bias: Option<&[f32]>,
    epilogue: Epilogue,
    output: &mut [f32],
) {
    assert_eq!(input.len(), rows * weights.inputs(), "input: {rows} × {}", weights.inputs());
    assert_eq!(output.len(), rows * weights.outputs(), "output: {rows} × {}", weights.outputs());
    assert!(bias.is_none_or(|bias| bias.len() == weights.outputs()), "bias: {}", weights.outputs());
    with_panels!(weights.panels(), weights => {
        gemm_panels(simd_level, input, rows, weights, bias, epilogue, output);
    });
}

fn gemm_panels<F: Format>(
    simd_level: SimdLevel,
    input: &[f32],
    rows: usize,
    weights: &Panels<F>,
    bias: Option<&[f32]>,
    epilogue: Epilogue,
    output: &mut [f32],
) {
    if output.is_empty() {
        return;
    }
    let (row_ranges, panel_ranges) = block::cut(rows, weights.count(), rayon::current_num_threads());
    let column_ranges: Vec<_> = panel_ranges
        .iter()
        .map(|panels| panels.start * LANES..weights.outputs().min(panels.end * LANES))
        .collect();
    let amx = F::amx(simd_level);
    with_scratch(F::scratch(), |memory| {
        let input = PackedInput::<F>::new(simd_level, input, rows, weights.inputs(), memory);
        let tiles = matrix_tiles(output, weights.outputs(), &row_ranges, &column_ranges);
        tiles.into_par_iter().for_each(|output| {
            with_scratch(&SUMS, |sums| {
                simd_level.run(TileTask { input, weights, bias, epilogue, output, sums, amx });
            });
        });
    });
}

/// Computes one tile of the output.
struct TileTask<'a, F: Format> {
    input: PackedInput<'a, F>,
    weights: &'a Panels<F>,
    bias: Option<&'a [f32]>,
    epilogue: Epilogue,
    output: MatrixTile<'a>,
    sums: &'a mut Vec<Line>,
    amx: Option<F::Amx>,
}

impl<F: Format> Kernel for TileTask<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let MatrixTile { rows, columns, values } = self.output;
        let product = Block {
            input: self.input,
            rows: rows.clone(),
            matrix: self.weights,
            panels: columns.start / LANES..columns.end.div_ceil(LANES),
            amx: self.amx,
        }
        .multiply::<V>(self.sums);
        let bias = self.bias.map(|bias| &bias[columns]);
        for (row, output) in values.into_iter().enumerate() {
            finish_row::<V>(product.iter().skip(row).step_by(rows.len()), bias, self.epilogue, output);
        }
    }
}

/// Adds the bias to one row of a tile and applies the epilogue.
#[inline(always)]
fn finish_row<'a, V: Vector>(
    product: impl Iterator<Item = &'a Line>,
    bias: Option<&[f32]>,
    epilogue: Epilogue,
    output: &mut [f32],
) {
    let mut bias = bias.map(|bias| bias.chunks(LANES));
    for (sums, output) in product.zip(output.chunks_mut(LANES)) {
        let mut value = V::load(&sums.0);
        if let Some(bias) = bias.as_mut().and_then(Iterator::next) {
            value = value.add(load_padded::<V>(bias));
        }
        match epilogue {
            Epilogue::Plain => {}
            Epilogue::GeluTanh => value = gelu_tanh(value),
            Epilogue::AddToOutput => value = load_padded::<V>(output).add(value),
        }
        match output.as_mut_array::<LANES>() {
            Some(output) => value.store(output),
            None => output.copy_from_slice(&value.to_array()[..output.len()]),
        }
    }
}

/// Up to sixteen numbers, then zeros.
#[inline(always)]
fn load_padded<V: Vector>(values: &[f32]) -> V {
    match values.as_array::<LANES>() {
        Some(values) => V::load(values),
        None => V::load(&padded(values, 0.0)),
    }
}
