//! The transformer block in plain tensor operations of any backend.

use std::ops::Range;

use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Shape, Slice, TensorData, try_read_sync};

use super::block::{Norm, PackedBlock, PackedLinear, Reading, asked_rows, chain};

/// [`super::block::BlockBackend::packed_transformer_block`], operation by operation.
pub(super) fn plain_block<B: Backend>(
    hidden: &FloatTensor<B>,
    block: &PackedBlock,
    reading: &Reading,
    layer: usize,
    is_last: bool,
) -> FloatTensor<B> {
    let width = block.width();
    let device = hidden.device();
    let normal = norm::<B>(hidden.clone(), &block.attention_norm, &device);
    let projected = linear::<B>(normal, &block.query_key_value, &device);
    let on_host = host_values::<B>(projected.clone());
    let mut state = reading.state();
    for new in &reading.new {
        let rows = 3 * width * new.rows.start..3 * width * new.rows.end;
        state.stretches[new.stretch].keys_of(layer).append(on_host.get(rows).unwrap_or_default());
    }

    let kept: Vec<Range<usize>> = reading
        .new
        .iter()
        .map(|new| if is_last { new.rows.end - new.asked..new.rows.end } else { new.rows.clone() })
        .filter(|rows| !rows.is_empty())
        .collect();
    let hidden = select::<B>(hidden, &kept, 0..width);
    let attended: Vec<FloatTensor<B>> = reading
        .new
        .iter()
        .zip(if is_last { asked_rows(reading) } else { reading.new.iter().map(|n| n.rows.clone()).collect() })
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(new, rows)| {
            let own = new.rows.end - rows.len()..new.rows.end;
            let segments = chain(&state.stretches, new.stretch, layer);
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for segment in segments {
                let (key, value) = segment.rows();
                keys.extend(key);
                values.extend(value);
            }
            let query = select::<B>(&projected, &[own], 0..width);
            attend::<B>(query, keys, values, block, width, &device)
        })
        .collect();
    if attended.is_empty() {
        return hidden;
    }
    let attended = B::float_cat(attended, 0);
    let middle = B::float_add(hidden, linear::<B>(attended, &block.projection, &device));
    let normal = norm::<B>(middle.clone(), &block.feed_forward_norm, &device);
    let inner = gelu_tanh::<B>(linear::<B>(normal, &block.expand, &device));
    B::float_add(middle, linear::<B>(inner, &block.contract, &device))
}

/// Attention of the last `query` tokens of a sequence to all of it.
fn attend<B: Backend>(
    query: FloatTensor<B>,
    keys: Vec<f32>,
    values: Vec<f32>,
    block: &PackedBlock,
    width: usize,
    device: &Device<B>,
) -> FloatTensor<B> {
    let rows = query.shape()[0];
    let heads = block.heads;
    let by_head = |tensor: FloatTensor<B>, length: usize| {
        let split = B::float_reshape(tensor, Shape::from([1, length, heads, width / heads]));
        B::float_swap_dims(split, 1, 2)
    };
    let length = keys.len() / width;
    let on_device = |values| B::float_from_data(TensorData::new(values, [length, width]), device);
    let options =
        AttentionModuleOptions { scale: Some(f64::from(block.scale)), softcap: None, is_causal: true };
    let attended = B::attention(
        by_head(query, rows),
        by_head(on_device(keys), length),
        by_head(on_device(values), length),
        None,
        None,
        options,
    );
    B::float_reshape(B::float_swap_dims(attended, 1, 2), Shape::from([rows, width]))
}

fn linear<B: Backend>(input: FloatTensor<B>, linear: &PackedLinear, device: &Device<B>) -> FloatTensor<B> {
    let (inputs, outputs) = (linear.weights.inputs(), linear.weights.outputs());
    let mut weights = vec![0.0; inputs * outputs];
    let mut column = vec![0.0; inputs];
    for output in 0..outputs {
        linear.weights.row(output, &mut column);
        for (input, weight) in column.iter().enumerate() {
            weights[input * outputs + output] = *weight;
        }
    }
    let weights = B::float_from_data(TensorData::new(weights, [inputs, outputs]), device);
    let bias = B::float_from_data(TensorData::new(linear.bias.clone(), [1, outputs]), device);
    let product = B::float_matmul(input, weights);
    B::float_add(product, bias)
}

fn norm<B: Backend>(input: FloatTensor<B>, norm: &Norm, device: &Device<B>) -> FloatTensor<B> {
    let vector =
        |values: &Vec<f32>| B::float_from_data(TensorData::new(values.clone(), [1, values.len()]), device);
    let centred = B::float_sub(input.clone(), B::float_mean_dim(input, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, norm.epsilon.into()));
    B::float_add(B::float_mul(B::float_div(centred, deviation), vector(&norm.gamma)), vector(&norm.beta))
}

/// `gelu_new`: x · sigmoid(2·√(2/π)·(x + 0.044715·x³)).
fn gelu_tanh<B: Backend>(input: FloatTensor<B>) -> FloatTensor<B> {
    let factor = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let square = B::float_mul(input.clone(), input.clone());
    let inner = B::float_add_scalar(B::float_mul_scalar(square, (0.044_715 * factor).into()), factor.into());
    B::float_mul(input.clone(), B::sigmoid(B::float_mul(inner, input)))
}

/// Some rows and columns, one behind the other.
fn select<B: Backend>(
    tensor: &FloatTensor<B>,
    rows: &[Range<usize>],
    columns: Range<usize>,
) -> FloatTensor<B> {
    let slice = |range: &Range<usize>| Slice::from(range.clone());
    let parts = rows.iter().map(|rows| B::float_slice(tensor.clone(), &[slice(rows), slice(&columns)]));
    B::float_cat(parts.collect(), 0)
}

fn host_values<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = try_read_sync(B::float_into_data(tensor)).and_then(Result::ok);
    data.and_then(|data| data.try_into_vec().ok()).unwrap_or_default()
}
