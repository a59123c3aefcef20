//! Which samples are whose, where several runs share the work.

use std::collections::BTreeMap;

use crate::seeding::shuffled;
use crate::tasks::LoadedTask;
use gpt2_model::request::Request;

/// What writing a token costs, in bytes of text that could be read instead.
const BYTES_PER_NEW_TOKEN: usize = 20;

/// Deals the samples of task after task to `count` runs, so that all have about as much to do of each task and, where that
/// does not come out even, of all tasks.
///
/// Depends on the samples alone: their names, clusters and texts, never on a model or a machine.
pub(super) struct Dealer {
    /// What each run has to do so far.
    loads: Vec<u64>,
}

impl Dealer {
    /// Nothing is dealt yet.
    pub fn new(count: usize) -> Self {
        Self { loads: vec![0; count.max(1)] }
    }

    /// The run of each of the samples at `selected`, from 0; `requests` are theirs. Samples of a cluster stay together,
    /// since they share prompts. Clusters come in the order of a hash of their name; each goes where least is to do.
    pub fn deal(
        &mut self,
        loaded: &dyn LoadedTask,
        selected: &[usize],
        requests: &[Vec<Request>],
    ) -> Vec<usize> {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (sample, &index) in selected.iter().enumerate() {
            members.entry(loaded.cluster(index).unwrap_or(loaded.id(index))).or_default().push(sample);
        }
        let names: Vec<&str> = members.keys().copied().collect();
        let mut owner = vec![0; selected.len()];
        let mut of_task = vec![0; self.loads.len()];
        for place in shuffled(&names, 0, "shard") {
            let Some(samples) = members.get(names[place]) else { continue };
            let least = (0..self.loads.len()).min_by_key(|&run| (of_task[run], self.loads[run])).unwrap_or(0);
            for &sample in samples {
                let cost = cost_of(&requests[sample]);
                of_task[least] += cost;
                self.loads[least] += cost;
                owner[sample] = least;
            }
        }
        owner
    }
}

/// About how much there is to compute, in bytes of text.
fn cost_of(requests: &[Request]) -> u64 {
    let mut before = "";
    let mut cost = 0;
    for request in requests {
        cost += match request {
            Request::LogLikelihood { context, continuation, .. } => {
                // A context that was just read is not read again.
                let read = if context == before { 0 } else { context.len() };
                before = context;
                read + continuation.len()
            }
            Request::Rolling { part, window, .. } => {
                part.len() * window.context.div_ceil(window.stride.max(1))
            }
            Request::Generate { prompt, max_new_tokens, .. } => {
                let read = if prompt == before { 0 } else { prompt.len() };
                before = prompt;
                read + max_new_tokens * BYTES_PER_NEW_TOKEN
            }
        };
    }
    cost as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DataSource;
    use crate::tasks::{REGISTRY, Source};

    #[test]
    fn every_sample_has_one_owner_and_all_have_alike_to_do() {
        let mut dealer = Dealer::new(4);
        let mut counts = [0; 4];
        for task in REGISTRY {
            let config = task.config();
            let protocol = config.planned(config.default_protocol()).protocol;
            let loaded =
                task.load(&Source::new(&DataSource::Sample, config.data.split, 0), &protocol).unwrap();
            let selected: Vec<usize> = (0..loaded.len()).collect();
            let requests: Vec<_> = selected.iter().map(|&index| loaded.requests(index)).collect();
            let owners = dealer.deal(&*loaded, &selected, &requests);
            assert_eq!(owners.len(), selected.len());
            for (&index, &owner) in selected.iter().zip(&owners) {
                counts[owner] += 1;
                let of_cluster = |other: &usize| {
                    loaded.cluster(*other).is_some() && loaded.cluster(*other) == loaded.cluster(index)
                };
                assert!(
                    selected.iter().filter(|other| of_cluster(other)).all(|&other| owners[other] == owner)
                );
            }
        }
        let (least, most) = (dealer.loads.iter().min().unwrap(), dealer.loads.iter().max().unwrap());
        assert!(*most < least + least / 4, "{:?}", dealer.loads);
        assert!(counts.iter().all(|&count| count > 50), "{counts:?}");
    }
}
