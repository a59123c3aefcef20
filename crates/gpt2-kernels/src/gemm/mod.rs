//! Rows times packed weights.

pub(crate) mod input;
pub(crate) mod product;
pub(crate) mod tile;

use std::cell::Cell;

use rayon::prelude::*;

use crate::PackedMatrix;
use crate::exponential::gelu_tanh;
use crate::format::Format;
use crate::pack::{AnyPanels, with_panels};
use crate::panels::Panels;
use crate::rectangles::{Rectangle, rectangles};
use crate::scratch::with_kept;
use crate::vector::{LANES, Line, SimdLevel, Task, Vector, padded};
use input::PackedInput;
use product::{Product, cut};

/// What becomes of a product and its bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// It is the output.
    Plain,
    /// GPT-2's `gelu_new` of it is, to 1e-6 · max(1, |x|).
    GeluTanh,
    /// It is added to what the output holds: a residual path.
    AddToOutput,
}

thread_local! {
    pub(crate) static SUMS: Cell<Vec<Line>> = Cell::default();
}

/// `output = epilogue(input · weights + bias)`, on all threads of the current Rayon pool.
///
/// Each element of the product is one chain of fused multiply-adds, from zero, over the inputs in order, then the
/// bias is added: no bit of a row depends on the other rows, the threads or the instructions.
///
/// With weights of another [`Precision`](crate::Precision) than f32 the input is rounded as they are, and
/// products of bf16 numbers are added in an order that is the same for all rows: no bit of a row depends on the other
/// rows or the threads, but it may depend on the instructions. [`SimdLevel::Avx512Bf16`] take numbers below the normal
/// range (10⁻³⁸) for 0, and so do [`SimdLevel::Amx`], which also add 32 products before they add them to a sum. An infinite input of [`Precision::Bf16x3`](crate::Precision::Bf16x3) gives no number.
///
/// # Shapes
/// - input: `[rows, inputs]`
/// - bias: `[outputs]`
/// - output: `[rows, outputs]`
///
/// # Panics
/// If a slice has another length.
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
    let (row_ranges, panel_ranges) = cut(rows, weights.count(), rayon::current_num_threads());
    let column_ranges: Vec<_> = panel_ranges
        .iter()
        .map(|panels| panels.start * LANES..weights.outputs().min(panels.end * LANES))
        .collect();
    let tiles = F::tiles(simd_level);
    with_kept(F::memory(), |memory| {
        let input = PackedInput::<F>::new(simd_level, input, rows, weights.inputs(), memory);
        let blocks = rectangles(output, weights.outputs(), &row_ranges, &column_ranges);
        blocks.into_par_iter().for_each(|output| {
            with_kept(&SUMS, |sums| {
                simd_level.run(Block { input, weights, bias, epilogue, output, sums, tiles });
            });
        });
    });
}

struct Block<'a, F: Format> {
    input: PackedInput<'a, F>,
    weights: &'a Panels<F>,
    bias: Option<&'a [f32]>,
    epilogue: Epilogue,
    output: Rectangle<'a>,
    sums: &'a mut Vec<Line>,
    tiles: Option<F::Tiles>,
}

impl<F: Format> Task for Block<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Rectangle { rows, columns, values } = self.output;
        let product = Product {
            input: self.input,
            rows: rows.clone(),
            matrix: self.weights,
            panels: columns.start / LANES..columns.end.div_ceil(LANES),
            tiles: self.tiles,
        }
        .compute::<V>(self.sums);
        let bias = self.bias.map(|bias| &bias[columns]);
        for (row, output) in values.into_iter().enumerate() {
            finish::<V>(product.iter().skip(row).step_by(rows.len()), bias, self.epilogue, output);
        }
    }
}

/// One row of a block, panel by panel.
#[inline(always)]
fn finish<'a, V: Vector>(
    product: impl Iterator<Item = &'a Line>,
    bias: Option<&[f32]>,
    epilogue: Epilogue,
    output: &mut [f32],
) {
    let mut bias = bias.map(|bias| bias.chunks(LANES));
    for (sums, output) in product.zip(output.chunks_mut(LANES)) {
        let mut value = V::load(&sums.0);
        if let Some(bias) = bias.as_mut().and_then(Iterator::next) {
            value = value.add(load::<V>(bias));
        }
        match epilogue {
            Epilogue::Plain => {}
            Epilogue::GeluTanh => value = gelu_tanh(value),
            Epilogue::AddToOutput => value = load::<V>(output).add(value),
        }
        match output.as_mut_array::<LANES>() {
            Some(output) => value.store(output),
            None => output.copy_from_slice(&value.lanes()[..output.len()]),
        }
    }
}

/// Up to sixteen numbers, then zeros.
#[inline(always)]
fn load<V: Vector>(values: &[f32]) -> V {
    match values.as_array::<LANES>() {
        Some(values) => V::load(values),
        None => V::load(&padded(values, 0.0)),
    }
}
