//! Splits a document into windows that score each of its tokens exactly once.

use std::ops::Range;

/// One forward pass over a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentWindow {
    /// The scored tokens of the document.
    pub targets: Range<usize>,
    /// The input is `stream[input_start..targets.end]`, where `stream` is the begin of text and the document. Its last
    /// `targets.len()` positions predict the targets.
    pub input_start: usize,
}

/// Windows over a document of `tokens` tokens.
///
/// The first window scores all tokens that fit after the begin of text. Each later one scores the next `stride` tokens, after as
/// many earlier tokens as fit. With `stride == context` this is lm-evaluation-harness's rolling
/// log-likelihood with `context_len = 1`, whose last window is moved back to be full.
///
/// `context` is at least 1, `stride` from 1 to `context`.
pub fn document_windows(tokens: usize, context: usize, stride: usize) -> Vec<DocumentWindow> {
    let context = context.max(1);
    let stride = stride.clamp(1, context);
    let mut windows = Vec::new();
    let mut scored = 0;
    while scored < tokens {
        let end = tokens.min(if scored == 0 { context } else { scored + stride });
        windows.push(DocumentWindow { targets: scored..end, input_start: end.saturating_sub(context) });
        scored = end;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lm_evaluation_harness_windows() {
        // get_rolling_token_windows(range(2500), prefix, max_seq_len=1024, context_len=1), checked by hand.
        let windows = document_windows(2500, 1024, 1024);
        let shown: Vec<_> = windows.iter().map(|w| (w.input_start, w.targets.clone())).collect();
        assert_eq!(shown, [(0, 0..1024), (1024, 1024..2048), (1476, 2048..2500)]);
    }

    #[test]
    fn stride_32_of_the_paper() {
        let windows = document_windows(1100, 1024, 32);
        let shown: Vec<_> = windows.iter().map(|w| (w.input_start, w.targets.clone())).collect();
        assert_eq!(shown, [(0, 0..1024), (32, 1024..1056), (64, 1056..1088), (76, 1088..1100)]);
    }

    #[test]
    fn longer_contexts_have_longer_windows() {
        // get_rolling_token_windows(range(2500), prefix, max_seq_len=2048, context_len=1), checked by hand.
        let windows = document_windows(2500, 2048, 2048);
        let shown: Vec<_> = windows.iter().map(|w| (w.input_start, w.targets.clone())).collect();
        assert_eq!(shown, [(0, 0..2048), (452, 2048..2500)]);
    }

    proptest! {
        #[test]
        fn each_token_is_predicted_exactly_once(tokens in 0usize..3000, context in 1usize..200, stride in 1usize..200) {
            let stride = stride.min(context);
            let windows = document_windows(tokens, context, stride);
            let mut next = 0;
            for (index, w) in windows.iter().enumerate() {
                prop_assert_eq!(w.targets.start, next);
                prop_assert!(!w.targets.is_empty());
                let input = w.targets.end - w.input_start;
                prop_assert!(input <= context);
                prop_assert!(w.targets.len() <= input);
                // Nothing that fits is left out, and every later window has the most context.
                prop_assert!(w.input_start == 0 || input == context);
                prop_assert!(index == 0 || w.targets.len() <= stride);
                next = w.targets.end;
            }
            prop_assert_eq!(next, tokens);
        }
    }
}
