//! Which of a sample's requests are alternatives to each other.

/// The places of context and target.
type Request = (Option<usize>, Option<usize>);

/// Requests as (context, target), each by the place of its text: how many consecutive ones are a set of candidates.
///
/// A run directory does not say it, but the requests show it: candidates are different targets behind one context
/// (the Children's Book Test), or one target behind different contexts (partial scores of Winograd schemas). Requests that
/// are neither are one set all the same, for no task asks them for nothing.
pub(super) fn sets(requests: &[Request]) -> Vec<usize> {
    let mut sizes: Vec<usize> = Vec::new();
    let mut rest = requests;
    while let [first, others @ ..] = rest {
        let same_context = run(first, others, |other, before| {
            other.0 == first.0 && before.iter().all(|known| known.1 != other.1)
        });
        let same_target = run(first, others, |other, before| {
            other.1 == first.1 && before.iter().all(|known| known.0 != other.0)
        });
        let size = same_context.max(same_target);
        sizes.push(size);
        rest = &rest[size..];
    }
    // Singles side by side belong together.
    sizes
        .into_iter()
        .fold((Vec::new(), false), |(mut sets, was_single), size| {
            match sets.last_mut() {
                Some(last) if was_single && size == 1 => *last += 1,
                _ => sets.push(size),
            }
            (sets, size == 1)
        })
        .0
}

/// `first` and how many of `others` behind it fit, given all that stand before each.
fn run(first: &Request, others: &[Request], fits: impl Fn(&Request, &[Request]) -> bool) -> usize {
    let mut taken = vec![*first];
    for other in others {
        if !fits(other, &taken) {
            break;
        }
        taken.push(*other);
    }
    taken.len()
}

/// The place of the highest score, the first of equals, and its share: the probability that it is the one that was
/// meant, if it is one of them and all were as likely before.
pub(super) fn highest(scores: &[f64]) -> Option<(usize, f64)> {
    let mut best = 0;
    for (place, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = place;
        }
    }
    let highest = *scores.get(best)?;
    let sum: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
    Some((best, 1.0 / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(requests: &[(usize, usize)]) -> Vec<usize> {
        sets(&requests.iter().map(|&(context, target)| (Some(context), Some(target))).collect::<Vec<_>>())
    }

    #[test]
    fn candidates_share_what_stands_before_or_behind() {
        assert_eq!(sizes(&[(0, 0), (0, 1), (0, 2)]), [3], "the Children's Book Test");
        assert_eq!(sizes(&[(0, 0), (1, 0), (2, 1), (2, 2)]), [2, 2], "Winograd");
        assert_eq!(sizes(&[(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]), [3, 3], "unconditional scores");
        assert_eq!(sizes(&[(0, 0), (1, 1), (2, 2)]), [3], "a candidate in prompt and target");
        assert_eq!(sizes(&[(0, 0)]), [1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn shares_add_up() {
        let (place, share) = highest(&[-3.0, -1.0, -1.0]).unwrap();
        assert_eq!(place, 1);
        assert!((share - 1.0 / (2.0 + (-2.0f64).exp())).abs() < 1e-12);
        assert_eq!(highest(&[-1e9]), Some((0, 1.0)));
        assert_eq!(highest(&[]), None);
    }
}
