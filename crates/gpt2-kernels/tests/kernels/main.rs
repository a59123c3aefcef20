//! The kernels against plain loops in f64, and against themselves bit for bit.

mod attention;
mod gemm;
mod norm;
mod precision;
mod support;
mod tiles;
mod vocabulary;
