//! Compares the kernels with plain loops in f64, and with themselves bit for bit.

mod amx;
mod attention;
mod gemm;
mod layer_norm;
mod precision;
mod support;
mod vocabulary;
